"""Coming from Xplique and from tf-keras-vis: both sides of a line give the same numbers.

Xplique asks for another version of TensorFlow, so what it computes is written out by hand. That
this is what it computes was seen by running Xplique 2.0.2 in an environment of its own.
"""

import itertools
import runpy
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from trulens_core import GaussianDoi

pages = runpy.run_path(str(Path(__file__).with_name("pages.py")))
XPLIQUE, XPLIQUE_ROWS = pages["coming_from"]("xplique")
KERAS_VIS, KERAS_VIS_ROWS = pages["coming_from"]("tf-keras-vis")
EXACT = 1e-10
CLASSES = [0, 2]
LOGITS = 'keras.Model(model.inputs, model.get_layer("scores").output)'


@pytest.fixture(scope="module", autouse=True)
def exact():
    """Models of float64, so that two ways to compute the same differ by rounding alone."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="module")
def xplique_names():
    return pages["run"](XPLIQUE)


@pytest.fixture(scope="module")
def keras_vis_names():
    return pages["run"](KERAS_VIS)


def part(model, start, end):
    """The layers from one index to another, as a function."""

    def run(z):
        for layer in model.layers[start:end]:
            z = layer(z)
        return z

    return run


def gradient(score, z):
    z = tf.constant(z, "float64")
    with tf.GradientTape() as tape:
        tape.watch(z)
        total = tf.reduce_sum(score(z))
    return tape.gradient(total, z).numpy()


def of(f, classes):
    """The score of one class per record."""
    return lambda z: tf.gather(f(z), classes, axis=1, batch_dims=1)


def trapezoid(score, x, baseline, steps):
    found = [gradient(score, baseline + a * (x - baseline)) for a in np.linspace(0, 1, steps)]
    means = [(f + g) / 2 for f, g in itertools.pairwise(found)]
    return (x - baseline) * np.mean(means, axis=0)


def noisy(score, x, scale, samples):
    """The gradients under noise, which is drawn as `GaussianDoi` draws it."""
    points = GaussianDoi(1.0, samples)(tf.zeros(x.shape, "float64"))
    return [gradient(score, x + scale * n.numpy()) for n in points]


def gradcam(f, g, classes, x):
    """Of the feature maps f(x), from which g gives the scores."""
    maps = f(tf.constant(x))
    weights = gradient(of(g, classes), maps).mean((1, 2), keepdims=True)
    return np.maximum((weights * maps.numpy()).sum(-1, keepdims=True), 0)


def xplique(model, x, segmentation, zone):
    """What each line computes with Xplique 2: gradients of f(x)[class], reduced over channels."""
    f, logits = part(model, 0, 4), part(model, 0, 3)
    score = of(f, CLASSES)
    g = gradient(score, x)
    cam = gradcam(part(model, 0, 1), part(model, 1, 4), CLASSES, x)
    samples = noisy(score, x, 0.2, 20)
    noise = "nb_samples=20, noise=0.2, reducer=None"
    return {
        "Saliency(model, reducer=None)": abs(g),
        "Saliency(model)": abs(g).max(-1, keepdims=True),
        f"Saliency({LOGITS}, reducer=None)": abs(gradient(of(logits, CLASSES), x)),
        "GradientInput(model, reducer=None)": g * x,
        "GradientInput(model)": (g * x).mean(-1, keepdims=True),
        "IntegratedGradients(model, steps=50, reducer=None)": trapezoid(score, x, 0.0, 50),
        "IntegratedGradients(model, baseline_value=0.5, batch_size=8, reducer=None)": trapezoid(
            score, x, 0.5, 50
        ),
        f"SmoothGrad(model, {noise})": np.mean(samples, axis=0),
        f"SquareGrad(model, {noise})": np.mean(np.square(samples), axis=0),
        f"VarGrad(model, {noise})": np.var(samples, axis=0, ddof=1),
        'GradCAM(model, conv_layer="conv")': tf.image.resize(cam, (8, 8), "bicubic"),
        "Saliency(model, operator=lambda f, x, y: f(x)[:, 0] - f(x)[:, 1], reducer=None)": abs(
            gradient(lambda z: f(z)[:, 0] - f(z)[:, 1], x)
        ),
        "Saliency(model, operator=lambda f, x, y: f(x)[:, 0] ** 2, reducer=None)": abs(
            gradient(lambda z: f(z)[:, 0] ** 2, x)
        ),
        "Saliency(segmentation, operator=lambda f, x, y: "
        "tf.reduce_sum(f(x)[..., 1] * zone, (1, 2)), reducer=None)": abs(
            gradient(lambda z: tf.reduce_sum(part(segmentation, 0, 2)(z)[..., 1] * zone), x)
        ),
        "Saliency(model, operator=lambda f, x, y: "
        "-tf.reduce_sum(f(x) * tf.math.log(f(x)), -1), reducer=None)": abs(
            gradient(lambda z: -tf.reduce_sum(f(z) * tf.math.log(f(z))), x)
        ),
    }


@pytest.fixture(scope="module")
def by_xplique(xplique_names):
    return xplique(*(xplique_names[n] for n in ("model", "x", "segmentation", "zone")))


@pytest.fixture
def our_noise(monkeypatch):
    """The noise of tf-keras-vis, drawn as `GaussianDoi` draws it."""

    def normal(mean, scale, shape):
        assert mean == 0
        points = GaussianDoi(1.0, shape[0])(tf.zeros(shape[1:], "float64"))
        return np.stack([point.numpy() for point in points]) * scale

    monkeypatch.setattr(np.random, "normal", normal)


@pytest.mark.parametrize("row", XPLIQUE_ROWS)
def test_a_line_for_xplique_gives_its_numbers(row, xplique_names, by_xplique):
    there = by_xplique[row.there.removesuffix("(x, targets)")]
    assert pages["error"](there, eval(row.here, xplique_names)) <= EXACT


@pytest.mark.parametrize("row", KERAS_VIS_ROWS)
def test_a_line_of_tf_keras_vis_gives_the_same_numbers(row, keras_vis_names, our_noise):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, and ours of the softmax, as the page says
        there, here = eval(row.there, keras_vis_names), eval(row.here, keras_vis_names)
    assert pages["error"](there, here) <= EXACT

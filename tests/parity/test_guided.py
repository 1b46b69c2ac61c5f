"""Guided backpropagation by `through`: as Captum's on PyTorch, and the same on JAX and Keras.

Each ReLU of a small network is followed by a function that lets only positive cotangents through.
"""

import runpy
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import ClassQoI, InputAttribution, get_backend, get_model_wrapper
from trulens_core.testing.measure import relative_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum imports what is deprecated
    from captum.attr import GuidedBackprop, Saliency

ZOO_KERAS = runpy.run_path(str(Path(__file__).parents[1] / "keras" / "zoo_keras.py"))
RNG = np.random.default_rng(0)
SHAPES = {"first": (4, 2, 3, 3), "second": (6, 4, 3, 3), "head": (3, 6 * 4 * 4)}
WEIGHTS = {n: RNG.standard_normal(s) / np.sqrt(np.prod(s[1:])) for n, s in SHAPES.items()}
BIASES = {n: 0.1 * RNG.standard_normal(s[0]) for n, s in SHAPES.items()}
X = RNG.standard_normal((4, 2, 8, 8))
CLASSES = [0, 2, 1, 0]


@pytest.fixture(autouse=True, scope="module")
def _float64():
    jax.config.update("jax_enable_x64", True)
    with ZOO_KERAS["float64_is_kept"]():
        yield
    jax.config.update("jax_enable_x64", False)


def guided(y):
    """What a ReLU gave, with the rule."""
    backend = get_backend(y)
    xp, zeros = backend.xp, backend.xp.zeros_like
    return backend.through(
        y, lambda g, v: xp.where(v > 0, xp.where(g > 0, g, zeros(g)), zeros(g)), y
    )


class Guided(nn.Module):
    def forward(self, x):
        return guided(torch.relu(x))


def on_torch(relu):
    """The network, with a module of one's own after each convolution."""
    layers = {"first": nn.Conv2d(2, 4, 3, padding=1), "relu1": relu()}
    layers |= {"second": nn.Conv2d(4, 6, 3, padding=1), "relu2": relu()}
    layers |= {"pool": nn.MaxPool2d(2), "flat": nn.Flatten(), "head": nn.Linear(96, 3)}
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    weights = {f"{n}.weight": torch.tensor(w) for n, w in WEIGHTS.items()}
    model.double().load_state_dict(
        weights | {f"{n}.bias": torch.tensor(b) for n, b in BIASES.items()}
    )
    return model


def on_jax(x):
    """The network, of images whose channels are last."""
    for name in ("first", "second"):
        kernel = jnp.transpose(WEIGHTS[name], (2, 3, 1, 0))
        x = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = guided(jax.nn.relu(x + BIASES[name]))
    windows = x.reshape(len(x), 4, 2, 4, 2, 6)
    flat = jnp.transpose(windows.max((2, 4)), (0, 3, 1, 2)).reshape(len(x), -1)
    return flat @ WEIGHTS["head"].T + BIASES["head"]


class GuidedLayer(keras.layers.Layer):
    def call(self, x):
        return guided(keras.ops.relu(x))


def on_keras():
    """The same as layers, on TensorFlow here."""
    options = {"dtype": "float64"}
    x = y = keras.Input((8, 8, 2), **options)
    for name in ("first", "second"):
        conv = keras.layers.Conv2D(len(BIASES[name]), 3, padding="same", name=name, **options)
        y = GuidedLayer(**options)(conv(y))
    y = ZOO_KERAS["ChannelsFirst"](**options)(keras.layers.MaxPool2D(2, **options)(y))
    model = keras.Model(x, keras.layers.Dense(3, name="head", **options)(y))
    for name, weight in WEIGHTS.items():
        kernel = weight.T if name == "head" else np.transpose(weight, (2, 3, 1, 0))
        model.get_layer(name).set_weights([kernel, BIASES[name]])
    return model


@pytest.fixture(scope="module")
def found():
    """The attributions by framework, channels first."""
    last = np.moveaxis(X, 1, -1)

    def of(wrapper, x):
        method = InputAttribution(wrapper, qoi=ClassQoI(CLASSES), multiply_activation=False)
        return np.asarray(method.attributions(x))

    return {
        "torch": of(get_model_wrapper(on_torch(Guided)), X),
        "jax": np.moveaxis(of(get_model_wrapper(on_jax, backend="jax"), last), -1, 1),
        "keras": np.moveaxis(of(get_model_wrapper(on_keras()), last), -1, 1),
    }


def by_captum(method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it sets hooks
        explained = method(on_torch(nn.ReLU).eval())
        options = {"abs": False} if method is Saliency else {}
        given = explained.attribute(torch.tensor(X, requires_grad=True), CLASSES, **options)
    return given.detach().numpy()


def test_captum_agrees(found):
    theirs = by_captum(GuidedBackprop)
    assert relative_error(found["torch"], theirs) <= 1e-12
    assert relative_error(by_captum(Saliency), theirs) > 0.1  # the rule is not the derivative


@pytest.mark.parametrize("framework", ["jax", "keras"])
def test_frameworks_agree(found, framework):
    assert np.abs(found["torch"]).reshape(4, -1).max(1).min() > 1e-2
    assert relative_error(found[framework], found["torch"]) <= 1e-10

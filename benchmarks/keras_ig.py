"""Integrated gradients on Keras and TensorFlow, 50 steps, beside a traced loop written by hand.

    python benchmarks/keras_ig.py [CASE ...] [--turns N] [--json FILE]

Xplique takes turns with them where it is installed. It pins an older TensorFlow, so that
`make bench` gives it an environment of its own, with this library in it, too:

    .venv-xplique/bin/python benchmarks/keras_ig.py
"""

import os
import sys
from importlib.util import find_spec

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import measure
import numpy as np
import tensorflow as tf

STEPS, ROWS, CLASS = 50, 50, 3
MODELS = {
    "4 convolutions, 4 images of 64 × 64": lambda: (small(), 4, 64),
    "ResNet50, 1 image of 96 × 96": lambda: (resnet(), 1, 96),
}
WITH_XPLIQUE = find_spec("xplique") is not None


def small():
    parts = [keras.layers.Input((64, 64, 3))]
    for filters in (16, 32, 32, 64):
        parts.append(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        parts.append(keras.layers.MaxPooling2D())
    parts += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    return keras.Sequential(parts)


def resnet():
    return keras.applications.ResNet50(
        weights=None, input_shape=(96, 96, 3), classes=10, classifier_activation=None
    )


def by_hand(model, x):
    """The loop: blocks of rows through one traced gradient, their sum, times the input."""

    @tf.function(input_signature=[tf.TensorSpec([None, *x.shape[1:]], tf.float32)])
    def gradient(points):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            y = tf.reduce_sum(model(points, training=False)[:, CLASS])
        return tape.gradient(y, points)

    alphas = tf.reshape((tf.range(STEPS, dtype=tf.float32) + 0.5) / STEPS, (-1, 1, 1, 1))

    def run():
        found = []
        for image in tf.convert_to_tensor(x):
            total = tf.zeros_like(image)
            for i in range(0, STEPS, ROWS):
                total += tf.reduce_sum(gradient(alphas[i : i + ROWS] * image), axis=0)
            found.append(image * total / STEPS)
        return tf.stack(found).numpy()

    return run


def ours(model, x):
    from trulens_core import ClassQoI, IntegratedGradients, get_model_wrapper

    method = IntegratedGradients(
        get_model_wrapper(model), resolution=STEPS, qoi=ClassQoI(CLASS), rebatch_size=ROWS
    )
    return lambda: method.attributions(x)


def xplique(model, x):
    from xplique.attributions import IntegratedGradients

    method = IntegratedGradients(model, steps=STEPS, batch_size=ROWS)
    targets = np.eye(10, dtype="float32")[[CLASS] * len(x)]
    return lambda: np.asarray(method(x, targets))


def case(make):
    """The ways to explain the images of a model, which must agree but for Xplique's.

    Its rule is the trapezoid, and it adds up the channels: other numbers for the same work.
    """
    keras.utils.set_random_seed(0)
    model, n, side = make()
    x = np.random.default_rng(0).uniform(0, 1, (n, side, side, 3)).astype("float32")
    ways = {"ours": ours(model, x), "by hand": by_hand(model, x)}

    def check():
        found, expected = ways["ours"](), ways["by hand"]()
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()

    if WITH_XPLIQUE:
        ways["Xplique"] = xplique(model, x)
    return measure.Case(ways, {"by hand": 1.05, "Xplique": 1.0}, check=check)


def titled(title):
    return f"with Xplique: {title}" if WITH_XPLIQUE else title


CASES = {titled(name): lambda make=make: case(make) for name, make in MODELS.items()}

if __name__ == "__main__":
    sys.exit(measure.main(CASES))

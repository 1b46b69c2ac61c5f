"""TensorFlow without Keras."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
import tensorflow as tf

from trulens_core.testing.measure import relative_error


@pytest.fixture(scope="session")
def gradients():
    """gradients(f, *arrays): of the sum of f, by a tape."""

    def run(function, *arrays):
        xs = [tf.convert_to_tensor(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(xs)
            total = tf.reduce_sum(function(*xs))
        return [g.numpy() for g in tape.gradient(total, xs)]

    return run


@pytest.fixture(scope="session")
def equal():
    """equal(a, b): in the measure of the library, for smooth models in float32."""

    def check(a, b, bound=1e-6):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        assert relative_error(a, b) <= bound

    return check


@pytest.fixture(scope="session")
def draw():
    """draw(*shape): floats that are always the same."""
    return lambda *shape: np.random.default_rng(0).normal(size=shape).astype("float32")

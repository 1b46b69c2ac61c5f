"""One process tests Keras on one framework: KERAS_BACKEND, TensorFlow unless it is set."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# tests compile much and run little
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import keras
import numpy as np
import pytest

FRAMEWORK = keras.config.backend()


def pytest_configure(config):
    # Keras's variables, and so its way of saving them, under NumPy 2.4
    text = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
    config.addinivalue_line("filterwarnings", text)


def _by_tensorflow(function, arrays):
    import tensorflow as tf

    xs = [tf.convert_to_tensor(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(xs)
        total = tf.reduce_sum(function(*xs))
    return [g.numpy() for g in tape.gradient(total, xs)]


def _by_torch(function, arrays):
    import torch

    xs = [torch.tensor(a, requires_grad=True) for a in arrays]
    return [g.numpy() for g in torch.autograd.grad(function(*xs).sum(), xs)]


def _by_jax(function, arrays):
    import jax

    total = jax.grad(lambda *xs: function(*xs).sum(), argnums=tuple(range(len(arrays))))
    return [np.asarray(g) for g in total(*map(jax.numpy.asarray, arrays))]


@pytest.fixture(scope="session")
def gradients():
    """gradients(f, *arrays): of the sum of f, by the framework's own means."""
    by = {"tensorflow": _by_tensorflow, "torch": _by_torch, "jax": _by_jax}[FRAMEWORK]
    return lambda function, *arrays: by(function, arrays)


@pytest.fixture(scope="session")
def framework():
    return FRAMEWORK


@pytest.fixture(scope="session")
def value():
    """value(f, *arrays): what f of the arrays' tensors is, as an array."""

    def run(function, *arrays):
        # in the arrays' own type: Keras would make float32 of float64
        tensors = [keras.ops.convert_to_tensor(a, dtype=str(a.dtype)) for a in arrays]
        found = function(*tensors)
        return found.detach().numpy() if FRAMEWORK == "torch" else np.asarray(found)

    return run


@pytest.fixture(scope="session")
def equal():
    """equal(a, b): in the measure of the library, for models with kinks in float32."""
    from trulens_core.testing.measure import relative_error

    def check(a, b, bound=1e-4):
        assert np.shape(a) == np.shape(b)
        assert np.max(relative_error(np.asarray(a), np.asarray(b))) <= bound

    return check


@pytest.fixture(scope="session")
def draw():
    """draw(*shape): floats that are always the same."""
    return lambda *shape: np.random.default_rng(0).normal(size=shape).astype("float32")

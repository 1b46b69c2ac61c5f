"""`through` in layers of Keras, whose backend is that of the framework of this process."""

import runpy
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from trulens_core import Cut, InternalInfluence, LinearDoi, get_backend, get_model_wrapper
from trulens_core.backends import Backend
from trulens_core.testing import relative_error

ZOO_KERAS = runpy.run_path(str(Path(__file__).with_name("zoo_keras.py")))  # tests are no package
RNG = np.random.default_rng(3)
X, KERNEL, HEAD = (RNG.standard_normal(s) for s in ((3, 4), (4, 5), (5, 2)))


@pytest.fixture(autouse=True, scope="module")
def _float64(framework):
    with ZOO_KERAS["float64_is_kept"]():
        if framework != "jax":
            yield
            return
        import jax

        jax.config.update("jax_enable_x64", True)
        yield
        jax.config.update("jax_enable_x64", False)


class Guided(layers.Layer):
    """A tanh that lets only positive gradients through, and doubles them where it is positive."""

    def call(self, x):
        y = ops.tanh(x)
        double = ops.where(y > 0, 2 * ops.ones_like(y), ops.ones_like(y))
        return get_backend(y).through(y, lambda g, v: ops.where(g > 0, g * v, 0 * g), double)


@pytest.fixture
def model():
    x = keras.Input((4,), dtype="float64")
    h = layers.Dense(5, use_bias=False, dtype="float64", name="hidden")(x)
    y = layers.Dense(2, use_bias=False, dtype="float64", name="head")(
        Guided(dtype="float64", name="guided")(h)
    )
    found = keras.Model(x, y)
    found.set_weights([KERNEL, HEAD])
    return found


def at_hidden(h):
    """The gradient of the second score."""
    y = np.tanh(h)
    g = np.broadcast_to(HEAD[:, 1], h.shape)
    return np.where(g > 0, g * np.where(y > 0, 2.0, 1.0), 0.0) * (1 - y * y)


def close(found, wanted):
    assert relative_error(np.asarray(found), wanted) <= 1e-10


def test_the_backend_is_the_frameworks(model, framework):
    wrapper = get_model_wrapper(model)
    assert wrapper.backend.name == framework
    assert type(wrapper.backend).through is not Backend.through


def test_in_a_layer(model):
    close(get_model_wrapper(model)(X), np.tanh(X @ KERNEL) @ HEAD)

    def found(source, doi="point"):
        method = InternalInfluence(model, source, 1, doi, multiply_activation=False)
        return method.attributions(X)

    h = X @ KERNEL
    close(found("hidden"), at_hidden(h))
    close(found(None), at_hidden(h) @ KERNEL.T)
    path = LinearDoi(resolution=3, rule="midpoint", cut=Cut("hidden"))
    close(found("hidden", path), np.mean([at_hidden(a * h) for a in (1 / 6, 0.5, 5 / 6)], axis=0))


def test_in_a_quantity(model):
    """By the wrapper's backend, between the two halves of a step too."""
    wrapper = get_model_wrapper(model)

    def qoi(h):
        pulled = wrapper.backend.through(h, lambda g: ops.where(g > 0, g, 0 * g))
        return ops.sum(pulled * ops.convert_to_tensor(HEAD[:, 1]), axis=1)

    method = InternalInfluence(wrapper, (None, "hidden"), qoi, "point", multiply_activation=False)
    close(method.attributions(X), np.tile(np.maximum(HEAD[:, 1], 0) @ KERNEL.T, (3, 1)))

"""Models of every kind with other weights: what was given stays as it is."""

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from trulens_core import get_model_wrapper

X = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")


class OfLinen(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(3)(jnp.tanh(linen.Dense(4)(x)))


class OfNnx(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.scores, self.hidden = nnx.Linear(4, 3, rngs=rngs), nnx.Linear(5, 4, rngs=rngs)

    def __call__(self, x):
        return self.scores(jnp.tanh(self.hidden(x)))


def of_haiku():
    made = hk.transform(lambda x: hk.Linear(3)(jnp.tanh(hk.Linear(4)(x))))
    return get_model_wrapper(made, params=made.init(jax.random.key(0), X))


def of_function():
    params = {"w": np.ones((5, 3), "float32"), "b": np.ones(3, "float32")}
    return get_model_wrapper(lambda p, x: x @ p["w"] + p["b"], backend="jax", params=params)


WRAPPERS = {
    "linen": lambda: get_model_wrapper(OfLinen(), params=OfLinen().init(jax.random.key(0), X)),
    "nnx": lambda: get_model_wrapper(OfNnx()),
    "equinox": lambda: get_model_wrapper(eqx.nn.MLP(5, 3, 4, 1, key=jax.random.key(0))),
    "haiku": of_haiku,
    "function": of_function,
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_other_weights(kind):
    wrapper = WRAPPERS[kind]()
    before = np.asarray(wrapper(X))
    weights = {name: np.array(w) for name, w in wrapper.weights().items()}
    zeros = wrapper.with_weights({name: 0 * w for name, w in weights.items()})
    assert np.abs(np.asarray(zeros(X))).max() == 0.0
    twice = wrapper.with_weights({name: 2 * w for name, w in weights.items()}).weights()
    assert all((np.asarray(twice[name]) == 2 * w).all() for name, w in weights.items())
    np.testing.assert_array_equal(np.asarray(wrapper(X)), before)
    assert all((np.asarray(w) == weights[n]).all() for n, w in wrapper.weights().items())

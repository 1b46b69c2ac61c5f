"""What is no tensor among a model's arguments, and what a model needs besides its arguments."""

import collections
import dataclasses
import types

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import InputAttribution, UnsupportedModelError, get_model_wrapper
from trulens_core.testing import relative_error

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
W = jnp.asarray(np.random.default_rng(1).normal(size=(4, 2)), "float32")


@dataclasses.dataclass
class Options:
    scale: float


class Equal:
    """Says that it equals every other."""

    def __init__(self, scale):
        self.scale = scale

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


HOLDERS = {
    "namespace": (
        types.SimpleNamespace(scale=1.0),
        lambda h: h.scale,
        _set := lambda h, s: setattr(h, "scale", s),
    ),
    "dataclass": (Options(1.0), lambda h: h.scale, _set),
    "equal to all": (Equal(1.0), lambda h: h.scale, _set),
    "deque": (collections.deque([1.0], 1), lambda h: h[0], lambda h, s: h.append(s)),
    "dict": ({"a": [1.0]}, lambda h: h["a"][0], lambda h, s: h["a"].__setitem__(0, s)),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_static_argument_that_is_changed(name):
    held, read, write = HOLDERS[name]

    def model(x, held):
        return jnp.tanh(x @ W) * read(held)

    wrapper = get_model_wrapper(model, backend="jax")
    method = InputAttribution(wrapper, qoi=1, multiply_activation=False)
    for scale in (1.0, 3.0, -2.0, 1.0):
        write(held, scale)
        expected = jax.grad(lambda x, s=scale: (jnp.tanh(x @ W)[:, 1] * s).sum())(X)
        assert relative_error(method.attributions(X, held), np.asarray(expected)) <= 1e-6


def test_zeros_of_both_signs_and_numbers_that_are_none():
    def model(x, s):
        return x @ W * (np.copysign(1.0, s) if s == s else 5.0)

    method = InputAttribution(get_model_wrapper(model, backend="jax"), qoi=1)
    one = method.attributions(X, 0.0)
    assert (method.attributions(X, -0.0) == -one).all()
    assert relative_error(method.attributions(X, float("nan")), 5 * one) <= 1e-6
    assert (method.attributions(X, 0.0) == one).all()


class Stateful(eqx.Module):
    norm: eqx.nn.BatchNorm
    last: eqx.nn.Linear

    def __init__(self):
        self.norm = eqx.nn.BatchNorm(4, axis_name="b", mode="ema")
        self.last = eqx.nn.Linear(4, 2, key=jax.random.key(0))

    def __call__(self, x, state):
        h, state = self.norm(x, state)
        return self.last(h), state


def test_an_equinox_module_whose_state_is_missing():
    model, state = eqx.nn.make_with_state(Stateful)()
    with pytest.raises(UnsupportedModelError, match=r"make_with_state.*state=state"):
        InputAttribution(model).attributions(X)
    given = InputAttribution(get_model_wrapper(model, state=state)).attributions(X)
    assert given.shape == X.shape


def test_a_haiku_function_that_draws():
    f = hk.transform(lambda x: hk.dropout(hk.next_rng_key(), 0.5, hk.Linear(2)(x)))
    params = f.init(jax.random.key(0), X)
    with pytest.raises(UnsupportedModelError, match=r"draws random numbers.*f.apply"):
        InputAttribution(get_model_wrapper(f, params=params)).attributions(X)
    method = InputAttribution(get_model_wrapper(hk.transform(_raised), params={}))
    with pytest.raises(ValueError, match="other"):
        method.attributions(X)


def _raised(x):
    raise ValueError("some other")

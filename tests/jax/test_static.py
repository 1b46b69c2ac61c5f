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
from flax import linen as nn
from flax import nnx

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    UnsupportedModelError,
    get_model_wrapper,
)
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


class Slope:
    """An activation that is told something, as a class of the caller's."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        return x * self.scale


class Nnx(nnx.Module):
    def __init__(self, held):
        self.last = nnx.Linear(4, 2, rngs=nnx.Rngs(0))
        self.held = held

    def __call__(self, x):
        return _scaled(jnp.tanh(self.last(x)), self.held)


class Eqx(eqx.Module):
    last: eqx.nn.Linear
    held: object = eqx.field(static=True)

    def __call__(self, x):
        return _scaled(jnp.tanh(self.last(x)), self.held)


class Leaf(eqx.Module):
    last: eqx.nn.Linear
    held: object

    def __call__(self, x):
        return _scaled(jnp.tanh(self.last(x)), self.held)


class Linen(nn.Module):
    held: object

    @nn.compact
    def __call__(self, x):
        return _scaled(jnp.tanh(nn.Dense(2)(x)), self.held)


def _scaled(y, held):
    return held(y) if callable(held) else y * (held[0] if isinstance(held, list) else held.scale)


def _linen(held):
    module = Linen(held)
    return get_model_wrapper(module, params=module.init(jax.random.key(0), X))


_last = eqx.nn.Linear(4, 2, key=jax.random.key(0))
KINDS = {
    "NNX": lambda held: get_model_wrapper(Nnx(held)),
    "Equinox, static": lambda held: get_model_wrapper(Eqx(_last, held)),
    "Equinox, a leaf": lambda held: get_model_wrapper(Leaf(_last, held)),
    "Linen": _linen,
    "a function's weights": lambda held: get_model_wrapper(
        lambda p, x: _scaled(jnp.tanh(x @ p["w"]), p["held"]),
        backend="jax",
        params={"w": W, "held": held},
    ),
}
STATICS = {
    "namespace": (types.SimpleNamespace, {"scale": 1.0}),
    "callable": (Slope, {"scale": 1.0}),
    "list": (lambda: [1.0], {}),
}


# elsewhere a list is a tree of numbers, or made a tuple
PAIRS = [(k, n) for k in KINDS for n in STATICS if n != "list" or k in ("NNX", "Equinox, static")]


@pytest.mark.parametrize(("kind", "name"), PAIRS)
def test_what_a_model_holds_is_changed_in_place(kind, name):
    make, options = STATICS[name]
    held = make(**options)
    wrapper = KINDS[kind](held)
    method = IntegratedGradients(wrapper, resolution=3, qoi=1)
    one = method.attributions(X)
    for scale in (3.0, -2.0, 1.0):
        held.__setitem__(0, scale) if name == "list" else setattr(held, "scale", scale)
        for _ in range(2):
            assert relative_error(method.attributions(X), scale * one) <= 1e-6


def test_what_is_read_where_nobody_looks_is_seen_when_the_cache_is_cleared():
    held = [1.0]
    wrapper = get_model_wrapper(lambda x: jnp.tanh(x @ W) * held[0], backend="jax")
    method = InputAttribution(wrapper, qoi=1)
    one = method.attributions(X)
    held[0] = 3.0
    wrapper.clear_cache()
    assert relative_error(method.attributions(X), 3 * one) <= 1e-6


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

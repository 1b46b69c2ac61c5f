"""Models of JAX as people have them, beside jax.grad of one record at a time, in float64."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trulens_core import Cut, InputCut, InternalInfluence, LinearDoi, OutputCut, get_model_wrapper
from trulens_core.testing import relative_error

POINTS = 3
RNG = np.random.default_rng(0)
X, SERIES, IDS = (
    RNG.normal(size=(3, 4)),
    RNG.normal(size=(3, 6, 4)),
    np.array([[1, 5], [2, 3], [7, 1]]),
)
EDGES = np.array([[0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 0, 2]])


@dataclasses.dataclass(frozen=True)
class Asked:
    """A model, a call and a question.

    Attributes:
        make: gives the wrapper, and the same as a function of one record's variables z and its
            arguments, by the framework alone: the score, a number.
        args: three records.
        start: what z is, of one record's arguments; None: the first.
    """

    make: Callable[[], tuple[Any, Callable]]
    args: tuple
    qoi: Any = 1
    cut: Any = None
    to: Any = None
    start: Callable | None = None
    quick: bool = False


class Scanned(nnx.Module):
    """Layers stacked, run by a scan."""

    def __init__(self, rngs):
        make = nnx.vmap(
            lambda r: nnx.Linear(4, 4, param_dtype=jnp.float64, rngs=r), in_axes=0, out_axes=0
        )
        self.layers = nnx.split_rngs(splits=3)(make)(rngs)
        self.last = nnx.Linear(4, 3, param_dtype=jnp.float64, rngs=rngs)

    def __call__(self, x):
        step = nnx.scan(lambda m, v: jnp.tanh(m(v)), in_axes=(0, nnx.Carry), out_axes=nnx.Carry)
        return self.last(step(self.layers, x))


def nnx_scan():
    model = Scanned(nnx.Rngs(0))
    kernels, biases = model.layers.kernel[...], model.layers.bias[...]

    def score(z):
        for k, b in zip(kernels, biases, strict=True):
            z = jnp.tanh(z @ k + b)
        return (z @ model.last.kernel[...] + model.last.bias[...])[0, 1]

    return get_model_wrapper(model), score


class Normed(eqx.Module):
    """With a state: running statistics."""

    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    last: eqx.nn.Linear

    def __init__(self):
        a, b = jax.random.split(jax.random.key(0))
        self.first = eqx.nn.Linear(4, 5, key=a)
        self.norm = eqx.nn.BatchNorm(5, "batch", mode="ema")
        self.last = eqx.nn.Linear(5, 3, key=b)

    def __call__(self, x, state):
        h, state = self.norm(jnp.tanh(self.first(x)), state)
        return self.last(h), state


def equinox_state():
    model, state = eqx.nn.make_with_state(Normed)()
    whole = jax.vmap(model, axis_name="batch", in_axes=(0, None), out_axes=(0, None))
    _, state = whole(jnp.asarray(RNG.normal(size=(8, 4))), state)
    model = eqx.nn.inference_mode(model)

    def of(x):
        return jax.vmap(lambda r: model(r, state)[0], axis_name="batch")(x)

    return get_model_wrapper(of, backend="jax"), lambda z: of(z)[0, 1]


def haiku_state():
    def net(x, train=False):
        h = hk.BatchNorm(True, True, 0.9, name="norm")(hk.Linear(5, name="first")(x), train)
        return hk.Linear(3, name="last")(jax.nn.gelu(h))

    made = hk.without_apply_rng(hk.transform_with_state(net))
    params, state = made.init(jax.random.key(0), jnp.asarray(X), True)
    state = jax.tree.map(lambda t: t + 0.3 if t.dtype.kind == "f" else t, state)
    wrapper = get_model_wrapper(made, params=params, state=state)
    return wrapper, lambda z: made.apply(params, state, z)[0][0, 1]


class Words(nn.Module):
    """A transformer's block of two words."""

    @nn.compact
    def __call__(self, ids):
        h = nn.Embed(10, 6, param_dtype=jnp.float64, name="words")(ids)
        h = h + nn.MultiHeadDotProductAttention(2, param_dtype=jnp.float64)(h, h)
        h = nn.LayerNorm(param_dtype=jnp.float64)(h)
        return {"scores": nn.Dense(3, param_dtype=jnp.float64)(h.mean(1)), "states": h}


def linen_words():
    model = Words()
    params = model.init(jax.random.key(0), IDS)

    def score(z, ids):
        def instead(call, args, kwargs, context):
            return z if context.module.name == "words" else call(*args, **kwargs)

        with nn.intercept_methods(instead):
            return model.apply(params, ids)["scores"][0, 1]

    return get_model_wrapper(model, params=params), score


def words_of(ids):
    model = Words()
    params = model.init(jax.random.key(0), IDS)
    return params["params"]["words"]["embedding"][ids]


def plain_graph():
    """Messages by segment_sum; one graph is one record, and vmap its batch."""
    w = jnp.asarray(RNG.normal(size=(4, 3)))

    def one(x):
        sent = jax.ops.segment_sum(x[EDGES[0]], EDGES[1], 5)
        return jnp.tanh(sent + x) @ w

    return get_model_wrapper(jax.vmap(one), backend="jax"), lambda z: one(z[0])[2, 1]


def two_towers():
    w, v = (jnp.asarray(RNG.normal(size=s)) for s in ((4, 5), (4, 5)))

    def alike(p, x, y):
        a, b = jnp.tanh(x @ p["w"]), jnp.tanh(y @ p["v"])
        return (a * b).sum(-1)

    params = {"w": w, "v": v}
    wrapper = get_model_wrapper(alike, backend="jax", params=params)
    return wrapper, lambda z, x, y: alike(params, z, y)[0]


def recurrent():
    w, u = jnp.asarray(RNG.normal(size=(4, 5))), jnp.asarray(RNG.normal(size=(5, 5)) / 3)

    def last(x):
        step = lambda h, row: (jnp.tanh(row @ w + h @ u), None)
        return jax.lax.scan(step, jnp.zeros((x.shape[1], 5), x.dtype), x)[0]

    return get_model_wrapper(last, backend="jax", batched={"x": 1}), lambda z: last(z)[0, 1]


TABLE = {
    "NNX, a scan": Asked(nnx_scan, (X,)),
    "Equinox with a state": Asked(equinox_state, (X,)),
    "Haiku with a state": Asked(haiku_state, (X,), quick=True),
    "Linen, words": Asked(
        linen_words,
        (IDS,),
        cut=Cut("words"),
        to=OutputCut("scores"),
        start=words_of,
    ),
    "graph, a node": Asked(plain_graph, (RNG.normal(size=(3, 5, 4)),), lambda y: y[:, 2, 1]),
    "two towers, one of them": Asked(
        two_towers,
        (X, RNG.normal(size=(3, 4))),
        qoi=lambda y: y,
        cut=InputCut(names=["x"]),
        start=lambda x, y: x,
        quick=True,
    ),
    "a scan over time, time first": Asked(recurrent, (SERIES.transpose(1, 0, 2),)),
}
QUICK = [n for n, asked in TABLE.items() if asked.quick or os.environ.get("TRULENS_EVERY")]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", QUICK)
def test_models_of_jax(name):
    asked = TABLE[name]
    wrapper, score = asked.make()
    axis = 1 if "time first" in name else 0
    for path in (False, True):
        doi = LinearDoi(resolution=POINTS, rule="midpoint", cut=asked.cut) if path else "point"
        method = InternalInfluence(
            wrapper, (asked.cut, asked.to), asked.qoi, doi, multiply_activation=path
        )
        found = method.attributions(*asked.args)
        rows = []
        for r in range(3):
            args = [jnp.asarray(np.take(a, [r], axis)) for a in asked.args]
            z = asked.start(*args) if asked.start else args[0]
            more = args if asked.start else ()
            shares = [(k + 0.5) / POINTS for k in range(POINTS)] if path else [1.0]
            total = sum(jax.grad(score)(s * z, *more) for s in shares) / len(shares)
            rows.append(total * z if path else total)
        expected = np.concatenate(rows, axis)
        assert np.abs(expected).max() > 0
        assert np.shape(found) == expected.shape
        assert relative_error(np.asarray(found), expected) <= 1e-9

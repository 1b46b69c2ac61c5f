"""`through` on JAX: under every transformation, and inside models that the library traces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    Cut,
    InternalInfluence,
    LambdaQoI,
    LinearDoi,
    get_backend,
    get_model_wrapper,
)
from trulens_jax import tap

pytestmark = pytest.mark.usefixtures("x64")
RNG = np.random.default_rng(3)
X, V, W = (RNG.standard_normal(s) for s in ((3, 4), (3, 4), (4,)))
B = get_backend(jnp.zeros(1))


def positive(g, v):
    return jnp.where(g > 0, g * v, 0.0)


def value(x, v):
    y = B.through(jnp.tanh(x), positive, v)
    return (y * W).sum() + (y * y).sum()


def expected(x, v):
    y = np.tanh(x)
    g = W + 2 * y
    return np.where(g > 0, g * v, 0.0) * (1 - y * y)


def in_scan(x, v):
    return jax.lax.scan(lambda c, row: (c + value(*row), None), 0.0, (x, v))[0]


CONTEXTS = {
    "eager": jax.grad(value),
    "jit": jax.jit(jax.grad(value)),
    "grad of jit": jax.grad(jax.jit(value)),
    "vmap of grad": jax.vmap(jax.grad(value)),
    "grad of vmap": jax.grad(lambda x, v: jax.vmap(value)(x, v).sum()),
    "checkpoint": jax.jit(jax.grad(jax.checkpoint(value))),
    "scan": jax.jit(jax.grad(in_scan)),
    "checkpoint of a scan": jax.grad(jax.checkpoint(in_scan)),
    "cond": jax.grad(lambda x, v: jax.lax.cond(v[0, 0] < 9, value, lambda *_: 0.0, x, v)),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_under_every_transformation(name, close):
    close(CONTEXTS[name](jnp.asarray(X), jnp.asarray(V)), expected(X, V), 1e-10)


def test_from_round_to_round(close):
    """What a round of a scan carries on is pulled in each; what each holds is its own."""

    def rounds(x, vs):
        return jax.lax.scan(lambda c, v: (B.through(1.5 * c, positive, v), None), x, vs)[0]

    vs = np.stack([V, -V, V * V])
    found = jax.grad(lambda x: (rounds(x, vs) * W).sum())(X)
    by_hand = np.broadcast_to(W, X.shape)
    for v in vs[::-1]:
        by_hand = 1.5 * np.where(by_hand > 0, by_hand * v, 0.0)
    assert by_hand.any()
    close(found, by_hand, 1e-10)


def test_what_is_held_may_be_shared_by_a_batch(close):
    def of(x, v, mask, counts):
        y = B.through(x, lambda g, v, m, i: jnp.where(m, g * v, g * i), v, mask, counts)
        return (y * W).sum()

    gradient = jax.jit(jax.vmap(jax.grad(of), (0, 0, 0, None)))
    close(gradient(X, V, V > 0, np.arange(4)), np.where(V > 0, W * V, W * np.arange(4)), 1e-10)


def test_nothing_is_passed_back_to_what_is_held(close):
    """Not by a derivative of higher order either; and not by itself where it is the value."""
    assert not jax.grad(value, argnums=1)(X, V).any()
    assert not jax.grad(lambda v: jax.grad(value)(X, v).sum())(V).any()
    close(jax.grad(lambda x: value(x, x * V))(X), expected(X, X * V), 1e-10)
    y = np.tanh(X)
    slope, g = 1 - y * y, W + 2 * y
    passed = np.where(g > 0, V, 0.0)
    second = slope * np.where(passed > 0, 2 * passed * slope * V, 0.0) - 2 * y * slope * g * passed
    close(jax.grad(lambda x: jax.grad(value)(x, V).sum())(X), second, 1e-10)


def test_what_cannot_be_pulled():
    counts = jnp.arange(3)
    assert B.through(counts, None) is counts
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(3, 4\)"):
        jax.jit(jax.grad(lambda x: B.through(x, lambda g: g.sum(1)).sum()))(X)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(value, (X, V), (X, V))


def test_narrow_types():
    x = jnp.asarray(X, jnp.bfloat16)
    found = jax.grad(lambda x: B.through(x, lambda g: g.astype("float64") * 3.0).sum())(x)
    assert found.dtype == jnp.bfloat16
    assert (found == 3).all()


def cell(h, x):
    h = tap(jnp.tanh(h + x), "cell")
    h = B.through(h, positive, jax.lax.stop_gradient(h) ** 2 + 1)
    return h, h


def recurrent(x):
    first = tap(2.0 * x, "first")
    _, states = jax.lax.scan(cell, jnp.zeros(first.shape[0]), first.T)
    return (states * W[:, None]).sum(0)[:, None]


def by_hand(first):
    """The gradients of the output at what each round is given, and at its state."""
    h, states = np.zeros(len(first)), []
    for x in first.T:
        h = np.tanh(h + x)
        states.append(h)
    at_input, at_state, back = [], [], np.zeros(len(first))
    for w, h in zip(W[::-1], states[::-1], strict=True):
        g = w + back
        g = np.where(g > 0, g * (h * h + 1), 0.0)
        back = g * (1 - h * h)
        at_state.append(g)
        at_input.append(back)
    return np.stack(at_input[::-1], 1), np.stack(at_state[::-1], 1)


def test_inside_a_model(close):
    """Before a scan, on a path too, and at all rounds of one."""
    wrapper = get_model_wrapper(recurrent, backend="jax")
    qoi = LambdaQoI(lambda y: y[:, 0])

    def found(cut, doi="point"):
        method = InternalInfluence(wrapper, cut, qoi, doi, multiply_activation=False)
        return method.attributions(X)

    first = 2.0 * X
    close(found("first"), by_hand(first)[0], 1e-10)
    path = LinearDoi(resolution=3, rule="midpoint", cut="first")
    points = [by_hand(first * a)[0] for a in (1 / 6, 0.5, 5 / 6)]
    close(found("first", path), np.mean(points, axis=0), 1e-10)
    close(np.asarray(found(Cut("cell", batch_axis=1))).reshape(4, 3).T, by_hand(first)[1], 1e-10)

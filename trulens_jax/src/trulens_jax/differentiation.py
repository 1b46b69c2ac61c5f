"""The gradient primitive: what a tap adds is −0, and carries the derivative."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trulens_core.backends import Gradients, Tap
from trulens_core.errors import QoiError
from trulens_jax import _compat
from trulens_jax.half import halved, scaled
from trulens_jax.jaxprs import dependencies
from trulens_jax.recorder import Recorder, minus_zeros

Run = Callable[[list[Any], Tap], list[Any]]
"""Evaluates rows at points, with a tap; the tensors of interest."""


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Connections:
    """Per output, the tapped tensors that it depends on; to a compiled function, no data."""

    sources: tuple[frozenset[int], ...]


@dataclasses.dataclass(frozen=True)
class Traced:
    """One evaluation of rows as a function of points and of what is added at the tap.

    Attributes:
        eps: the shapes of what is added; None at tensors that are not floating.
        n_outputs: how many tensors `run` returned.
        connections: which of them depends on which tapped tensor.
    """

    closed: Any
    eps: list[Any]
    n_outputs: int
    connections: Connections

    def __call__(self, points: list[Any], eps: list[Any]) -> tuple[list[Any], list[Any]]:
        """The outputs, and the tensors that were tapped."""
        args = [*points, *(e for e in eps if e is not None)]
        out = _compat.evaluate(self.closed.jaxpr, self.closed.consts, *args)
        return out[: self.n_outputs], out[self.n_outputs :]


def traced(run: Run, points: Sequence[Any] = ()) -> Traced:
    """Trace `run` at points of these shapes.

    Raises:
        QoiError: where it reads the numbers of what is traced. A model that does so has been
            refused before, so that it is the quantity.
    """
    try:
        return _traced(run, [jax.ShapeDtypeStruct(p.shape, p.dtype) for p in points])
    except _compat.VALUE_READ as error:
        raise QoiError(
            "the quantity reads the numbers of the value it is given (an if, float() or a NumPy "
            "function of it), but JAX shows it the shape alone; write it with jax.numpy, and "
            f"jnp.where for a choice: {str(error).partition(chr(10))[0]}"
        ) from error


def _traced(run: Run, points: list[Any]) -> Traced:
    shown = Recorder()

    def seen(points: list[Any]) -> list[Any]:
        run(points, shown)
        return shown.seen

    eps = [
        s if jnp.issubdtype(s.dtype, np.floating) else None for s in jax.eval_shape(seen, points)
    ]

    def whole(points: list[Any], eps: list[Any]) -> tuple[list[Any], list[Any]]:
        recorder = Recorder(eps)
        return run(points, recorder), recorder.seen

    closed, shape = jax.make_jaxpr(whole, return_shape=True)(points, eps)
    places = [i for i, e in enumerate(eps) if e is not None]
    sources = [frozenset[int]()] * len(points) + [frozenset({i}) for i in places]
    n = len(shape[0])
    found = dependencies(closed.jaxpr, sources)[:n]
    return Traced(closed, eps, n, Connections(tuple(found)))


def differentiate(
    run: Callable[[Tap], list[Any]], each: Callable[..., list[Any]] | None = None
) -> Gradients:
    """See `Backend.differentiate`, and `differentiate_each`. Nothing before the tap is linearised.

    All quantities in one traversal, or with `each` one after the other, in a loop of one traversal:
    compiling does not grow with their number.
    """
    step = traced(lambda _, tap: run(tap))
    quantities, pull, seen = jax.vjp(lambda e: step([], e), minus_zeros(step.eps), has_aux=True)
    n = len(quantities)

    half = halved(step.closed.jaxpr)

    def back(cotangents: list[Any]) -> list[Any]:
        found = scaled(pull, cotangents) if half else pull(cotangents)[0]
        return found if each is None else each(found)

    if n == 1:
        pulled = [back([jnp.ones_like(quantities[0])])]
    else:
        one_hot = [_one_hot(i, n, q) for i, q in enumerate(quantities)]
        stacked = jax.vmap(back)(one_hot) if each is None else jax.lax.map(back, one_hot)
        pulled = [jax.tree.map(lambda g, i=i: g[i], stacked) for i in range(n)]
    return Gradients(quantities, seen, connected(pulled, step.connections.sources))


def connected(
    gradients: Sequence[Sequence[Any]], sources: Sequence[frozenset[int]]
) -> list[list[Any]]:
    """The gradients, None where there is no connection."""
    return [
        [g if i in reached else None for i, g in enumerate(gs)]
        for gs, reached in zip(gradients, sources, strict=True)
    ]


def _one_hot(i: int, n: int, q: Any) -> Any:
    chosen = jnp.arange(n) == i
    shape = (n, *[1] * q.ndim)
    return jnp.broadcast_to(chosen.reshape(shape), (n, *q.shape)).astype(q.dtype)


def cotangent(given: Any, value: Any) -> Any:
    """A cotangent of `value` as JAX takes it: zeros for None, and nothing for integers."""
    if not jnp.issubdtype(value.dtype, np.inexact):
        return np.zeros(value.shape, jax.dtypes.float0)
    return jnp.zeros_like(value) if given is None else given.astype(value.dtype)

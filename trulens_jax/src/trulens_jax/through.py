"""An array whose cotangent a function changes on the way back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from trulens_core.backends import Backend, checked_cotangent

Pull = Callable[..., Any]


def through(backend: Backend, x: Any, pull: Pull, held: Sequence[Any]) -> Any:
    """See `Backend.through`."""
    if not jnp.issubdtype(x.dtype, np.inexact):
        return x

    def back(g: Any, *known: Any) -> Any:
        return checked_cotangent(backend, pull(g, *known), g).astype(g.dtype)

    return _through(back, x, *map(backend.stop_gradient, held))


# what is traced, batched or differentiated is an argument: a closure over it would not be
@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _through(back: Pull, x: Any, *held: Any) -> Any:
    del back, held
    return x


def _forward(back: Pull, x: Any, *held: Any) -> tuple[Any, tuple[Any, ...]]:
    return _through(back, x, *held), held  # which a derivative of it pulls too


def _backward(back: Pull, held: tuple[Any, ...], g: Any) -> tuple[Any, ...]:
    return back(g, *held), *[None] * len(held)


_through.defvjp(_forward, _backward)

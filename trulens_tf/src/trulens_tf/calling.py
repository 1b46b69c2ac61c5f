"""Calls of graphs: with tensors one after the other, and which ones are called."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import tensorflow as tf

Look = Callable[[Any], object]

_LOOK: ContextVar[Look | None] = ContextVar("_LOOK", default=None)


def called(function: Any, tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """What a ConcreteFunction of tensors gives, called eagerly where no tape records.

    The public call compares each tensor with the signature twice and packs what it gets, which
    takes longer than a small graph. Who calls has looked at types and shapes.
    """
    found: list[tf.Tensor] = function._inference_function.call_flat(
        *tensors, *function.captured_inputs
    )
    return found


@contextlib.contextmanager
def looking(look: Look) -> Iterator[None]:
    """The context in which `look` is given the graph of each step before it is called."""
    token = _LOOK.set(look)
    try:
        yield
    finally:
        _LOOK.reset(token)


def looked_at(function: Any) -> None:
    """Show a step's graph, which is called now, to whoever looks."""
    look = _LOOK.get()
    if look is not None:
        look(function)

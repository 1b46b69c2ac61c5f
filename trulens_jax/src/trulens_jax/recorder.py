"""The tap of one evaluation: it records what passes and makes it carry a derivative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp


class Recorder:
    """A tap.

    Law: the derivative by what is added is the total one, through what comes after, the other
    layers of the cut and later rounds of a loop included. x + (−0) is x for every x, both zeros
    included.

    Args:
        eps: what is added to the tensors, −0 everywhere; None: nothing carries a derivative.

    Attributes:
        seen: the tensors that passed.
    """

    def __init__(self, eps: Sequence[Any] | None = None) -> None:
        self._eps = eps
        self.seen: list[Any] = []

    def __call__(self, z: list[Any], /) -> list[Any]:
        first = len(self.seen)
        self.seen.extend(z)
        if self._eps is None:
            return z
        eps = self._eps[first : first + len(z)]
        return [x if e is None else x + e for x, e in zip(z, eps, strict=True)]

    def saw(self, z: list[Any], /, first: int = 0) -> None:
        """What the tensors of a call were, told after the loop; see `LoopTap`."""
        self.seen[first : first + len(z)] = z


def minus_zeros(shapes: Sequence[Any], leading: tuple[int, ...] = ()) -> list[Any]:
    """What is added at the tap; None where the shape is."""
    return [None if s is None else jnp.full((*leading, *s.shape), -0.0, s.dtype) for s in shapes]

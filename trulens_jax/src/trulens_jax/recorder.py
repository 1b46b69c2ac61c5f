"""The tap of one evaluation: it records what passes and makes it carry a derivative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from trulens_jax.taps import inject


class Recorder:
    """A tap.

    Law: in a cut of several layers the derivative at each is that with the others held fixed.
    Outside of loops one evaluation gives those of all layers. A layer in a loop reaches itself
    through its earlier rounds, which must not let through what came from another layer; so it has
    an evaluation of its own, in which the others are constants.

    Args:
        eps: what is added to the tensors, all zeros; None: nothing carries a derivative.
        share: which calls of the tap carry a derivative, by the number of tensors before them.
        loops: which calls are made for a loop.

    Attributes:
        seen: the tensors that passed.
        loops: the calls that were made for a loop.
    """

    def __init__(
        self,
        eps: Sequence[Any] | None = None,
        share: frozenset[int] = frozenset(),
        loops: frozenset[int] = frozenset(),
    ) -> None:
        self._eps, self._share, self.loops = eps, share, loops
        self._calls: list[int] = []
        self.seen: list[Any] = []

    def __call__(self, z: list[Any], /) -> list[Any]:
        first = len(self.seen)
        self._calls.append(first)
        self.seen.extend(z)
        if self._eps is None:
            return z
        eps = self._eps[first : first + len(z)]
        if first in self._share:
            return [x if e is None else inject(x, e) for x, e in zip(z, eps, strict=True)]
        # in a loop, where the tensors are not known yet, ones say that they are held fixed
        constant = jnp.ones_like if first in self.loops else jax.lax.stop_gradient
        return [x if e is None else constant(x) for x, e in zip(z, eps, strict=True)]

    def saw(self, z: list[Any], /, first: int = 0) -> None:
        """What the tensors of a call were, told after the loop; see `LoopTap`."""
        self.loops |= {first}
        self.seen[first : first + len(z)] = z

    def shares(self) -> list[frozenset[int]]:
        """What to evaluate apart: the calls outside of loops together, each of the others alone."""
        together = frozenset(self._calls) - self.loops
        return ([together] if together else []) + [frozenset({i}) for i in sorted(self.loops)]

"""The design of segments removed one after another, in random orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from trulens_core.distributions import Design, Masks, Uniforms
from trulens_core.distributions.designs import Array
from trulens_core.segments import Regions

_ORDERS = 2
"""The stream of draws of permutations."""


@final
@dataclass(frozen=True)
class Permutations(Design):
    """Segments are added one after another, in random orders (Castro et al., 2009).

    Args:
        n: how many orders; antithetic ones come in pairs.
        seed: of the draws.
        antithetic: whether each order is followed by itself reversed (Mitchell et al., 2022).
    """

    n: int
    seed: int = 0
    antithetic: bool = True

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        per = 2 if self.antithetic else 1
        return Orders(regions[0].n, -(-self.n // per), per, self.seed, drawn)


class Orders(Masks):
    """All segments; none, unless that is drawn anew; then draws of one order or a pair.

    A draw is, where what replaces segments is drawn with it, none of them; then for each of its
    orders the first segment, the first two, and so on to all but the last.

    Attributes:
        head: how many masks come before the draws.
        units: how many draws.
        per: orders of a draw.
        size: masks of a draw.
        drawn: whether each begins with none of the segments.
    """

    def __init__(self, n_segments: int, units: int, per: int, seed: int, drawn: bool) -> None:
        self.units: int = units
        self.per: int = per
        self.drawn: bool = drawn
        self.inner: int = max(0, n_segments - 1)
        self.head: int = 1 if drawn else 2
        self.size: int = per * self.inner + drawn
        super().__init__(n_segments, self.head + units * self.size)
        self._uniforms = Uniforms(seed, _ORDERS, n_segments)

    def ranks(self, i: int, j: int) -> npt.NDArray[Any]:
        """The places of the segments in the orders of draws i to j, (j − i, per, segments)."""
        ranks = np.argsort(self._uniforms(i, j), axis=1, kind="stable")
        reverse = self.n_segments - 1 - ranks
        return np.stack([ranks, reverse][: self.per], axis=1)

    def __call__(self, i: int, j: int) -> Array:
        found = np.zeros((j - i, self.n_segments), bool)
        found[: max(0, min(1, j) - i)] = True
        at = np.arange(max(i, self.head), j) - self.head
        if not len(at):
            return found
        units, places = at // self.size, at % self.size - self.drawn
        first, last = int(units[0]), int(units[-1]) + 1
        if self.inner:
            ranks = self.ranks(first, last)[units - first, np.maximum(places, 0) // self.inner]
            found[j - i - len(at) :] = (ranks <= (places % self.inner)[:, np.newaxis]) & (
                places >= 0
            )[:, np.newaxis]
        return found

    def draws(self, i: int, j: int) -> npt.NDArray[np.int64]:
        at = np.arange(i, j) - self.head
        return np.asarray(np.clip(at // max(1, self.size), 0, max(0, self.units - 1)))

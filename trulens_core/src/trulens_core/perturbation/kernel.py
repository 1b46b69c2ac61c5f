"""The design of KernelSHAP: coalitions as often as their Shapley weight says."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from trulens_core.distributions import Design, Masks, Uniforms
from trulens_core.distributions.designs import Array
from trulens_core.perturbation.inverses import inverse
from trulens_core.segments import Regions

_PAIRS = 3
"""The stream of draws of coalitions."""
_LEAST = 5
"""Masks for each segment without which the regression may not be determined."""
_ROWS = 4096
"""Coalitions that are drawn again together."""
_NUMBERS = 2**18
"""Numbers of masks up to which what was made of a design is kept for the next call."""


@final
@dataclass(frozen=True)
class Kernel(Design):
    """Coalitions with their complements, sizes that fit enumerated (Covert and Lee, 2021).

    The weight of a size k is (K − 1) / (k (K − k)), shared by its coalitions. Sizes are
    enumerated from the outside in as long as each coalition of the next would be drawn at least
    once on average; pairs are drawn from the rest. Nothing is enumerated where what replaces
    segments is drawn with each pair.

    Args:
        n: how many coalitions, besides all and none; None is 2 K + 2048.
        seed: of the draws.
    """

    n: int | None = None
    seed: int = 0

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        k = regions[0].n
        n = 2 * k + 2048 if self.n is None else self.n
        made = _kept if n * k <= _NUMBERS else Pairs
        found = made(k, n, int(self.seed), bool(drawn))
        if found.pairs and n < _LEAST * k:
            raise ValueError(
                f"samples={n} are too few for {k} segments: with fewer than {_LEAST} each the "
                f"regression may not be determined; give samples={_LEAST * k} or more"
            )
        return found


class Pairs(Masks):
    """All segments; none, unless that is drawn anew; enumerated coalitions; drawn pairs.

    Calls and threads may share one: nothing of it depends on a record, and arrays are to be read.

    Attributes:
        head: how many masks come before the enumerated ones.
        fixed: the enumerated coalitions, (f, segments).
        weights: theirs.
        pairs: how many are drawn.
        mass: the weight of what they are drawn from.
        size: masks of a drawn pair.
        drawn: whether each pair begins with none of the segments.
    """

    def __init__(self, n_segments: int, n: int, seed: int, drawn: bool) -> None:
        super().__init__(n_segments, 0)  # how many is known at the end
        self.drawn: bool = drawn
        self.head: int = 1 if drawn else 2
        sizes = np.arange(1, n_segments)
        weights = 1.0 / (sizes * (n_segments - sizes))
        self._shares = weights / weights.sum() if len(sizes) else weights
        enumerated, left = self._enumerated(n)
        self.fixed: Array
        self.weights: Array
        self.fixed, self.weights = self._coalitions(enumerated)
        for array in (self.fixed, self.weights):
            array.setflags(write=False)
        self._sizes = np.arange(enumerated + 1, n_segments - enumerated)
        self.mass: float = float(self._shares[self._sizes - 1].sum())
        self.pairs: int = left // 2 if len(self._sizes) else 0
        if drawn and not len(self._sizes):  # one segment: none of it, drawn anew
            self.pairs = n // 2
        self.size: int = (2 if len(self._sizes) else 0) + drawn
        self.n: int = self.head + len(self.fixed) + self.pairs * self.size
        self._uniforms = Uniforms(seed, _PAIRS, n_segments + 1)
        self._last: tuple[tuple[int, int], Array] = (0, 0), np.zeros((0, n_segments), bool)

    def _enumerated(self, n: int) -> tuple[int, int]:
        """Up to which size coalitions are enumerated, and how many masks are left to draw."""
        k, left, done = self.n_segments, n, 0
        if self.drawn:
            return 0, n
        counts = [0]
        for size in range(1, k // 2 + 1):
            both = 1 if 2 * size == k else 2
            count = both * math.comb(k, size)
            rest = float(self._shares[size - 1 : k - size].sum())
            share = both * float(self._shares[size - 1]) / rest
            if left * share < count * (1 - 1e-8):
                break
            done, left = size, left - count
            counts.append(count)
        # what is left must determine a standard error, or else the size before is drawn, too
        while done and 2 * done + 1 < k and left < 4 * k:
            left, done = left + counts[done], done - 1
        return done, left

    def _coalitions(self, enumerated: int) -> tuple[Array, Array]:
        k, rows, weights = self.n_segments, [], []
        for size in range(1, enumerated + 1):
            chosen = np.array(list(itertools.combinations(range(k), size)))
            masks = np.zeros((len(chosen), k), bool)
            np.put_along_axis(masks, chosen, True, axis=1)
            both = [masks] if 2 * size == k else [masks, ~masks]
            rows += both
            weight = float(self._shares[size - 1]) / math.comb(k, size)
            weights += [np.full(len(masks), weight)] * len(both)
        if not rows:
            return np.zeros((0, k), bool), np.zeros(0)
        return np.concatenate(rows), np.concatenate(weights)

    def coalitions(self, i: int, j: int) -> Array:
        """The first coalition of the drawn pairs i to j, (j − i, segments); to be read."""
        places, found = self._last
        if places != (i, j):  # the solver asks for them again, twice
            found = self._drawn(i, j)
            found.setflags(write=False)
            self._last = (i, j), found
        return found

    def chunks(self) -> Iterator[Array]:
        """The first coalitions of all drawn pairs as numbers, so many at a time."""
        for i in range(0, self.pairs, _ROWS):
            yield self.coalitions(i, min(i + _ROWS, self.pairs)).astype("float64")

    @functools.cached_property
    def inverse(self) -> Array:
        """The inverse of Σ w z zᵀ over all coalitions, which no quantity has a part in.

        Raises:
            ValueError: where they do not determine it.
        """
        z = self.fixed.astype("float64")
        a = (z * self.weights[:, np.newaxis]).T @ z
        weight = self.mass / max(1, 2 * self.pairs)
        for z in self.chunks():  # 1 − z is the other of a pair
            a += weight * (z.T @ z + (1 - z).T @ (1 - z))
        found = inverse(a, self.n)
        found.setflags(write=False)
        return found

    def _drawn(self, i: int, j: int) -> Array:
        if not len(self._sizes):
            return np.zeros((j - i, self.n_segments), bool)
        u = self._uniforms(i, j)
        shares = np.cumsum(self._shares[self._sizes - 1])
        at = np.searchsorted(shares / shares[-1], u[:, -1], side="right")
        sizes = self._sizes[np.minimum(at, len(self._sizes) - 1)]
        ranks = np.argsort(np.argsort(u[:, :-1], axis=1, kind="stable"), axis=1)
        return np.asarray(ranks < sizes[:, np.newaxis])

    def __call__(self, i: int, j: int) -> Array:
        start = self.head + len(self.fixed)
        ends = np.zeros((self.head, self.n_segments), bool)
        ends[0] = True
        before = np.concatenate([ends, self.fixed])[i:j]
        at = np.arange(max(i, start), j) - start
        if not len(at):
            return before
        units, places = at // self.size, at % self.size - self.drawn
        first, last = int(units[0]), int(units[-1]) + 1
        chosen = self.coalitions(first, last)[units - first]
        masks = np.where((places == 1)[:, np.newaxis], ~chosen, chosen)
        masks &= (places >= 0)[:, np.newaxis]
        return np.concatenate([before, masks])

    def draws(self, i: int, j: int) -> npt.NDArray[np.int64]:
        at: Any = np.arange(i, j) - self.head - len(self.fixed)
        return np.asarray(np.clip(at // max(1, self.size), 0, max(0, self.pairs - 1)))


@functools.lru_cache(maxsize=8)
def _kept(n_segments: int, n: int, seed: int, drawn: bool) -> Pairs:
    """Small designs, which calls of one method on records alike make again and again."""
    return Pairs(n_segments, n, seed, drawn)

"""Designs of metrics: more and more segments by rank, all and none, and masks that are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from trulens_core.distributions import Design, Masks, Uniforms
from trulens_core.distributions.designs import Array
from trulens_core.segments import Regions

_SUBSETS = 8
"""The stream of draws of subsets."""


@final
@dataclass(frozen=True)
class Ladder(Design):
    """All segments; then the shares of them by number that are removed, or alone kept.

    Where segments are numbered by rank these are the most important ones.

    Args:
        shares: from 0 to 1, of the segments; the number is rounded.
        keep: whether the first segments are kept and the others removed, instead.
    """

    shares: tuple[float, ...]
    keep: bool = False
    random: ClassVar[bool] = False

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        return _Rungs(regions[0].n, self.shares, self.keep)


class _Rungs(Masks):
    def __init__(self, n_segments: int, shares: Sequence[float], keep: bool) -> None:
        super().__init__(n_segments, len(shares))
        self._counts = np.round(np.asarray(shares) * n_segments).astype(int)
        self._keep = keep

    def __call__(self, i: int, j: int) -> Array:
        first = np.arange(self.n_segments) < self._counts[i:j, np.newaxis]
        return np.asarray(first if self._keep else ~first)


@final
@dataclass(frozen=True)
class Ends(Design):
    """All segments, and none: the value and what takes its place."""

    random: ClassVar[bool] = False

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        return _Rungs(regions[0].n, (0.0, 1.0), keep=False)


@final
@dataclass(frozen=True)
class Subsets(Design):
    """All segments; then all but some that are drawn without replacement.

    Args:
        n: how many masks, the first not counted.
        size: how many segments are removed together: a number, or a share of them.
        seed: of the draws.
    """

    n: int
    size: int | float
    seed: int = 0

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        n = regions[0].n
        if isinstance(self.size, bool) or (isinstance(self.size, float) and not 0 < self.size <= 1):
            raise ValueError(f"size is {self.size!r}; it must be a number, or a share up to 1")
        size = self.size if isinstance(self.size, int) else max(1, round(self.size * n))
        if not 1 <= size <= n:
            raise ValueError(f"size is {self.size!r}, and there are {n} segments")
        return _Removed(n, self.n, size, self.seed)


class _Removed(Masks):
    def __init__(self, n_segments: int, n: int, size: int, seed: int) -> None:
        super().__init__(n_segments, n + 1)
        self._size = size
        self._uniforms = Uniforms(seed, _SUBSETS, n_segments)

    def __call__(self, i: int, j: int) -> Array:
        kept = np.ones((j - i, self.n_segments), bool)
        drawn = np.argpartition(self._uniforms(i, j), self._size - 1, axis=1)[:, : self._size]
        np.put_along_axis(kept, drawn, False, axis=1)
        kept[np.arange(i, j) == 0] = True
        return kept


@final
@dataclass(frozen=True, eq=False)
class GivenMasks(Design):
    """All segments; then the masks of an array.

    Args:
        array: (masks, segments) of booleans, True is kept.
    """

    array: Any
    random: ClassVar[bool] = False

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        array = np.asarray(self.array)
        if array.ndim != 2 or array.dtype.kind != "b" or array.shape[1] != regions[0].n:
            raise ValueError(
                f"masks are booleans, (masks, {regions[0].n}) for as many segments, found "
                f"{array.dtype} of shape {array.shape}"
            )
        return _Listed(array)


class _Listed(Masks):
    def __init__(self, array: Array) -> None:
        super().__init__(array.shape[1], len(array) + 1)
        self._array = np.concatenate([np.ones((1, array.shape[1]), bool), array])

    def __call__(self, i: int, j: int) -> Array:
        return np.asarray(self._array[i:j])

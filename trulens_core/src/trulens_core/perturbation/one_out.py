"""Designs that remove, or keep, one segment at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from trulens_core.distributions import Design, Masks
from trulens_core.distributions.designs import Array
from trulens_core.segments import Regions


@final
@dataclass(frozen=True)
class LeaveOneOut(Design):
    """All segments; then all but each."""

    random: ClassVar[bool] = False

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        return _OneOut(regions[0].n)


@final
@dataclass(frozen=True)
class KeepOneIn(Design):
    """All segments; none; then each alone."""

    random: ClassVar[bool] = False

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        return _OneIn(regions[0].n)


class _OneOut(Masks):
    def __init__(self, n_segments: int) -> None:
        super().__init__(n_segments, n_segments + 1)

    def __call__(self, i: int, j: int) -> Array:
        return np.asarray(np.arange(self.n_segments) != np.arange(i, j)[:, np.newaxis] - 1)


class _OneIn(Masks):
    def __init__(self, n_segments: int) -> None:
        super().__init__(n_segments, n_segments + 2)

    def __call__(self, i: int, j: int) -> Array:
        at = np.arange(i, j)[:, np.newaxis]
        return np.asarray((np.arange(self.n_segments) == at - 2) | (at == 0))

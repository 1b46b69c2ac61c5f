"""The design of all coalitions of segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from trulens_core.distributions import Design, Masks
from trulens_core.distributions.designs import Array
from trulens_core.segments import Regions

MOST = 16
"""Segments of which all coalitions are evaluated: 65,536."""


@final
@dataclass(frozen=True)
class AllMasks(Design):
    """All 2^K coalitions of K segments, from all of them to none.

    Args:
        most: how many segments there may be.
    """

    most: int = MOST
    random: ClassVar[bool] = False

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        n = regions[0].n
        if n > self.most:
            raise ValueError(
                f"there are {n} segments, and all coalitions are evaluated of up to {self.most}; "
                "give samples=, or coarser segments="
            )
        return Coalitions(n)


class Coalitions(Masks):
    """All coalitions: bit s of 2^K − 1 − i says whether mask i keeps segment s."""

    def __init__(self, n_segments: int) -> None:
        super().__init__(n_segments, 2**n_segments)

    def __call__(self, i: int, j: int) -> Array:
        numbers = self.n - 1 - np.arange(i, j)
        bits = (numbers[:, np.newaxis] >> np.arange(self.n_segments)) & 1
        return bits.astype(bool)

"""The design of LIME: each segment kept or removed with equal odds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from trulens_core.distributions import Design, Masks, Uniforms
from trulens_core.distributions.designs import Array
from trulens_core.segments import Regions

_COINS = 4
"""The stream of draws of masks."""


@final
@dataclass(frozen=True)
class Bernoulli(Design):
    """All segments; then each of them with probability ½ (Ribeiro et al., 2016).

    Args:
        n: how many masks, the first included.
        seed: of the draws.
    """

    n: int
    seed: int = 0

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        return _Coins(regions[0].n, self.n, self.seed)


class _Coins(Masks):
    def __init__(self, n_segments: int, n: int, seed: int) -> None:
        super().__init__(n_segments, n)
        self._uniforms = Uniforms(seed, _COINS, n_segments)

    def __call__(self, i: int, j: int) -> Array:
        first = (np.arange(i, j) == 0)[:, np.newaxis]
        return np.asarray((self._uniforms(i, j) < 0.5) | first)

"""The design of Sobol indices: points of a sequence, with one coordinate exchanged at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt

from trulens_core.distributions import Design, Masks, Uniforms
from trulens_core.distributions.designs import Array
from trulens_core.optional import require
from trulens_core.segments import Regions

_POINTS, _SHIFTS = 6, 7
"""The streams of draws of points, and of shifts of a sequence."""

Kind = Literal["sobol", "halton", "random"]


@final
@dataclass(frozen=True)
class Exchanges(Design):
    """Points A and B in [0, 1]^K; A, and A with each coordinate of B (Saltelli et al., 2010).

    Args:
        n: how many points; a power of two for Sobol's sequence.
        kind: "sobol" or "halton", shifted at random, or "random".
        seed: of the draws.
    """

    n: int
    kind: Kind = "sobol"
    seed: int = 0

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        return Exchanged(regions[0].n, self.n, self.kind, self.seed)


class Exchanged(Masks):
    """All segments; then for each point A itself, and A with each coordinate of B.

    Attributes:
        units: how many points.
        size: masks of a point.
        kind: of the points.
    """

    def __init__(self, n_segments: int, n: int, kind: Kind, seed: int) -> None:
        super().__init__(n_segments, 1 + n * (n_segments + 1))
        self.units: int = n
        self.size: int = n_segments + 1
        self.kind: Kind = kind
        self._random = Uniforms(seed, _POINTS, 2 * n_segments)
        self._shift: Array = Uniforms(seed, _SHIFTS, 2 * n_segments)(0, 1)

    def _points(self, i: int, j: int) -> Array:
        if self.kind == "random":
            return self._random(i, j)
        qmc: Any = require("scipy.stats", "designs").qmc
        made = qmc.Sobol if self.kind == "sobol" else qmc.Halton
        engine = made(2 * self.n_segments, scramble=False)
        if i:
            engine.fast_forward(i)
            found = engine.random(j - i)
        else:  # the sequence warns of a first part that is no power of two
            found = engine.random(1 << (j - 1).bit_length())[:j]
        return np.asarray((found + self._shift) % 1.0)

    def __call__(self, i: int, j: int) -> Array:
        at, k = np.arange(max(i, 1), j) - 1, self.n_segments
        whole = np.ones((max(0, min(1, j) - i), k))
        if not len(at):
            return whole
        units, places = at // self.size, at % self.size
        first, last = int(units[0]), int(units[-1]) + 1
        points = self._points(first, last)[units - first]
        masks = points[:, :k].copy()
        rows = np.flatnonzero(places > 0)
        masks[rows, places[rows] - 1] = points[rows, k + places[rows] - 1]
        return np.concatenate([whole, masks])

    def draws(self, i: int, j: int) -> npt.NDArray[np.int64]:
        return np.asarray(np.maximum(np.arange(i, j) - 1, 0) // self.size)

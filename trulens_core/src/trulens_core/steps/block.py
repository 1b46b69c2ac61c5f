"""Points of a distribution for some records, evaluated together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.slices import Cut

Made = Callable[[list[Tensor], int, int], list[Tensor]]
"""Makes the points i to j of the value at a cut, (j − i, b, …) per tensor."""


class Block(NamedTuple):
    """k points of a distribution for b records.

    Attributes:
        cut: where the points live.
        points: (k, b, …) per tensor of the cut, in memory of their own, which may be overwritten;
            empty where the one point is the value itself.
        weights: (k,) floats.
        made: makes the points, where a pass meets the value at the cut; `points` is empty then.
        references: the baselines that rules compare the points with, shaped as those are.
    """

    cut: Cut
    points: list[Tensor]
    weights: np.ndarray[Any, Any]
    made: Made | None = None
    references: list[Tensor] = []  # noqa: RUF012 - never changed

    def copied(self, backend: Backend) -> Block:
        """The same, with points in other memory."""
        points, references = (list(map(backend.fresh, x)) for x in (self.points, self.references))
        return self._replace(points=points, references=references)

    def alone(self, j: int, backend: Backend) -> Block:
        """Point j by itself, weighing 1."""
        points, references = (
            [backend.fresh(p[j : j + 1]) for p in held] for held in (self.points, self.references)
        )
        made = self.made
        one: Made | None = None if made is None else lambda z, *_: made(z, j, j + 1)
        return Block(self.cut, points, np.ones(1, self.weights.dtype), one, references)

    def turned(self, backend: Backend) -> Block:
        """The same points in reversed order."""
        back = backend.from_numpy(np.arange(len(self.weights))[::-1].astype("int32"))
        points, references = (
            [backend.xp.take(p, back, axis=0) for p in held]
            for held in (self.points, self.references)
        )
        weights = self.weights[::-1].copy()
        return self._replace(points=points, weights=weights, references=references)

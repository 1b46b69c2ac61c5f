"""Total Sobol indices: which part of the quantity's variance a segment has a hand in."""

from __future__ import annotations

import numpy as np

from trulens_core.perturbation.sequences import Exchanged
from trulens_core.perturbation.solvers import Array, Moments, OfUnits, Solved


class TotalIndices(OfUnits):
    """E (q(A) − q(A with B's coordinate))² / 2 Var q(A) (Jansen, 1999).

    With independent draws there is a standard error, by the delta method: the quantities are kept
    for it. A sequence has none.
    """

    def __init__(self, masks: Exchanged, records: int) -> None:
        super().__init__(masks, records)
        self._points, self._halves = Moments(), Moments()
        self._kept: list[Array] = []

    def add_units(self, first: int, q: Array) -> None:
        del first
        halves = (q[:, :1] - q[:, 1:]) ** 2 / 2
        self._points.add(q[:, 0])
        self._halves.add(halves)
        if self.masks.kind == "random":
            self._kept.append(q)

    def finish(self) -> Solved:
        variance, mean = self._points.variance(), self._halves.mean()
        safe = np.where(variance > 0, variance, 1.0)
        values = mean / safe
        error = None if not self._kept else self._error(values, safe).T
        return Solved(values.T, error, self.heads[0])

    def _error(self, values: Array, variance: Array) -> Array:
        q = np.concatenate(self._kept)
        halves = (q[:, :1] - q[:, 1:]) ** 2 / 2
        squares = (q[:, :1] - self._points.mean()) ** 2
        influence = (halves - values * squares) / variance
        return np.asarray(influence.std(axis=0, ddof=1) / np.sqrt(len(q)))

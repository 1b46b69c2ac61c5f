"""Shapley values from permutations: what each segment adds where it comes in."""

from __future__ import annotations

import numpy as np

from trulens_core.perturbation.permutations import Orders
from trulens_core.perturbation.solvers import Array, Moments, OfUnits, Solved


class OrderMeans(OfUnits):
    """The mean gain of each segment over draws of orders; each draw's gains add up exactly."""

    def __init__(self, masks: Orders, records: int) -> None:
        super().__init__(masks, records)
        self._gains, self._empty = Moments(), Moments()

    @property
    def head(self) -> int:
        return int(self.masks.head)

    def add_units(self, first: int, q: Array) -> None:
        masks, (n, _, b) = self.masks, q.shape
        full = np.broadcast_to(self.heads[0], (n, masks.per, 1, b))
        empty = q[:, 0] if masks.drawn else np.broadcast_to(self.heads[1], (n, b))
        self._empty.add(empty)
        if not masks.n_segments:
            return
        inner = q[:, masks.drawn :].reshape(n, masks.per, masks.inner, b)
        start = np.broadcast_to(empty[:, np.newaxis, np.newaxis], full.shape)
        gains = np.diff(np.concatenate([start, inner, full], axis=2), axis=2)
        ranks = masks.ranks(first, first + n)[..., np.newaxis]
        self._gains.add(np.take_along_axis(gains, ranks, axis=2).mean(axis=1))

    def finish(self) -> Solved:
        full = self.heads[0]
        if self.masks.size == 0:  # one segment or none: its order is no choice
            empty = self.heads[1]
            values = np.broadcast_to(full - empty, self.zeros().shape)
            return self._shares(values, np.zeros_like(values), full, empty)
        empty = self._empty.mean() if self.masks.drawn else self.heads[1]
        if not self.masks.n_segments:
            return self._shares(self.zeros(), self.zeros(), full, empty)
        error = self._gains.error() if self._gains.n > 1 else np.full_like(self.zeros(), np.nan)
        return self._shares(self._gains.mean(), error, full, empty)

    def _shares(self, values: Array, error: Array, full: Array, empty: Array) -> Solved:
        return Solved(values.T, error.T, full, empty, full - empty - values.sum(axis=0))

"""RISE: the mean quantity where a place is kept."""

from __future__ import annotations

import numpy as np

from trulens_core.distributions import Masks
from trulens_core.perturbation.solvers import Array, Solved, Solver


class MaskMeans(Solver):
    """Σ q m / Σ m over masks, with its standard error by the delta method.

    The paper's Σ q m / (n p) has the same expectation for large n, but a constant in q leaks into
    it, and it is noisier.
    """

    def __init__(self, masks: Masks, records: int) -> None:
        super().__init__(masks, records)
        self._full: Array = np.zeros(records)
        self._sums = [self.zeros() for _ in range(3)]
        self._of_masks = [np.zeros((masks.n_segments, 1)) for _ in range(2)]

    def add(self, first: int, q: Array) -> None:
        if first == 0:
            self._full, q, first = q[0], q[1:], 1
        m = self.masks(first, first + len(q)).astype("float64")
        y, squares = q - self._full, m * m  # what is common to all is taken out before it is summed
        news = m.T @ y, squares.T @ y, squares.T @ (y * y)
        self._sums = [total + new for total, new in zip(self._sums, news, strict=True)]
        more = (m.sum(axis=0)[:, np.newaxis], squares.sum(axis=0)[:, np.newaxis])
        self._of_masks = [total + new for total, new in zip(self._of_masks, more, strict=True)]

    def finish(self) -> Solved:
        (qm, qm2, q2m2), (m, m2) = self._sums, self._of_masks
        with np.errstate(invalid="ignore", divide="ignore"):  # a place that no mask keeps
            mean = qm / m
            spread = np.maximum(q2m2 - 2 * mean * qm2 + mean**2 * m2, 0)
            error = np.sqrt(spread) / m
        return Solved((mean + self._full).T, error.T, self._full)

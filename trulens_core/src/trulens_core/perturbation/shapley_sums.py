"""Shapley values of all coalitions, and of pairs of segments, as weighted sums of quantities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np

from trulens_core.perturbation.all_masks import Coalitions
from trulens_core.perturbation.solvers import Array, Solved, Solver

Index = Literal["sii", "taylor"]


class Exact(Solver):
    """Shapley values by their definition: Σ over T of |T|! (K − |T| − 1)! / K! · Δ (Shapley, 1953).

    Each value is a weighted sum of the quantities at all coalitions, so that memory is flat.
    """

    def __init__(self, masks: Coalitions, records: int) -> None:
        super().__init__(masks, records)
        self._values = self.zeros()
        self._full: Array = np.zeros(records)
        self._empty: Array = np.zeros(records)
        k = masks.n_segments
        # of a coalition with the segment, less it, and of one without, by their sizes
        self._gain = np.array([1 / (k * math.comb(k - 1, t)) for t in range(k)] or [0.0])

    def add(self, first: int, q: Array) -> None:
        if first == 0:
            self._full = q[0]
        if first + len(q) == self.masks.n:
            self._empty = q[-1]
        masks = self.masks(first, first + len(q))
        sizes = masks.sum(axis=1, keepdims=True)
        most = len(self._gain) - 1
        gains = np.where(
            masks, self._gain[np.maximum(sizes - 1, 0)], -self._gain[np.minimum(sizes, most)]
        )
        self._values += gains.T @ (q - self._full)

    def finish(self) -> Solved:
        values = self._values.T
        residual = self._full - self._empty - values.sum(axis=1)
        return Solved(values, None, self._full, self._empty, residual)


class Interactions(Exact):
    """Pairwise interactions on top of Shapley values, (b, K, K).

    Off the diagonal is the index of a pair. "sii" is the Shapley interaction index (Grabisch and
    Roubens, 1999), with Shapley values on the diagonal; "taylor" is the Shapley-Taylor index of
    order 2 (Sundararajan et al., 2020), with q(only s) − q(none) there: the diagonal and each pair
    once add up to q(x) − q(baseline).
    """

    index: ClassVar[Index] = "sii"

    def __init__(self, masks: Coalitions, records: int) -> None:
        super().__init__(masks, records)
        k = masks.n_segments
        self._pairs = np.zeros((k, k, records))
        self._alone = self.zeros()
        self._weights = np.array([self._weight(k, t) for t in range(k - 1)] or [0.0])

    def _weight(self, k: int, size: int) -> float:
        """Of a pair's second difference at a coalition of so many others."""
        if self.index == "sii":
            return 1 / ((k - 1) * math.comb(k - 2, size))
        return 2 / (k * math.comb(k - 1, size))

    def add(self, first: int, q: Array) -> None:
        super().add(first, q)
        masks = self.masks(first, first + len(q))
        k, sizes = masks.shape[1], masks.sum(axis=1)
        single = np.flatnonzero(sizes == 1)
        for row in single:
            self._alone[np.argmax(masks[row])] = q[row]
        both = masks[:, :, np.newaxis].astype(int) + masks[:, np.newaxis, :]
        others = np.clip(sizes[:, np.newaxis, np.newaxis] - both, 0, len(self._weights) - 1)
        signs = np.where(both == 1, -1.0, 1.0)
        flat = (signs * self._weights[others]).reshape(len(q), k * k)
        self._pairs += (flat.T @ (q - self._full)).reshape(k, k, -1)

    def finish(self) -> Solved:
        found = super().finish()
        pairs = np.moveaxis(self._pairs, -1, 0).copy()
        k = pairs.shape[1]
        own = found.values if self.index == "sii" else self._alone.T - self._empty[:, np.newaxis]
        pairs[:, np.arange(k), np.arange(k)] = own
        residual = None
        if self.index == "taylor":
            upper = np.triu(pairs)
            residual = self._full - self._empty - upper.sum(axis=(1, 2))
        return found._replace(values=pairs, residual=residual)


class _Taylor(Interactions):
    index: ClassVar[Index] = "taylor"


INTERACTIONS: dict[Index, Callable[..., Interactions]] = {"sii": Interactions, "taylor": _Taylor}

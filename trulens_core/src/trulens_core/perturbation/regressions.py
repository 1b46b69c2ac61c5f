"""Weighted least squares over masks: KernelSHAP's, which is efficient, and LIME's, a ridge."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from trulens_core.distributions import Masks
from trulens_core.perturbation.inverses import inverse
from trulens_core.perturbation.kernel import Pairs
from trulens_core.perturbation.solvers import Array, Solved, Solver

_ROWS = 4096
"""Masks that are drawn again together."""


class Regression(Solver):
    """What keeps the quantities at all masks, since errors are of their residuals.

    They take 8 bytes for each mask and record; masks are drawn again, which is cheaper than to
    keep them.
    """

    def __init__(self, masks: Masks, records: int) -> None:
        super().__init__(masks, records)
        self.q: Array = np.zeros((masks.n, records))

    def add(self, first: int, q: Array) -> None:
        if len(q) == self.masks.n:  # all of them
            self.q = q
        else:
            self.q[first : first + len(q)] = q


class ShapleyRegression(Regression):
    """Shapley values by weighted least squares with Σ values = q(x) − q(baseline).

    (Lundberg and Lee, 2017; the standard error is that of Covert and Lee, 2021, by the sandwich
    over pairs with as many degrees of freedom as there are pairs beyond segments.)
    """

    def __init__(self, masks: Pairs, records: int) -> None:
        super().__init__(masks, records)
        self._start = masks.head + len(masks.fixed)

    def finish(self) -> Solved:
        masks, full = self.masks, self.q[0]
        units = self.q[self._start :].reshape(masks.pairs, masks.size, self.records)
        self._empties: Array = units[:, 0] if masks.drawn else self.q[1:2]
        self._pairs = units[:, masks.drawn :]
        empty = self._empties.mean(axis=0)
        delta = full - empty
        if masks.n_segments < 2:
            values = np.broadcast_to(delta, self.zeros().shape)
            spread = np.broadcast_to(self._spread_of_empties(), values.shape)
            return self._shares(values, lambda: spread.T, full, empty)
        inverted, b = masks.inverse, self._sums(empty)
        ones = inverted.sum(axis=1)
        share = ones / ones.sum()
        # C 1 = 0: what all coalitions have in common does not count, nor does a pair's sum
        c = inverted - np.outer(ones, ones) / ones.sum()
        values = c @ b + np.outer(share, delta)

        def error() -> Array:
            pairs = masks.pairs
            found = self._error(c, share, values, empty) if pairs else np.zeros_like(values)
            return np.asarray(found.T)

        return self._shares(values, error, full, empty)

    def _shares(
        self, values: Array, error: Callable[[], Array], full: Array, empty: Array
    ) -> Solved:
        return Solved(values.T, error, full, empty, full - empty - values.sum(axis=0))

    def _sums(self, empty: Array) -> Array:
        """Σ w z (q − q(baseline))."""
        masks = self.masks
        weighted = masks.fixed.astype("float64") * masks.weights[:, np.newaxis]
        b = weighted.T @ (self.q[masks.head : self._start] - empty)
        weight = masks.mass / max(1, 2 * masks.pairs)
        for z, q in self._drawn():  # 1 − z is the other of a pair
            b += weight * (z.T @ (q[:, 0] - q[:, 1]) + (q[:, 1] - empty).sum(axis=0))
        return np.asarray(b)

    def _drawn(self) -> Iterator[tuple[Array, Array]]:
        """The pairs' first coalitions and the quantities at both."""
        at = 0
        for z in self.masks.chunks():
            yield z, self._pairs[at : at + len(z)]
            at += len(z)

    def _error(self, c: Array, share: Array, values: Array, empty: Array) -> Array:
        """The sandwich: Σ (C z d − share · e)² over pairs, less the square of its mean.

        d is half of the difference of a pair's residuals and e what its own baseline's quantity
        is above the mean.
        """
        masks, n = self.masks, self.masks.pairs
        squares, means, at = self.zeros(), self.zeros(), 0
        delta = values.sum(axis=0)
        for z, q in self._drawn():
            d = (q[:, 0] - q[:, 1] + delta - 2 * (z @ values)) * (masks.mass / 2)
            cz = z @ c
            squares += (cz**2).T @ d**2
            means += cz.T @ d
            if masks.drawn:
                e = self._empties[at : at + len(z)] - empty
                squares -= 2 * share[:, np.newaxis] * (cz.T @ (d * e))
                squares += np.outer(share**2, (e**2).sum(axis=0))
                means -= np.outer(share, e.sum(axis=0))
            at += len(z)
        df = n - masks.n_segments
        if df < 1:
            return np.full_like(squares, np.nan)
        return np.asarray(np.sqrt(np.maximum(squares - means**2 / n, 0) / (n * df)))

    def _spread_of_empties(self) -> Array:
        e = self._empties
        n = len(e)
        return e.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(self.records)


class Ridge(Regression):
    """LIME's weighted ridge with an intercept: argmin Σ w (q − φ₀ − z φ)² + α ‖φ‖².

    Args:
        masks: of the records.
        records: how many.
        kernel: the weights of masks (k, segments), by how far they are from all segments.
        alpha: of the ridge.
    """

    def __init__(
        self, masks: Masks, records: int, kernel: Callable[[Array], Array], alpha: float
    ) -> None:
        super().__init__(masks, records)
        self._kernel, self._alpha = kernel, alpha

    def finish(self) -> Solved:
        full = self.q[0].copy()
        values, error = self._fitted(self.q - full)
        return Solved(values.T, error, full)

    def _blocks(self) -> Iterator[tuple[Array, Array, slice]]:
        for i in range(0, self.masks.n, _ROWS):
            at = slice(i, min(i + _ROWS, self.masks.n))
            z = self.masks(at.start, at.stop).astype("float64")
            yield z, self._kernel(z), at

    def _fitted(self, y: Array) -> tuple[Array, Callable[[], Array]]:
        """The coefficients, and what computes their standard errors."""
        k = self.masks.n_segments
        mass, at, of_y = 0.0, np.zeros(k), np.zeros(self.records)
        for z, w, rows in self._blocks():
            mass, at, of_y = mass + w.sum(), at + w @ z, of_y + w @ y[rows]
        at, of_y = at / mass, of_y / mass
        a, b = self._alpha * np.eye(k), self.zeros()
        for z, w, rows in self._blocks():
            off = (z - at) * w[:, np.newaxis]
            a += off.T @ (z - at)
            b += off.T @ (y[rows] - of_y)
        inverted = inverse(a, self.masks.n)
        values = inverted @ b
        return values, lambda: np.asarray(self._error(inverted, values, at, of_y, y).T)

    def _error(self, inverse: Array, values: Array, at: Array, of_y: Array, y: Array) -> Array:
        """The sandwich over masks."""
        squares, n = self.zeros(), self.masks.n
        for z, w, rows in self._blocks():
            off = z - at
            r = (y[rows] - of_y - off @ values) * w[:, np.newaxis]
            squares += ((off @ inverse) ** 2).T @ r**2
        df = n - self.masks.n_segments - 1
        if df < 1:
            return np.full_like(squares, np.nan)
        return np.asarray(np.sqrt(squares * (n / df)))

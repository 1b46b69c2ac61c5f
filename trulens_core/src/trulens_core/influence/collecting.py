"""What the blocks of a group of records give: the statistic's answer, and what is kept besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Gradients, Tensor, Want
from trulens_core.distributions.points import LazyPoints
from trulens_core.influence.statistics import (
    Evaluated,
    Parts,
    Statistic,
    Table,
    multiplied,
    times_factors,
)
from trulens_core.slices import Cut
from trulens_core.steps.contraction import Contraction


class Collected:
    """The blocks of one group, in order.

    Args:
        statistic: of the gradients.
        backend: of the tensors.
        points: of which the blocks are.
        source: where the variables live.
        keep: whether single points' gradients are kept.
        more: what is wanted of the one point that is the value itself.
        contraction: what gradients are summed over once points' own multipliers are applied.

    Attributes:
        want: what is wanted of each block.
        activations: the value at the source cut, where the one point gave it.
        quantities: n tensors (b,), where it gave them.
    """

    def __init__(  # noqa: PLR0913 - what a group's blocks are collected for
        self,
        statistic: Statistic,
        backend: Backend,
        points: LazyPoints,
        source: Cut,
        *,
        keep: bool,
        more: Sequence[Want] = (),
        contraction: Contraction | None = None,
    ) -> None:
        self._backend, self._points, self._source = backend, points, source
        self._running = statistic.start(backend, points)
        self._kept: list[Table] | None = [] if keep else None
        self._statistic = statistic
        own = points.multipliers is not None or points.factors is not None
        points_wanted = "points" in statistic.want
        self._sums = (keep or own) and not points_wanted
        needed = {*statistic.want, *more, *(["points"] if keep or own else [])}
        self.want: list[Want] = [w for w in ("points", "quantities", "activations") if w in needed]
        self._next = 0
        self._contraction = contraction
        self.activations: dict[Cut, list[Tensor]] = {}
        self.quantities: list[Tensor] | None = None

    def add(self, got: Gradients, weights: np.ndarray[Any, Any], count: int) -> None:
        """Add a block, of which the first `count` points are real."""
        if self._points.stack is None:
            self.activations = {self._source: [z[0] for z in got.activations]}
            self.quantities = [x[0] for x in got.quantities] or None
        first, self._next = self._next, self._next + count
        if "points" in self.want:
            got, weights = _real(got, count), weights[:count]
        if self._kept is not None:
            self._kept.append([list(gs) for gs in got.gradients])
        table = self._multiplied([list(gs) for gs in got.gradients], first)
        if self._sums:
            w = self._backend.from_numpy(weights)
            table = [[self._backend.weighted_sum(g, w) for g in gs] for gs in table]
        self._running.add(got._replace(gradients=table), Evaluated(first, weights))

    def _multiplied(self, table: Table, first: int) -> Table:
        """The gradients with what points have of their own, then contracted."""
        places, backend, contraction = (first, self._next), self._backend, self._contraction
        if self._points.factors is not None:
            table = times_factors(table, self._points.factors(*places))
        if self._points.multipliers is not None:
            table = multiplied(table, self._points.multipliers(*places), backend)
        if contraction is None:
            return table
        return [[contraction.summed(g, backend, leading=1) for g in gs] for gs in table]

    def finish(self) -> Parts:
        """The statistic's answer."""
        parts = self._running.finish()
        found: Any = parts.total
        if not isinstance(found, list) or any(not isinstance(ts, list) for ts in found):
            raise TypeError(
                f"{self._statistic!r}: Parts holds a list for each quantity, of a tensor for each "
                f"tensor of the source cut, [[tensor]] for one; found {type(found).__name__}"
            )
        return parts

    @property
    def singles(self) -> Table | None:
        """Single points' gradients, (K, b, …)."""
        if self._kept is None:
            return None
        concat = self._backend.xp.concat
        return [
            [concat([block[i][j] for block in self._kept], axis=0) for j in range(len(gs))]
            for i, gs in enumerate(self._kept[0])
        ]


def _real(got: Gradients, count: int) -> Gradients:
    """What a block gave, without the points that were added for size."""
    return Gradients(
        [q[:count] for q in got.quantities],
        [z[:count] for z in got.activations],
        [[None if g is None else g[:count] for g in gs] for gs in got.gradients],
    )

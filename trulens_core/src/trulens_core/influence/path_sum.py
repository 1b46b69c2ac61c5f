"""The sum along a path: each gradient times the step of the value that it stands for."""

from __future__ import annotations

from typing import ClassVar

from trulens_core.backends import Tensor
from trulens_core.distributions.points import LazyPoints, Stack, downwards, steps_of_value
from trulens_core.errors import DoiError
from trulens_core.influence.blocks import SameSize
from trulens_core.influence.statistics import Mean
from trulens_core.influence.ways import NARROW
from trulens_core.influence.work import Work


class PathSum(Mean):
    """The sum along a path: Σᵢ gᵢ (hᵢ₋₁ − hᵢ), h the value at the source cut.

    Point i stands for the part of the path between the ends i − 1 and i; their lengths are the
    points' weights. It converges to ∫ ∂q/∂h · dh, which is q(x) − q(baseline) where nothing goes
    around the source cut (Dhamdhere et al., 2019). The steps telescope; the error is that of the
    gradient's quadrature.

    At an inner source a step takes one more evaluation of the model for each point, without
    gradients, in passes of as many rows as those that were looked at for the gradients.

    Raises:
        DoiError: when used, for points that are on no path.
    """

    nests: ClassVar[bool] = False
    follows_path: ClassVar[bool] = True

    def prepared(self, points: LazyPoints, work: Work) -> LazyPoints:
        q, ends = work.question, points.ends
        if ends is None:
            raise DoiError(
                f"statistic {self!r} sums along a path, and {type(q.doi).__name__} has none; "
                "give it LinearDoi(baseline, resolution), or PathDoi"
            )
        # the lengths of the parts are in the steps
        points = points._replace(weights=(1.0,) * len(points.weights))
        if q.source == q.doi_cut:
            z, backend = work.at_records[q.doi_cut], q.wrapper.backend
            return points._replace(multipliers=steps_of_value(points, z, backend))
        return points._replace(multipliers=_Inside(ends, work))


class _Inside:
    """Steps of the value at an inner cut; each end is evaluated once, in order."""

    def __init__(self, ends: Stack, work: Work) -> None:
        q = work.question
        self._ends, self._last, self._backend = ends, work.at_records[q.source], q.wrapper.backend
        self._sizes = SameSize(q.doi_cut, self._backend)
        self._over = q.wrapper.values_over_blocks(
            work.inputs, of=q.source, narrow=work.way in NARROW
        )

    def __call__(self, i: int, j: int) -> list[Tensor]:
        n = j - i
        found = [t[:n] for t in self._over(self._sizes.block(self._ends(i, j)))]
        steps = downwards(self._last, found, self._backend)
        self._last = [t[n - 1] for t in found]
        return steps

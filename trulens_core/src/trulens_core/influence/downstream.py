"""Gradients of one unit, each times the gradient of a quantity further on at that unit."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from trulens_core.backends import Tensor
from trulens_core.distributions.points import LazyPoints
from trulens_core.influence.blocks import SameSize
from trulens_core.influence.proof import ProvedBlocks
from trulens_core.influence.statistics import Complete, Mean
from trulens_core.influence.ways import Refused, Verdict, key_of
from trulens_core.influence.work import Work
from trulens_core.quantities import QoI
from trulens_core.slices import Cut


class Downstream(Mean):
    """The mean of ∂u/∂x · ∂q/∂u over the points, u one unit and q a quantity of what follows it.

    By the chain rule that is what of the gradient of q goes through u and nothing else, also where
    something goes around its layer. The question is of u; q is this statistic's.

    Args:
        layer: where u is.
        target: where q is read.
        qoi: q.
        unit: u, a quantity that chooses one element of the value at the layer.
    """

    complete: ClassVar[Complete] = None

    def __init__(self, layer: Cut, target: Cut, qoi: QoI, unit: QoI) -> None:
        self.layer: Cut = layer
        self.target: Cut = target
        self.qoi: QoI = qoi
        self.unit: QoI = unit

    def prepared(self, points: LazyPoints, work: Work) -> LazyPoints:
        return super().prepared(points, work)._replace(factors=_Factors(points, self, work))


class _Factors:
    """∂q/∂u at the points, (k, b) for each quantity; block by block."""

    def __init__(self, points: LazyPoints, statistic: Downstream, work: Work) -> None:
        question = dataclasses.replace(
            work.question,
            source=statistic.layer,
            target=statistic.target,
            qoi=statistic.qoi,
        )
        wrapper = question.wrapper
        cuts = question.source, question.target, question.doi_cut
        self._verdict: Verdict = wrapper.known(key_of(wrapper, work.inputs, cuts), Verdict)
        self._work, self._unit, self._points = work, statistic.unit, points
        self._backend = wrapper.backend
        self._sizes = SameSize(question.doi_cut, wrapper.backend)
        qoi = work.of_group(statistic.qoi, statistic.target)
        self._tell()
        self._over = ProvedBlocks(question, work.inputs, qoi, ["points"], work.way, self._verdict)

    def __call__(self, i: int, j: int) -> list[Tensor]:
        stack = self._points.stack
        try:
            got = self._over(self._sizes.block([] if stack is None else stack(i, j)))
        except Refused:
            self._tell()
            raise
        return [self._at_unit(gs[0], j - i) for gs in got.gradients]

    def _at_unit(self, g: Tensor, n: int) -> Tensor:
        """One unit's gradient; choosing it is linear, so that the quantity itself does it."""
        rows = self._unit(self._backend.merge_points(g))
        return self._backend.split_points(rows, int(g.shape[0]))[:n]

    def _tell(self) -> None:
        """What is known of the way to q holds for the whole work."""
        known, whole = self._verdict, self._work.verdict
        if known.mixes and not whole.mixes:
            whole.mixes = True
            raise Refused
        whole.random = whole.random or known.random

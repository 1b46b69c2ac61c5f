"""The work for one group of records without gradients: quantities at points, to a solver."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from trulens_core.backends import Gradients, Tensor
from trulens_core.distributions.points import LazyPoints, remembered
from trulens_core.influence.blocks import in_blocks
from trulens_core.influence.dependent_layers import check_independent
from trulens_core.influence.forward_programs import ForwardPrograms
from trulens_core.influence.order import check_order
from trulens_core.influence.proof import ProvedBlocks
from trulens_core.influence.questions import Answer
from trulens_core.influence.record_group import RecordGroup
from trulens_core.influence.statistics import Evaluated, Parts
from trulens_core.influence.ways import NARROW, Way
from trulens_core.inputs.rows import repeated
from trulens_core.quantities import QoI, evaluate
from trulens_core.slices import Cut
from trulens_core.steps.block import Block
from trulens_core.steps.quantity_data import with_tensors


class ForwardGroup(RecordGroup):
    """The work for one group of records, forward only.

    The values at the target cut are computed by a step that holds no quantity, so that one serves
    all; quantities are evaluated of them.
    """

    def answer(self) -> Answer:
        """Everything that is wanted for these records; inside the wrapper's `opened`.

        Raises:
            Refused: where the way of the blocks was found not to be right.
        """
        q, request = self._question, self._request
        at_records = self._values_at_records()
        check_order(q, self._inputs, at_records, self._verdict)
        qoi = self._qoi(at_records)
        group = self._group(at_records)
        check_independent(q.wrapper, self._inputs, q.doi, q.doi_cut)
        points = q.doi.points(group, None)
        if request.points:
            points = remembered(points, self._backend)
        points = q.statistic.prepared(points, self._work(at_records))
        points = points._replace(total_only=not request.quantities)
        parts = self._by_program(qoi, points, group.z) or self._evaluated(qoi, points)
        n = self._last - self._first
        quantity = parts.quantity if request.quantities else None
        answer = Answer(
            parts.total,
            points=self._wanted_points(points, group),
            quantity=quantity or self._quantity(qoi, at_records),
            baseline_quantity=parts.baseline_quantity if request.quantities else None,
            residual=parts.residual if request.quantities else None,
            n_points=len(points.weights),
            not_finite=self._not_finite(parts),
            standard_error=parts.standard_error,
            n_evaluations=None if parts.n_evaluations is None else parts.n_evaluations[:n],
            regions=None if parts.regions is None else parts.regions[:n],
            classes=self._classes(qoi, at_records),
        )
        return self._trimmed(answer)

    def _not_finite(self, parts: Parts) -> list[int]:
        if parts.not_finite is None:
            return self._judged(parts.total)[0]
        return [i for i in parts.not_finite if i < self._last - self._first]

    def _values_at_records(self) -> dict[Cut, list[Tensor]]:
        q = self._question
        cuts = [q.target] if q.qoi.binds else []
        return q.wrapper.activations(self._inputs, list(dict.fromkeys([*cuts, q.doi_cut])))

    def _evaluated(self, qoi: QoI, points: LazyPoints) -> Parts:
        q, request = self._question, self._request
        running = q.statistic.start(self._backend, points)
        over = _ProvedValues(self, qoi)
        first = 0
        for block, count in in_blocks(points, q.doi_cut, q.wrapper, self._inputs, self.part):
            got = over(block)
            found = Gradients([x[:count] for x in got.quantities], [], [])
            running.add(found, Evaluated(first, block.weights[:count]))
            first += count
            request.advance(count * (self._last - self._first))
        return running.finish()

    def _by_program(self, qoi: QoI, points: LazyPoints, z: list[Tensor]) -> Parts | None:
        """The statistic's answer where a block is one program; None where it cannot be."""
        q, request, inputs = self._question, self._request, self._inputs
        if not ForwardPrograms.serve(q, points, self.part):
            return None
        over = ForwardPrograms(q, inputs, qoi, z)
        if not over.kept:
            return None
        assert points.parts is not None
        running = q.statistic.start(self._backend, points)
        weights = np.asarray(points.weights)
        ranges = self.part.ranges(len(weights), inputs.n_records)
        k = ranges[0][1]
        for i, j in ranges:
            found = over(points.parts(i, j), k)
            real = found if j - i == k else [x[: j - i] for x in found]
            running.add(Gradients(real, [], []), Evaluated(i, weights[i:j]))
            request.advance((j - i) * (self._last - self._first))
        return running.finish()

    def values_over(self, qoi: QoI, way: Way) -> Callable[[Block], Gradients]:
        """The quantities as a function of blocks, (k, b) each."""
        q, backend = self._question, self._backend
        values = q.wrapper.values_over_blocks(self._inputs, of=q.target, narrow=way in NARROW)
        made: dict[int, QoI] = {}  # of this call's blocks, which have one or two sizes

        def of_rows(k: int) -> QoI:
            if k not in made:
                wide = qoi.mapped(functools.partial(repeated, k=k, backend=backend))
                placed = wide.with_channel_axis(q.wrapper.channel_axis(q.target))
                made[k] = with_tensors(placed, self._inputs, q.wrapper)
            return made[k]

        def over(block: Block) -> Gradients:
            k = len(block.weights)
            y = [backend.merge_points(t) for t in values(block)]
            qoi.validate([tuple(t.shape) for t in y])  # as arrays of the host, which can be read
            found = evaluate(of_rows(k), y, int(y[0].shape[0]), backend)
            return Gradients([backend.split_points(x, k) for x in found], [], [])

        return over

    def proof(self) -> tuple[object, ...]:
        """What blocks are proved for: question, inputs, way and verdict."""
        return self._question, self._inputs, self.part.way, self._verdict


class _ProvedValues(ProvedBlocks):
    """The quantities over blocks, each in a way that is looked at before it is trusted."""

    def __init__(self, group: ForwardGroup, qoi: QoI) -> None:
        self._group = group
        question, inputs, way, verdict = group.proof()
        super().__init__(question, inputs, qoi, ["points", "quantities"], way, verdict)  # type: ignore[arg-type]

    def _over(self, want: object, way: Way) -> Callable[[Block], Gradients]:
        del want
        return self._group.values_over(self._qoi, way)

"""The work for one group of records: values that are missing, blocks of points, the sum."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Gradients, Tensor, Want
from trulens_core.distributions import asked, check_floating, one_or_list
from trulens_core.distributions.points import LazyPoints, Records, Stack, remembered
from trulens_core.errors import DoiCutSupportError, NotDifferentiableError, TrulensError
from trulens_core.influence.blocks import in_blocks, weights_type
from trulens_core.influence.collecting import Collected
from trulens_core.influence.dependent_layers import check_independent
from trulens_core.influence.division import Part
from trulens_core.influence.judging import judged
from trulens_core.influence.order import Turned, check_order
from trulens_core.influence.points_made import points_made
from trulens_core.influence.proof import ProvedBlocks
from trulens_core.influence.questions import Answer, Question, Request
from trulens_core.influence.statistics import Evaluated, Parts, Table, multiplied
from trulens_core.influence.ways import NARROW, Verdict
from trulens_core.influence.work import Work
from trulens_core.inputs import ModelInputs, no_floating_inputs
from trulens_core.inputs.rows import last_again, padded, repeated
from trulens_core.quantities import QoI, evaluate
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.block import Block
from trulens_core.steps.contraction import Contraction
from trulens_core.steps.quantity_data import with_tensors
from trulens_core.steps.repeating import Repeatable


class RecordGroup:
    """The work for one group of records. State lives as long as the group's."""

    def __init__(
        self,
        question: Question,
        request: Request,
        inputs: ModelInputs,
        part: Part,
        verdict: Verdict,
    ) -> None:
        self._question, self._request = question, request
        self._backend: Backend = question.wrapper.backend
        self.part: Part = part
        self._verdict = verdict
        self._first, self._last, self._total = part.first, part.last, inputs.n_records
        self._pad = part.size - (part.last - part.first) if part.exact else 0
        mine = inputs.rows(part.first, part.last, self._backend)
        self._inputs = verdict.given(padded(mine, self._pad, self._backend), part.way)
        self._owners = question.wrapper.owners(self._inputs)

    def answer(self) -> Answer:
        """Everything that is wanted for these records; inside the wrapper's `opened`.

        Raises:
            Refused: where the way of the blocks was found not to be right.
        """
        inputs = [part for part in self._question.source.parts() if isinstance(part, InputCut)]
        if not all(self._floating_inputs(part) for part in inputs):
            raise self._integers(NotDifferentiableError)
        group = self._question, self._request, self._inputs, self.part, self._verdict
        plain = not (self._pad or self._owners)
        return self._in_one_pass() if plain and points_made(*group) else self._in_blocks()

    def _in_blocks(self) -> Answer:
        q = self._question
        at_records = self._values_at_records()
        check_order(q, self._inputs, at_records, self._verdict)
        qoi = self._qoi(at_records)
        group = self._group(at_records)
        check_independent(q.wrapper, self._inputs, q.doi, q.doi_cut)
        baseline = q.doi.baseline_values(group) if group.z else None
        points = q.doi.points(group, baseline)
        if self._request.points:
            points = remembered(points, self._backend)
        points = q.statistic.prepared(points, self._work(at_records))
        at_baseline = self._values_at_baseline(baseline)
        contraction, multiplier = None, None
        if q.contract is not None:
            own = points.multipliers or q.by_value
            m = None if own else self._multiplier(group, at_records, at_baseline)
            contraction = Contraction(q.contract, m or (), q.by_value)
        found = self._collected(qoi, points, contraction, self._references(points, baseline))
        parts = found.finish()
        if points.multipliers is None and contraction is None:
            multiplier = self._multiplier(group, at_records or found.activations, at_baseline)
        not_finite, zero = self._judged(parts.total)
        return self._trimmed(
            Answer(
                multiplied(parts.total, multiplier, self._backend),
                found.singles,
                self._wanted_points(points, group),
                self._quantity(qoi, at_records) or found.quantities,
                self._quantity(qoi, at_baseline) or self._mean_at_baselines(qoi, points),
                len(points.weights),
                not_finite,
                zero=zero,
                standard_error=self._error(parts, multiplier),
                classes=self._classes(qoi, at_records),
            )
        )

    # -- no pass before the points' -----------------------------------------------------------

    def _in_one_pass(self) -> Answer:
        q, backend = self._question, self._backend
        weights = np.asarray(q.doi.weights, weights_type(q.wrapper, self._inputs))
        qoi, cuts, n = self._qoi({}), (q.source, q.target, q.doi_cut), len(weights)
        ranges = self.part.ranges(n, self._inputs.n_records)
        first, records = weights[slice(*ranges[0])], self._last - self._first
        rest: Any = None
        over = self._blocks(self._inputs, qoi)
        turned = Turned.of(q, self._inputs, self._verdict, first=True)
        if Repeatable.allows(q.wrapper, self._inputs, qoi, cuts):
            placed = qoi.with_channel_axis(q.wrapper.channel_axis(q.target))
            once = Repeatable(q.wrapper, self._inputs, placed, q.target, n)

            def run(inputs: ModelInputs, qoi: QoI, _: list[Tensor]) -> Any:
                return self._first_pass(self._blocks(inputs, qoi), first, turned)[:3]

            got, z, baseline = once(("one pass", *cuts, q.doi.recipe, tuple(first.tolist())), run)
        else:
            got, z, baseline, rest = self._first_pass(over, first, turned)
        running = q.statistic.start(backend, LazyPoints(tuple(weights.tolist()), None))
        running.add(got, Evaluated(0, first))
        self._request.advance(len(first) * records)
        for i, j in ranges[1:]:
            block = Block(q.doi_cut, rest(i, j), weights[i:j])
            running.add(over(block), Evaluated(i, weights[i:j]))
            self._request.advance((j - i) * records)
        total = running.finish().total
        group, ends = self._group({q.doi_cut: z}), {} if baseline is None else {q.doi_cut: baseline}
        multiplier = self._multiplier(group, {q.source: group.z}, ends)
        bad, zero = self._judged(total)
        return Answer(multiplied(total, multiplier, backend), n_points=n, not_finite=bad, zero=zero)

    def _blocks(self, inputs: ModelInputs, qoi: QoI) -> ProvedBlocks:
        return ProvedBlocks(self._question, inputs, qoi, [], self.part.way, self._verdict)

    def _first_pass(
        self, blocks: ProvedBlocks, weights: np.ndarray[Any, Any], turned: Turned
    ) -> tuple[Gradients, list[Tensor], list[Tensor] | None, Stack]:
        """What the first points give, the value at the cut, the baseline there, and all points."""
        q, backend, b = self._question, self._backend, self._inputs.n_records
        held: list[tuple[list[Tensor], list[Tensor] | None, Stack]] = []

        def made(z: list[Tensor], i: int, j: int) -> list[Tensor]:  # z of b rows, or all points'
            at_cut = [backend.fresh(backend.stop_gradient(t[:b])) for t in z]
            group = self._group({q.doi_cut: at_cut})
            baseline = q.doi.baseline_values(group)
            stack = q.doi.points(group, baseline).stack
            assert stack is not None
            held.append((at_cut, baseline, stack))
            return stack(i, j)

        def found() -> list[Tensor]:
            turned.check({q.doi_cut: held[-1][0]}, self._verdict)
            return held[-1][2](0, len(weights))

        got = blocks(Block(q.doi_cut, [], weights, made), found)
        turned.check({q.doi_cut: held[-1][0]}, self._verdict)
        return got, *held[-1]

    def _trimmed(self, a: Answer) -> Answer:
        """The answer without the records that were added for size."""
        if not self._pad:
            return a
        n = self._last - self._first
        a = dataclasses.replace(a, classes=None if a.classes is None else a.classes[:n])
        return a.mapped(lambda t, axis: t[:n] if axis == 0 else t[:, :n])

    def _floating_inputs(self, cut: InputCut) -> list[int]:
        return self._inputs.at(cut, self._backend, self._question.wrapper.parameters)

    def _integers(self, error: type[TrulensError]) -> TrulensError:
        """The error for an input cut that holds no floating tensor."""
        q = self._question
        if error is DoiCutSupportError:
            what = f"{q.doi!r} acts at {q.doi_cut}; give it cut="
        else:
            what = f"variables live at {q.source}; put the source cut at"
        return error(no_floating_inputs(self._inputs, q.wrapper.embeddings(), what))

    # -- what is known before the first gradient ---------------------------------------------

    def _values_at_records(self) -> dict[Cut, list[Tensor]]:
        """The values for the unmodified records that are needed, by one pass or none."""
        q, point = self._question, self._question.doi.is_point
        cuts: list[Cut] = []
        if q.qoi.binds or (self._request.quantities and not point):
            cuts.append(q.target)
        if not point or self._request.points:
            cuts.append(q.doi_cut)
        if q.multiply and (cuts or isinstance(q.source, InputCut) or q.multiplies_before):
            cuts.append(q.source)  # else the one point's step gives it
        return q.wrapper.activations(self._inputs, list(dict.fromkeys(cuts)))

    def _qoi(self, at_records: dict[Cut, list[Tensor]]) -> QoI:
        q = self._question
        return self._bound(self._for_records(q.qoi), q.target, at_records)

    def _for_records(self, qoi: QoI) -> QoI:
        if self._owners is not None:
            return qoi  # for all of them, by records or by rows
        qoi = qoi.for_records(self._first, self._last, self._total)
        if not self._pad:
            return qoi
        return qoi.mapped(lambda value: last_again(value, self._pad, self._backend))

    def _of_group(self, qoi: QoI, cut: Cut) -> QoI:
        """Another quantity than the question's, at a cut, for these records."""
        return self._bound(self._for_records(qoi), cut, {})

    def _bound(self, qoi: QoI, cut: Cut, known: dict[Cut, list[Tensor]]) -> QoI:
        """The quantity, told the value at its cut for the unmodified records if it asks."""
        if not qoi.binds:
            return qoi
        wrapper = self._question.wrapper
        known = known or wrapper.activations(self._inputs, [cut])
        placed = qoi.with_channel_axis(wrapper.channel_axis(cut))
        return placed.bind(one_or_list(known[cut]))

    def _group(self, at_records: dict[Cut, list[Tensor]]) -> Records:
        q = self._question
        z = at_records.get(q.doi_cut, [])
        if not q.doi.is_point:
            if not z:
                raise self._integers(DoiCutSupportError)
            check_floating(q.doi, z, q.doi_cut, self._backend)
            self._verdict.size = max(math.prod(t.shape[1:]) for t in z)
        return Records(z, self._inputs, self._backend, self._first, self._last, self._total)

    def _values_at_baseline(self, baseline: list[Tensor] | None) -> dict[Cut, list[Tensor]]:
        """The values for the baseline that are needed, by one pass or none."""
        q = self._question
        if baseline is None:
            return {}
        cuts = []
        if self._request.quantities and q.complete:
            cuts.append(q.target)
        steps = q.statistic.follows_path
        if q.multiply and q.doi.multiplier_is_standard and q.source != q.doi_cut and not steps:
            cuts.append(q.source)
        found = {q.doi_cut: baseline}
        if cuts:
            found |= q.wrapper.activations(self._inputs, cuts, {q.doi_cut: baseline})
        return found

    # -- gradients ---------------------------------------------------------------------------

    def _work(self, at_records: dict[Cut, list[Tensor]]) -> Work:
        return Work(
            self._question,
            self._inputs,
            at_records,
            self.part.way,
            self._verdict,
            self._of_group,
        )

    def _references(self, points: LazyPoints, baseline: list[Tensor] | None) -> Stack | None:
        """The baselines that rules compare the points with, each its own or one for all."""
        if self._question.rules is None or not self._question.rules.compares:
            return None
        if points.baselines is not None or baseline is None:
            return points.baselines
        xp = self._backend.xp
        return lambda i, j: [xp.stack([t] * (j - i)) for t in baseline]

    def _collected(
        self,
        qoi: QoI,
        points: LazyPoints,
        contraction: Contraction | None,
        references: Stack | None,
    ) -> Collected:
        q, request = self._question, self._request
        more: list[Want] = []
        if points.stack is None:
            more += ["quantities"] if request.quantities else []
            more += ["activations"] if q.multiply and not isinstance(q.source, InputCut) else []
        parts = q.statistic, self._backend, points, q.source
        # after the multipliers that points have of their own, else as gradients come
        own, as_they_come = (contraction, None) if points.multipliers else (None, contraction)
        found = Collected(*parts, keep=request.gradients, more=more, contraction=own)
        over = ProvedBlocks(
            q, self._inputs, qoi, found.want, self.part.way, self._verdict, as_they_come
        )
        where = q.doi_cut, q.wrapper, self._inputs, self.part
        for block, count in in_blocks(points, *where, references):
            got = over(block)
            found.add(got, block.weights, count)
            del got  # or it would be held while the next block is computed
            request.advance(count * (self._last - self._first))
        return found

    # -- multiplier, quantities --------------------------------------------------------------

    def _multiplier(
        self,
        group: Records,
        at_records: dict[Cut, list[Tensor]],
        at_baseline: dict[Cut, list[Tensor]],
    ) -> list[Tensor] | None:
        q = self._question
        if not q.multiply:
            return None
        activation = at_records[q.source]
        if not q.doi.multiplier_is_standard:
            given = asked(q.doi.get_activation_multiplier, activation, group)
            return list(given) if isinstance(given, list | tuple) else [given]
        if not at_baseline:
            return activation
        return [a - b for a, b in zip(activation, at_baseline[q.source], strict=True)]

    def _error(self, parts: Parts, multiplier: list[Tensor] | None) -> Table | None:
        if parts.standard_error is None or multiplier is None:
            return parts.standard_error
        sizes = [self._backend.xp.abs(m) for m in multiplier]
        return multiplied(parts.standard_error, sizes, self._backend)

    def _quantity(self, qoi: QoI, at: dict[Cut, list[Tensor]]) -> list[Tensor] | None:
        target = self._question.target
        wanted = self._request.quantities and target in at
        return self._quantities_of(qoi, at[target]) if wanted else None

    def _quantities_of(self, qoi: QoI, y: list[Tensor]) -> list[Tensor]:
        q = self._question
        placed = qoi.with_channel_axis(q.wrapper.channel_axis(q.target))
        rows = int(y[0].shape[0])
        found = evaluate(with_tensors(placed, self._inputs, q.wrapper), y, rows, self._backend)
        owners = self._owners
        return found if owners is None else [owners.summed(q, self._backend) for q in found]

    def _classes(
        self, qoi: QoI, at: dict[Cut, list[Tensor]]
    ) -> np.ndarray[Any, np.dtype[np.int64]] | None:
        """Whose scores the quantity is, for each record, as far as it is known by now."""
        q = self._question
        rows = self._owners is not None
        if not self._request.quantities or rows or not q.wrapper.holds_classes(q.target):
            return None  # at a layer there are units, which are no classes
        y = at.get(q.target)
        found = qoi.classes(None if y is None else one_or_list(y))
        if found is None:
            return None
        held = self._backend.to_numpy(found) if self._backend.is_tensor(found) else found
        return np.broadcast_to(np.asarray(held, "int64"), (self._inputs.n_records,))

    def _mean_at_baselines(self, qoi: QoI, points: LazyPoints) -> list[Tensor] | None:
        """The mean quantity at the baselines of points that have one each."""
        q, backend = self._question, self._backend
        if points.baselines is None or not self._request.quantities or q.complete is None:
            return None
        baselines = points._replace(stack=points.baselines)
        narrow = self.part.way in NARROW
        over = q.wrapper.values_over_blocks(self._inputs, of=q.target, narrow=narrow)
        totals: list[Tensor] = []
        for block, count in in_blocks(baselines, q.doi_cut, q.wrapper, self._inputs, self.part):
            k = len(block.weights)
            y = [backend.merge_points(t) for t in over(block)]
            of_rows = qoi.mapped(functools.partial(repeated, k=k, backend=backend))
            found = self._quantities_of(of_rows, y)
            w = backend.from_numpy(block.weights * (np.arange(k) < count))
            wide = [backend.accumulator(backend.split_points(x, k)) for x in found]
            means = [backend.weighted_sum(x, w) for x in wide]
            totals = [a + b for a, b in zip(totals, means, strict=True)] if totals else means
        return totals

    def _wanted_points(self, points: LazyPoints, group: Records) -> list[Tensor] | None:
        if not self._request.points:
            return None
        if points.stack is None:
            return [self._backend.xp.expand_dims(t, axis=0) for t in group.z]
        return points.stack(0, len(points.weights))

    def _judged(self, total: list[list[Tensor]]) -> tuple[list[int], bool]:
        """The records whose gradients are not finite, and whether all gradients are zero."""
        backend = self._backend
        if self._question.wrapper.keeps_graph and backend.traces:
            return [], False  # there may be no numbers yet
        return judged(total, self._last - self._first, backend)

"""The work for a group of records on frameworks that compile it whole, where that can be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from trulens_core.backends import Tensor, Unrepeatable, Want
from trulens_core.influence.by_program import ByProgram
from trulens_core.influence.dependent_layers import check_independent
from trulens_core.influence.order import check_order
from trulens_core.influence.path_sum import PathSum
from trulens_core.influence.plans import Plan
from trulens_core.influence.questions import Answer
from trulens_core.influence.record_group import RecordGroup
from trulens_core.influence.repeats import Known, kind, may_repeat, options
from trulens_core.influence.statistics import (
    AbsoluteMean,
    Mean,
    SampleMean,
    SecondMoment,
    Statistic,
    Variance,
)
from trulens_core.quantities import QoI
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.contraction import Contraction
from trulens_core.steps.keys import StepKey, settled, shapes_key

_OWN = (Mean, AbsoluteMean, SecondMoment, Variance, SampleMean, PathSum)
"""The statistics that a program computes; others look at the work, or are the caller's code."""


class ProgramGroup(RecordGroup):
    """A group whose work is one program where all parts are the library's own.

    Where not all points fit a block it is the same program for each of them. What else there is,
    such as quantities at the ends, is evaluated as ever.
    """

    def _in_blocks(self) -> Answer:
        try:
            found = self._by_program() if self._can_be_one() else None
        except Unrepeatable:
            self._verdict.repeats, found = False, None
        return super()._in_blocks() if found is None else found

    def _can_be_one(self) -> bool:
        q, request = self._question, self._request
        own = not q.qoi.custom and type(q.statistic) in _OWN
        more = request.gradients or request.points
        made = self._made
        standard = q.doi.multiplier_is_standard or not q.multiply
        known = own and not more and made and standard and self.part.way == "full"
        blocks = known and q.doi.n_points is not None and not (self._in_parts and self._by_part())
        return blocks and self._proved()

    @property
    def _made(self) -> bool:
        """Whether a program makes the points, and the ends of their parts of a path if need be."""
        q = self._question
        formula, steps = q.doi.formula(), q.statistic.follows_path
        if q.doi.is_point or formula is None:
            return q.doi.is_point and not steps
        return formula.ends is not None or not steps

    def _proved(self) -> bool:
        """Whether rows of a block are known to be right, where they could see one another."""
        verdict, inputs, backend = self._verdict, self._inputs, self._backend
        if backend.maps_points:
            return True
        ranges = self.part.ranges(self._question.doi.n_points or 1, inputs.n_records)
        sizes, same = [j - i for i, j in ranges], verdict.repeats and not verdict.random
        return same and verdict.all_proved(self.part.way, inputs, sizes, backend)

    def _by_part(self) -> bool:
        """Whether blocks of points would each compute the value at the source cut for themselves.

        What gradients are multiplied with before they are contracted.
        """
        q = self._question
        at_hand = isinstance(q.source, InputCut) or q.source == q.doi_cut
        at_hand |= q.statistic.follows_path  # it is contracted once all is multiplied
        return q.contract is not None and q.multiply and not at_hand

    @property
    def _in_parts(self) -> bool:
        return (self._question.doi.n_points or 1) > self._most

    @property
    def _most(self) -> int:
        """How many points a block may have."""
        return max(1, self.part.rows // self._inputs.n_records)

    def _by_program(self) -> Answer | None:
        """The answer by a program; None where a part of it would be the caller's."""
        q, wrapper, doi = self._question, self._question.wrapper, self._question.doi
        if self._plan(q.qoi, path=False) is None:
            return None
        quantities = self._request.quantities and not doi.is_point
        inner = self._in_parts and not isinstance(q.doi_cut, InputCut)
        by_value = not (doi.is_point or doi.starts_at_zero) or inner
        cuts = [q.target] if q.qoi.binds or quantities else []
        cuts += [q.doi_cut] if by_value or quantities else []
        cuts += [q.source] if q.statistic.follows_path and self._in_parts else []
        at_records = wrapper.activations(self._inputs, list(dict.fromkeys(cuts)))
        check_order(q, self._inputs, at_records, self._verdict)
        check_independent(wrapper, self._inputs, doi, q.doi_cut)
        qoi = self._qoi(at_records)
        if q.target == wrapper.unchecked:
            wrapper.activations(self._inputs, [q.target])  # once, since no gradient shows it
        group = self._group(at_records) if q.doi_cut in at_records else None
        ends = None if group is None else doi.baseline_values(group)
        plan = self._plan(qoi, path=doi.starts_at_zero or ends is not None)
        if plan is None or (plan.step.compared and not (plan.path or plan.based)):
            return None
        run = ByProgram(q, plan, self._most, self._numbers(at_records))
        advance = self._request.advance_by(self._last - self._first)
        made = run.made(at_records, None if doi.starts_at_zero else ends, advance)
        found = run(self._inputs, made, qoi, advance)
        self._keep(run)
        at_ends: dict[Cut, list[Tensor]] = {}
        if ends is not None and quantities and q.complete:
            at_ends = wrapper.activations(self._inputs, [q.target], {q.doi_cut: ends})
        at_baselines = self._quantity(qoi, at_ends)
        if quantities and plan.based and group is not None:
            at_baselines = self._mean_at_baselines(qoi, doi.points(group, None))
        answer = run.answer(found, self._last - self._first)
        return self._trimmed(
            dataclasses.replace(
                answer,
                quantity=self._quantity(qoi, at_records) or answer.quantity,
                baseline_quantity=at_baselines,
                classes=self._classes(qoi, at_records),
            )
        )

    def _statistic(self) -> Statistic:
        """The question's, or where no more than its total is wanted one that has the same."""
        own = self._question.statistic
        drawn = type(own) is SampleMean and not self._request.quantities
        return Mean() if drawn else own

    def _numbers(self, at_records: Mapping[Cut, list[Tensor]]) -> int:
        """How many numbers all points hold, as far as that is known."""
        q, inputs = self._question, self._inputs
        known = at_records.get(q.doi_cut) or inputs.split()[1]
        return (q.doi.n_points or 1) * sum(math.prod(map(int, t.shape)) for t in known)

    def _keep(self, run: ByProgram) -> None:
        """Keep what was found out, where it is all that there is."""
        q, inputs = self._question, self._inputs
        whole = (self._first, self._last, self._pad) == (0, self._total, 0)
        more = q.qoi.binds or self._request.quantities
        if not whole or more or not may_repeat(q, inputs, self._backend):
            return
        key = kind(q, inputs, self._request)
        if key is not None:
            known = Known(run.again, options(q.qoi), self._verdict)
            q.repeats.put(key, known)

    def _plan(self, qoi: QoI, path: bool) -> Plan | None:
        """What is to be done, as a program may be kept by it."""
        q, wrapper, doi = self._question, self._question.wrapper, self._question.doi
        inputs = self._inputs
        at: list[int] = []
        if isinstance(q.doi_cut, InputCut) and not doi.is_point:
            at = inputs.at(q.doi_cut, self._backend, wrapper.parameters)
            if not at:
                return None  # of which there is something to be told
        whole, batched, shared = inputs.split()
        formula, statistic = None if doi.is_point else doi.formula(), self._statistic()
        based = formula is not None and formula.baselines is not None
        same = q.source == q.doi_cut
        if q.multiply and based and not same:
            return None  # of which there is something to be told
        own = statistic.follows_path or (q.multiply and based)
        want: list[Want] = [*statistic.want]
        want += ["points"] if own else []
        if doi.is_point:
            want += ["quantities"] if self._request.quantities else []
            more = q.multiply and not isinstance(q.source, InputCut) and q.contract is None
            want += ["activations"] if more else []
        key = StepKey(
            q.target,
            None if at or doi.is_point else q.doi_cut,
            inputs.split(at)[0],
            shapes_key([], [*batched, *shared]),
            q.source,
            frozenset(want),
            qoi.with_channel_axis(wrapper.channel_axis(q.target)),
            None if own else q.contract,
            q.rules,
            q.rules is not None and q.rules.compares,
        ).settled(wrapper, inputs)
        if key is None or key.whole is not None:
            return None
        cut = key.replaced or settled(q.doi_cut, wrapper, inputs) or q.doi_cut
        rest = formula, path, q.multiply, statistic
        after = Contraction(q.contract) if own and q.contract is not None else None
        counted = doi.n_points or 1 if type(statistic) is SampleMean else 0
        return Plan(key, whole, doi, cut, same, *rest, after, counted)

"""The work for a group of records on frameworks that compile it whole, where that can be."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from trulens_core.backends import StepArguments, Tensor, Unrepeatable, Want
from trulens_core.distributions import check_floating
from trulens_core.distributions.base import DoI
from trulens_core.distributions.points import Records
from trulens_core.influence.blocks import weights_type
from trulens_core.influence.order import check_order
from trulens_core.influence.programs import Found, Given, Plan, Program
from trulens_core.influence.questions import Answer, Question, Request, unseen
from trulens_core.influence.record_group import RecordGroup
from trulens_core.influence.repeats import Known, SameKey, kind, may_repeat, options
from trulens_core.influence.statistics import AbsoluteMean, Mean, SecondMoment, Variance
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import last_again
from trulens_core.passes import selection
from trulens_core.quantities import QoI
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.keys import StepKey, settled, shapes_key
from trulens_core.steps.quantity_data import with_tensors

_OWN = (Mean, AbsoluteMean, SecondMoment, Variance)
"""The statistics that a program computes; others look at the work, or are the caller's code."""

Made = Callable[[StepArguments, int, int], Given]

Advance = Callable[[int], object]

_ONE = np.ones(1, "float32")

_SHORT = 2**17
"""As many numbers may the points hold whose blocks are served in one call. Nothing interrupts it,
and it may hold more memory than a block alone, which for so few is little."""


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
        made = q.doi.is_point or (q.doi.formula() is not None and len(q.doi_cut.parts()) == 1)
        standard = q.doi.multiplier_is_standard or not q.multiply
        known = own and not more and made and standard and self.part.way == "full"
        blocks = known and q.doi.n_points is not None and not (self._in_parts and self._by_part())
        return blocks and self._proved()

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
        at_records = wrapper.activations(self._inputs, cuts)
        check_order(q, self._inputs, at_records, self._verdict)
        qoi = self._qoi(at_records)
        if q.target == wrapper.unchecked:
            wrapper.activations(self._inputs, [q.target])  # once, since no gradient shows it
        group = self._group(at_records) if q.doi_cut in at_records else None
        ends = None if group is None else doi.baseline_values(group)
        plan = self._plan(qoi, path=doi.starts_at_zero or ends is not None)
        if plan is None or (plan.step.compared and not plan.path):
            return None
        run = ByProgram(q, plan, self._most, self._numbers(at_records))
        advance = self._request.advance_by(self._last - self._first)
        values = at_records.get(q.doi_cut, [])
        made = run.made(values, None if doi.starts_at_zero else ends, advance)
        found = run(self._inputs, made, qoi, advance)
        self._keep(run)
        at_ends: dict[Cut, list[Tensor]] = {}
        if ends is not None and quantities and q.complete:
            at_ends = wrapper.activations(self._inputs, [q.target], {q.doi_cut: ends})
        answer = run.answer(found, self._last - self._first)
        return self._trimmed(
            dataclasses.replace(
                answer,
                quantity=self._quantity(qoi, at_records) or answer.quantity,
                baseline_quantity=self._quantity(qoi, at_ends),
                classes=self._classes(qoi, at_records),
            )
        )

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
        want: list[Want] = [*q.statistic.want]
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
            q.contract,
            q.rules,
            q.rules is not None and q.rules.compares,
        ).settled(wrapper, inputs)
        if key is None or key.whole is not None:
            return None
        cut = key.replaced or settled(q.doi_cut, wrapper, inputs) or q.doi_cut
        formula = None if doi.is_point else doi.formula()
        same = q.source == q.doi_cut
        return Plan(key, whole, doi, cut, same, formula, path, q.multiply, q.statistic)


class ByProgram:
    """A question answered by a program.

    Args:
        question: whose distribution has a formula, or is the value itself.
        plan: of the program.
        most: how many points a block may have.
        numbers: how many all points hold, in all records.
    """

    def __init__(self, question: Question, plan: Plan, most: int, numbers: int) -> None:
        self._question, self._plan = question, plan
        self._key = SameKey(plan.key())
        self._plain = not plan.step.qoi.data()
        self._weights_type: str | None = None
        self.n_points: int = question.doi.n_points or 1
        self._size = -(-self.n_points // -(-self.n_points // most))
        backend, formula = question.wrapper.backend, plan.formula
        self._padded = backend.static_shapes
        drawn = formula is not None and formula.by_shape  # in memory for each block alone
        self._turns = backend.nests and not drawn and numbers <= _SHORT

    def _at_once(self, advance: Advance | None) -> bool:
        """Whether all points are served by one call, of blocks that take turns if need be."""
        return self._size == self.n_points or (self._turns and advance is None)

    def made(self, z: list[Tensor], ends: list[Tensor] | None, advance: Advance | None) -> Made:
        """What the program is given besides a step's arguments, for the points i to j.

        Args:
            z: the value at the distribution's cut, where it is known.
            ends: where a path ends, if not at zeros.
            advance: see `__call__`.
        """
        q = self._question
        formula = None if q.doi.is_point else q.doi.formula()
        if formula is None:
            return lambda step, *_: Given(step, [], [], [])
        shapes = [tuple(map(int, t.shape)) for t in z] if formula.by_shape else []
        inside = isinstance(q.doi_cut, InputCut)
        inside |= q.doi.starts_at_zero and self._at_once(advance)
        values = [] if inside else z

        def given(step: StepArguments, i: int, j: int) -> Given:
            numbers = formula.numbers(shapes, i, min(j, self.n_points))
            if j > self.n_points and self._padded:  # copies of the last, which weigh nothing
                numbers = [last_again(a, j - self.n_points, q.wrapper.backend) for a in numbers]
            return Given(step, values, ends or [], numbers)

        return given

    def __call__(self, inputs: ModelInputs, made: Made, qoi: QoI, advance: Advance | None) -> Found:
        """What the program gives; `qoi` is the quantity for these records.

        `advance` is called with how many points were done; None: nobody looks on.
        """
        q, wrapper, plan = self._question, self._question.wrapper, self._plan
        program: Program = wrapper.kept(self._key, lambda: Program(wrapper, plan))
        _, batched, shared = inputs.split()
        data = [] if self._plain else with_tensors(qoi, inputs, wrapper).data()
        per_record = [d.value for d in data if d.per_record]
        scalars = [d.value for d in data if not d.per_record]
        state = wrapper.state()
        step = StepArguments(state, [], batched, shared, per_record, scalars)
        placed = plan.step.qoi
        if not self._plain:
            placed = qoi.with_channel_axis(wrapper.channel_axis(q.target))
        weights = _ONE if q.doi.is_point else np.asarray(q.doi.weights, self._type(inputs, state))
        found = self._found(program, lambda i, j: made(step, i, j), weights, placed, advance)
        for t in (t for ts in found.total for t in ts):
            selection.check_rows([t], plan.step.wrt, inputs.n_records)
        if q.rules is not None and program.report is not None:
            q.rules.noted(program.report)  # a program that was kept was traced with others
        return found

    def _found(
        self,
        program: Program,
        given: Callable[[int, int], Given],
        weights: np.ndarray[Any, Any],
        qoi: QoI,
        advance: Advance | None,
    ) -> Found:
        """What the program gives in one call, or block by block."""
        n, k, tell = self.n_points, self._size, advance or unseen
        if k >= n:
            found = program(given(0, n), weights, qoi)
            tell(n)
            return found
        if self._at_once(advance):
            return program.in_turns(given(0, n), weights, k, qoi)

        def blocks() -> Iterator[tuple[Given, np.ndarray[Any, Any]]]:
            own = weights
            if self._padded:
                own = np.concatenate([weights, np.zeros(k, weights.dtype)])
            for i in range(0, n, k):
                yield given(i, i + k), own[i : i + k]
                tell(min(k, n - i))

        return program.in_blocks(blocks(), qoi)

    def again(self, inputs: ModelInputs, request: Request) -> Answer | None:
        """The answer for all records of inputs of the same kind; None for other points."""
        qoi, doi, n = self._question.qoi, self._question.doi, inputs.n_records
        if (doi.n_points or 1) != self.n_points or not self._is_of(doi):
            return None
        advance = request.advance_by(n)
        z = self._values(inputs, advance)
        ends = None if doi.is_point or doi.starts_at_zero else self._ends(inputs, z)
        if self._plan.path != (doi.starts_at_zero or ends is not None):
            return None
        if not self._plain:
            qoi = qoi.for_records(0, n, n)
        found = self(inputs, self.made(z, ends, advance), qoi, advance)
        return self.answer(found, n)

    def _is_of(self, doi: DoI) -> bool:
        """Whether the program makes this distribution's points."""
        known = self._plan.formula
        if doi.is_point or known is None:
            return doi.is_point and known is None
        formula = doi.formula()
        return formula is not None and formula.function is known.function

    def _values(self, inputs: ModelInputs, advance: Advance | None) -> list[Tensor]:
        """The value at the distribution's cut; none where the program makes it."""
        q, whole = self._question, self._at_once(advance)
        if q.doi.is_point or (q.doi.starts_at_zero and (whole or isinstance(q.doi_cut, InputCut))):
            return []
        return q.wrapper.activations(inputs, [q.doi_cut])[q.doi_cut]

    def _ends(self, inputs: ModelInputs, z: list[Tensor]) -> list[Tensor] | None:
        """The baseline, of the caller's; it is asked at every call."""
        q, n = self._question, inputs.n_records
        check_floating(q.doi, z, q.doi_cut, q.wrapper.backend)
        return q.doi.baseline_values(Records(z, inputs, q.wrapper.backend, 0, n, n))

    def answer(self, found: Found, n: int) -> Answer:
        """The answer for n records."""
        total, to_numpy = found.total, self._question.wrapper.backend.to_numpy
        quantity = found.quantities or None
        if not found.sizes:
            return Answer(total, quantity=quantity, n_points=self.n_points)
        sizes = to_numpy(found.sizes[0])
        bad: list[int] = []
        if not np.isfinite(sizes).all():
            bad = [int(i) for i in np.flatnonzero(~to_numpy(found.finite[0])) if i < n]
        zero = not sizes.any()
        return Answer(total, None, None, quantity, None, self.n_points, bad, zero=zero)

    def _type(self, inputs: ModelInputs, state: Any) -> str:
        """The type of points' weights; a program that is given no weights has those it has."""
        if self._weights_type is None or not (isinstance(state, tuple) and not state):
            self._weights_type = weights_type(self._question.wrapper, inputs)
        return self._weights_type

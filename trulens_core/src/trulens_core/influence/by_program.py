"""A question answered by a program, once and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from trulens_core.backends import StepArguments, Tensor
from trulens_core.distributions import check_floating
from trulens_core.distributions.base import DoI
from trulens_core.distributions.points import Records
from trulens_core.influence.blocks import weights_type
from trulens_core.influence.plans import Found, Given, Plan
from trulens_core.influence.programs import Program
from trulens_core.influence.questions import Answer, Question, Request, unseen
from trulens_core.influence.repeats import SameKey
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import last_again
from trulens_core.passes import selection
from trulens_core.quantities import QoI
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.quantity_data import with_tensors

Made = Callable[[StepArguments, int, int], Given]

Advance = Callable[[int], object]

_ONE = np.ones(1, "float32")

_SHORT = 2**17
"""As many numbers may the points hold whose blocks are served in one call. Nothing interrupts it,
and it may hold more memory than a block alone, which for so few is little."""


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
        alike = not (drawn or plan.own)  # no block begins where another one ended
        self._turns = backend.nests and alike and numbers <= _SHORT

    def _at_once(self, advance: Advance | None) -> bool:
        """Whether all points are served by one call, of blocks that take turns if need be."""
        return self._size == self.n_points or (self._turns and advance is None)

    def made(
        self,
        known: Mapping[Cut, list[Tensor]],
        ends: list[Tensor] | None,
        advance: Advance | None,
    ) -> Made:
        """What the program is given besides a step's arguments, for the points i to j.

        Args:
            known: the values at cuts, the distribution's and the source cut, as far as need be.
            ends: where a path ends, if not at zeros.
            advance: see `__call__`.
        """
        q = self._question
        formula = None if q.doi.is_point else q.doi.formula()
        if formula is None:
            return lambda step, *_: Given(step, [], [], [])
        z = known.get(q.doi_cut, [])
        shapes = [tuple(map(int, t.shape)) for t in z] if formula.by_shape else []
        inside = isinstance(q.doi_cut, InputCut)
        inside |= q.doi.starts_at_zero and self._at_once(advance)
        values = [] if inside else z
        parts = formula.ends if q.statistic.follows_path else None
        several = parts is not None and not self._at_once(advance)
        start = known.get(q.source, ()) if several else ()

        def padded(arrays: list[np.ndarray[Any, Any]], j: int) -> list[np.ndarray[Any, Any]]:
            if j <= self.n_points or not self._padded:
                return arrays  # else copies of the last, which weigh nothing
            return [last_again(a, j - self.n_points, q.wrapper.backend) for a in arrays]

        def given(step: StepArguments, i: int, j: int) -> Given:
            last = min(j, self.n_points)
            numbers = padded(formula.numbers(shapes, i, last), j)
            at_parts = () if parts is None else padded(parts(i, last), j)
            return Given(step, values, ends or [], numbers, at_parts, start)

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
        weights = self._weights(inputs, state)
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
        known = self._known(inputs, advance)
        ends = None if doi.is_point or doi.starts_at_zero else self._ends(inputs, known)
        if self._plan.path != (doi.starts_at_zero or ends is not None):
            return None
        if not self._plain:
            qoi = qoi.for_records(0, n, n)
        found = self(inputs, self.made(known, ends, advance), qoi, advance)
        return self.answer(found, n)

    def _is_of(self, doi: DoI) -> bool:
        """Whether the program makes this distribution's points."""
        known = self._plan.formula
        if doi.is_point or known is None:
            return doi.is_point and known is None
        formula = doi.formula()
        return formula is not None and formula.code == known.code

    def _known(self, inputs: ModelInputs, advance: Advance | None) -> Mapping[Cut, list[Tensor]]:
        """The values at cuts that the program is given; it makes the others."""
        q, parts, cuts = self._question, not self._at_once(advance), list[Cut]()
        inside = q.doi.starts_at_zero and (not parts or isinstance(q.doi_cut, InputCut))
        cuts += [] if q.doi.is_point or inside else [q.doi_cut]
        cuts += [q.source] if q.statistic.follows_path and parts else []
        return q.wrapper.activations(inputs, list(dict.fromkeys(cuts)))

    def _ends(self, inputs: ModelInputs, known: Mapping[Cut, list[Tensor]]) -> list[Tensor] | None:
        """The baseline, of the caller's; it is asked at every call."""
        q, n, z = self._question, inputs.n_records, known[self._question.doi_cut]
        check_floating(q.doi, z, q.doi_cut, q.wrapper.backend)
        return q.doi.baseline_values(Records(z, inputs, q.wrapper.backend, 0, n, n))

    def answer(self, found: Found, n: int) -> Answer:
        """The answer for n records."""
        total, error = found.total, found.error or None
        to_numpy = self._question.wrapper.backend.to_numpy
        quantity = found.quantities or None
        if not found.sizes:
            return Answer(total, quantity=quantity, n_points=self.n_points, standard_error=error)
        sizes = to_numpy(found.sizes[0])
        bad: list[int] = []
        if not np.isfinite(sizes).all():
            bad = [int(i) for i in np.flatnonzero(~to_numpy(found.finite[0])) if i < n]
        zero = not sizes.any()
        return Answer(
            total,
            quantity=quantity,
            n_points=self.n_points,
            not_finite=bad,
            zero=zero,
            standard_error=error,
        )

    def _weights(self, inputs: ModelInputs, state: Any) -> np.ndarray[Any, Any]:
        """Of the points; of those along a path the lengths of their parts are in the steps.

        A program that is given no weights of the model has those it has, and their type.
        """
        q = self._question
        if q.doi.is_point:
            return _ONE
        if self._weights_type is None or not (isinstance(state, tuple) and not state):
            self._weights_type = weights_type(q.wrapper, inputs)
        weights = np.asarray(q.doi.weights, self._weights_type)
        return np.ones_like(weights) if q.statistic.follows_path else weights

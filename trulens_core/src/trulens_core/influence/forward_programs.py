"""The quantities over one block as one program: the points, the model, the choice of numbers.

No eager operation is left between masks on the host and the quantities, on frameworks that compile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from trulens_core.backends import Backend, StepArguments, Tensor, static_shape
from trulens_core.distributions.points import LazyPoints, Parts
from trulens_core.influence.division import Part
from trulens_core.influence.questions import Question
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import last_again
from trulens_core.inputs.structure import Structure
from trulens_core.models import ModelWrapper
from trulens_core.quantities import QoI, evaluate
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.forward import ForwardStep
from trulens_core.steps.keys import StepKey, settled, shapes_key
from trulens_core.steps.quantity_data import for_program, with_data

Made = Callable[..., list[Tensor]]


class _Plan(NamedTuple):
    """What a program is built from: the step after the points, all inputs, where points are."""

    step: StepKey
    structure: Structure
    cut: Cut


class ForwardProgram:
    """The quantities over a block of points that are made of the value at their cut.

    Args:
        model: that is evaluated.
        plan: of the program.
        function: makes the points, see `Parts`.
    """

    def __init__(self, model: ModelWrapper, plan: _Plan, function: Made) -> None:
        self._model, self._plan, self._function = model, plan, function
        self._backend: Backend = model.backend
        self._host_qoi = plan.step.qoi
        self._step = ForwardStep(model, plan.step)
        self._shapes: list[Sequence[int | None]] | None = None
        self._compiled = model.backend.compiled(self._of_block)

    def validate(self, qoi: QoI) -> None:
        """Check data of the quantity against what is known of the target's shape."""
        self._host_qoi = qoi
        if self._shapes is not None:
            qoi.validate(self._shapes)

    def __call__(
        self,
        a: StepArguments,
        z: list[Tensor],
        held: list[list[Tensor]],
        numbers: list[np.ndarray[Any, Any]],
    ) -> list[Tensor]:
        """The quantities, (k, b) each; the value is in the inputs where points are there."""
        found: list[Tensor] = self._compiled(a, z, held, numbers)
        return found

    def _of_block(
        self,
        a: StepArguments,
        z: list[Tensor],
        held: list[list[Tensor]],
        numbers: list[Tensor],
    ) -> list[Tensor]:
        """The function that a backend traces."""
        model, backend, plan, k = self._model, self._backend, self._plan, int(numbers[0].shape[0])
        order = list(range(len(held)))
        batched, shared = a.batched, a.shared
        if isinstance(plan.cut, InputCut):
            inputs = ModelInputs.joined(plan.structure, [], batched, shared)
            at = inputs.at(plan.cut, backend, model.parameters)
            z = [inputs.leaves[i].value for i in at]
            order.sort(key=at.__getitem__)
            _, batched, shared = inputs.split(at)
        points = self._function(backend, z, held, numbers)
        moved = a._replace(points=[points[i] for i in order], batched=batched, shared=shared)
        got = self._step.run(moved, np.ones(k, "float32"))
        y = [backend.merge_points(t) for t in got.activations]
        self._shapes = [static_shape(t) for t in y]
        self._host_qoi.validate(self._shapes)
        repeated = [backend.repeat(x, k) for x in a.per_record]
        qoi = with_data(plan.step.qoi, a._replace(per_record=repeated))
        found = evaluate(qoi, y, int(y[0].shape[0]), backend)
        return [backend.split_points(q, k) for q in found]


class ForwardPrograms:
    """The quantities over the blocks of one group of records, by programs.

    Args:
        question: whose quantity is the library's own.
        inputs: of the group's records.
        qoi: the quantity, for these records.
        z: the value at the distribution's cut.
    """

    def __init__(self, question: Question, inputs: ModelInputs, qoi: QoI, z: list[Tensor]) -> None:
        self._question, self._inputs = question, inputs
        self._backend: Backend = question.wrapper.backend
        wrapper, cut = question.wrapper, question.doi_cut
        at = inputs.at(cut, self._backend, wrapper.parameters) if isinstance(cut, InputCut) else []
        structure, batched, shared = inputs.split()
        placed = qoi.with_channel_axis(wrapper.channel_axis(question.target))
        self._qoi = placed
        key = StepKey(
            question.target,
            None if at else cut,
            inputs.split(at)[0],
            shapes_key([], [*batched, *shared]),
            question.target,
            frozenset(),
            placed,
        ).settled(wrapper, inputs)
        self._plan: _Plan | None = None
        if key is not None and key.whole is None:
            known = key.replaced or settled(cut, wrapper, inputs) or cut
            self._plan = _Plan(key, structure, known)
        data = for_program(placed, inputs, wrapper).data()
        per_record = [d.value for d in data if d.per_record]
        scalars = [d.value for d in data if not d.per_record]
        self._step = StepArguments(wrapper.state(), [], batched, shared, per_record, scalars)
        self._z = [] if at else z
        self._programs: dict[Made, ForwardProgram] = {}

    @staticmethod
    def serve(question: Question, points: LazyPoints, part: Part) -> bool:
        """Whether all that is evaluated is the library's own, and its points can be made inside."""
        q, wrapper = question, question.wrapper
        own = not (q.qoi.custom or q.statistic.prepares or wrapper.keeps_graph)
        can = wrapper.backend.fuses and wrapper.backend.maps_points and points.parts is not None
        return own and can and len(q.doi_cut.parts()) == 1 and part.way == "full"

    @property
    def kept(self) -> bool:
        """Whether programs can be kept; else each call would compile its own."""
        return self._plan is not None

    def __call__(self, parts: Parts, k: int) -> list[Tensor]:
        """The quantities at points, and at copies of the last of them, k in all; (k, b) each."""
        program = self._programs.get(parts.function)
        if program is None:
            program = self._programs[parts.function] = self._found(parts.function)
        n = len(parts.numbers[0])
        held, numbers = parts.held, parts.numbers
        if n < k:
            numbers = [last_again(a, k - n, self._backend) for a in numbers]
            held = [[_longer(own[0], n, k, self._backend), *own[1:]] for own in held]
        return program(self._step, self._z, held, numbers)

    def _found(self, function: Made) -> ForwardProgram:
        wrapper, plan = self._question.wrapper, self._plan
        assert plan is not None
        step = plan.step
        key = "forward program", *step.of_model(), *step.of_quantity(), plan.cut, function
        own = plan._replace(step=step.snapshot())
        program: ForwardProgram = wrapper.kept(key, lambda: ForwardProgram(wrapper, own, function))
        program.validate(self._qoi)
        return program


def _longer(base: Tensor, n: int, k: int, backend: Backend) -> Tensor:
    """What takes the place of removed segments, where each point has its own."""
    return last_again(base, k - n, backend) if int(base.shape[0]) == n > 1 else base

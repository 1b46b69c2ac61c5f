"""The work on a group of records as one program: the points, their gradients, the sum of these.

Everything in it is the library's own and made of tensors. The caller's baselines, and what draws
numbers, run outside, at every call, and are data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from trulens_core.backends import Backend, Gradients, StepArguments, Tensor
from trulens_core.distributions import check_floating
from trulens_core.distributions.base import DoI
from trulens_core.distributions.points import Formula, LazyPoints
from trulens_core.influence.statistics import Evaluated, Foldable, Statistic, Table, multiplied
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import Structure
from trulens_core.models import ModelWrapper
from trulens_core.quantities import QoI
from trulens_core.rules import Report
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.keys import StepKey, shapes_key
from trulens_core.steps.whole import WholeStep


class Given(NamedTuple):
    """What a program is given.

    Attributes:
        step: the arguments of a step whose points are not made yet; all inputs are in it.
        values: at the distribution's cut, where they are known; else the program makes them.
        ends: where a path ends; empty: at zeros, or there is none.
        numbers: what points are made of, see `Formula`.
    """

    step: StepArguments
    values: list[Tensor]
    ends: list[Tensor]
    numbers: list[Any]


class Found(NamedTuple):
    """What a program gives.

    Attributes:
        total: [quantity][tensor], multiplied.
        sizes: Σ |g| of each tensor of gradients that holds anything; before they are multiplied.
        finite: of each record, whether its gradients are.
        quantities: n tensors (b,), where the one point is the value itself and they are wanted.
    """

    total: Table
    sizes: list[Tensor]
    finite: list[Tensor]
    quantities: list[Tensor]


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """All that a program is built from; its cuts are settled, see `settled`.

    Attributes:
        step: of the gradients at points.
        structure: of all inputs.
        doi: of the points, for messages.
        doi_cut: where the points live.
        same: whether that is where the variables live.
        formula: of the points; None: the one point is the value itself.
        path: whether there is a baseline.
        multiply: whether gradients are multiplied with the activation, less the baseline's.
        statistic: of the gradients.
    """

    step: StepKey
    structure: Structure
    doi: DoI
    doi_cut: Cut
    same: bool
    formula: Formula | None
    path: bool
    multiply: bool
    statistic: Statistic

    def key(self) -> Hashable:
        """The key by value."""
        function = None if self.formula is None else self.formula.function
        rest = self.doi_cut, self.same, function, self.path, self.multiply, self.statistic
        return "program", *self.step.of_model(), *self.step.of_quantity(), *rest


class Program:
    """A group's work, compiled: whole where all points fit a block, else block by block.

    Args:
        model: of whose gradients it is.
        plan: what is to be done.
    """

    def __init__(self, model: ModelWrapper, plan: Plan) -> None:
        self._model, self._plan = model, plan
        self._backend: Backend = model.backend
        self._host_qoi = plan.step.qoi
        self._step = WholeStep(model, plan.step.snapshot())
        fused = model.backend.fused
        self._compiled = fused(self._of_group)
        self._block, self._end = fused(self._of_block), fused(self._of_blocks)
        self._joined, self._turns = fused(self._of_two), fused(self._of_turns)

    @property
    def report(self) -> Report | None:
        """What rules were applied to."""
        rules = self._step.rules
        return None if rules is None else rules.report

    def __call__(self, given: Given, weights: np.ndarray[Any, Any], qoi: QoI) -> Found:
        """The answer, of one block; `qoi` is the quantity as the caller has it, to be validated."""
        self._validate(qoi)
        found: Found = self._compiled(given, weights)
        return found

    def in_blocks(self, blocks: Iterable[tuple[Given, np.ndarray[Any, Any]]], qoi: QoI) -> Found:
        """The answer, of several blocks of one shape; points that weigh nothing are none."""
        self._validate(qoi)
        state: Any = None
        for given, weights in blocks:
            new = self._block(given, weights)
            state = new if state is None else self._joined(state, new)
        found: Found = self._end(given._replace(numbers=[]), state)
        return found

    def in_turns(self, given: Given, weights: np.ndarray[Any, Any], size: int, qoi: QoI) -> Found:
        """The answer, of blocks of at most `size` points that take turns in one program."""
        self._validate(qoi)
        found: Found = self._turns(given, weights, np.array([len(weights), size], "int32"))
        return found

    def _validate(self, qoi: QoI) -> None:
        self._host_qoi = qoi
        self._step.validate(qoi)

    # -- what a backend traces ---------------------------------------------------------------

    def _of_group(self, given: Given, weights: Tensor) -> Found:
        running, got, by = self._added(given, weights)
        return self._answer(running, got.quantities, by)

    def _of_block(self, given: Given, weights: Tensor) -> Any:
        return self._added(given, weights)[0].state()

    def _of_two(self, one: Any, other: Any) -> Any:
        running = self._started(one)
        running.join(other)
        return running.state()

    def _of_turns(self, given: Given, weights: Tensor, sizes: Tensor) -> Found:
        given = given._replace(values=self._at_records(given, self._inputs(given)))

        def block(i: Tensor, j: Tensor) -> Any:
            return self._of_block(
                given._replace(numbers=[t[i:j] for t in given.numbers]), weights[i:j]
            )

        state = self._backend.folded(block, self._of_two, sizes[0], sizes[1])
        return self._of_blocks(given._replace(numbers=[]), state)

    def _of_blocks(self, given: Given, state: Any) -> Found:
        plan, by, inputs = self._plan, None, self._inputs(given)
        if plan.multiply and plan.step.contracted is None:
            by = self._multiplier(given, inputs, self._at_records(given, inputs))
        return self._answer(self._started(state), [], by)

    def _started(self, state: Any = None) -> Foldable:
        running: Any = self._plan.statistic.start(self._backend, LazyPoints((), None))
        if state is not None:
            running.join(state)
        return cast(Foldable, running)

    def _added(
        self, given: Given, weights: Tensor
    ) -> tuple[Foldable, Gradients, list[Tensor] | None]:
        """What one block gives."""
        got, by = self._gradients(given, self._inputs(given), weights)
        table = [list(gs) for gs in got.gradients]
        if "points" in self._plan.step.want:
            table = [[self._real(g, weights) for g in gs] for gs in table]
        running = self._started()
        running.add(got._replace(gradients=table), Evaluated(0, weights))
        return running, got, by

    def _answer(
        self, running: Foldable, quantities: list[Tensor], by: list[Tensor] | None
    ) -> Found:
        total = running.finish().total
        every = [g for gs in total for g in gs if 0 not in tuple(g.shape)]
        multiplied_ = multiplied(total, by, self._backend)
        return Found(multiplied_, *self._judged(every), [x[0] for x in quantities])

    def _real(self, g: Tensor, weights: Tensor) -> Tensor:
        """Single points' gradients, zeros for those added for size: 0 × nan would be nan."""
        xp = self._backend.xp
        real = xp.reshape(weights != 0, (-1, *[1] * (len(g.shape) - 1)))
        return xp.where(real, g, xp.zeros_like(g))

    def _inputs(self, given: Given) -> ModelInputs:
        a = given.step
        return ModelInputs.joined(self._plan.structure, [], a.batched, a.shared)

    def _at_records(self, given: Given, inputs: ModelInputs) -> list[Tensor]:
        """The value at the distribution's cut."""
        return given.values or self._values(given.step.state, inputs, self._plan.doi_cut)

    def _gradients(
        self, given: Given, inputs: ModelInputs, weights: Tensor
    ) -> tuple[Gradients, list[Tensor] | None]:
        """The sum of the gradients, or each point's, and what it is multiplied with."""
        plan, a, by = self._plan, given.step, None
        contracted = plan.step.contracted is not None
        if plan.formula is None:
            if plan.multiply and (contracted or isinstance(plan.step.wrt, InputCut)):
                by = self._values(a.state, inputs, plan.step.wrt)
            got = self._stepped(a._replace(multipliers=by or ()) if contracted else a, weights)
            if plan.multiply and by is None:
                by = [z[0] for z in got.activations]
            return got, None if contracted else by
        z = self._at_records(given, inputs)
        check_floating(plan.doi, z, plan.doi_cut, self._backend)
        if plan.multiply:
            by = self._multiplier(given, inputs, z)
        a = self._at_points(given, inputs, z)
        if contracted:
            return self._stepped(a._replace(multipliers=by or ()), weights), None
        return self._stepped(a, weights), by

    def _stepped(self, a: StepArguments, weights: Tensor) -> Gradients:
        """What the step gives; where steps nest, by the one that is kept for others too."""
        if self._backend.nests:
            shapes = shapes_key(a.points, [*a.batched, *a.shared])
            key = dataclasses.replace(self._plan.step, shapes=shapes)
            name = "whole", *key.of_quantity(), *key.of_model()
            self._step = self._model.kept(name, lambda: WholeStep(self._model, key.snapshot()))
            self._step.validate(self._host_qoi)
        return self._step.run(a, weights)

    def _at_points(self, given: Given, inputs: ModelInputs, z: list[Tensor]) -> StepArguments:
        """The arguments of the step at a block's points, and at what rules compare them with."""
        plan, a, backend = self._plan, given.step, self._backend
        assert plan.formula is not None
        points = plan.formula.function(backend, z, given.ends or None, given.numbers)
        compared: list[Tensor] = []
        if plan.step.compared:
            pairs = zip(self._ends(given, z), points, strict=True)
            compared = [e[None] + backend.xp.zeros_like(p) for e, p in pairs]  # shapes may be open
        if not isinstance(plan.doi_cut, InputCut):
            return a._replace(points=[*points, *compared])
        at = inputs.at(plan.doi_cut, backend, self._model.parameters)
        order = sorted(range(len(at)), key=at.__getitem__)
        _, batched, shared = inputs.split(at)
        each = [held[i] for held in (points, compared) if held for i in order]
        return a._replace(points=each, batched=batched, shared=shared)

    def _ends(self, given: Given, z: list[Tensor]) -> list[Tensor]:
        return given.ends or [self._backend.filled(t, 0.0) for t in z]

    def _multiplier(self, given: Given, inputs: ModelInputs, z: list[Tensor]) -> list[Tensor]:
        plan = self._plan
        wrt = plan.step.wrt
        state = given.step.state
        activation = z if plan.same else self._values(state, inputs, wrt)
        if not plan.path:
            return activation
        ends = self._ends(given, z)
        if not plan.same:
            ends = self._values(state, inputs, wrt, {plan.doi_cut: ends})
        return [a - b for a, b in zip(activation, ends, strict=True)]

    def _values(
        self,
        state: Any,
        inputs: ModelInputs,
        cut: Cut,
        at: dict[Cut, list[Tensor]] | None = None,
    ) -> list[Tensor]:
        """The value at a cut, with those at others replaced."""
        model = self._model
        if isinstance(cut, InputCut) and not at:
            leaves = inputs.leaves
            return [leaves[i].value for i in inputs.at(cut, self._backend, model.parameters)]
        if self._backend.nests:
            return model.activations(inputs, [cut], at)[cut]
        parts = cut.parts()
        with model.using(state):
            found = model.values(inputs, replace=model.spread(at or {}), tap={}, want=parts)
        if len(parts) > 1:
            model.sizes[cut] = tuple(map(len, found))
        return [t for tensors in found for t in tensors]

    def _judged(self, every: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        xp = self._backend.xp
        axes = [tuple(range(1, len(g.shape))) for g in every]
        finite = [xp.all(xp.isfinite(g), axis=a) for g, a in zip(every, axes, strict=True)]
        sizes = [xp.sum(xp.abs(g)) for g in every]
        if not every:
            return [], []
        return [xp.stack(sizes)], [xp.all(xp.stack(finite), axis=0)]

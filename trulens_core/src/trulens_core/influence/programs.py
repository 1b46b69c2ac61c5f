"""The work on a group of records as one program: the points, their gradients, the sum of these.

Everything in it is the library's own and made of tensors. The caller's baselines, and what draws
numbers, run outside, at every call, and are data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from trulens_core.backends import Backend, Gradients, StepArguments, Tensor
from trulens_core.distributions import check_floating
from trulens_core.distributions.points import LazyPoints, downwards
from trulens_core.influence.plans import Found, Given, Plan
from trulens_core.influence.statistics import Evaluated, Foldable, Table, multiplied
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper
from trulens_core.quantities import QoI
from trulens_core.rules import Report
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.forward import ForwardStep
from trulens_core.steps.keys import PassKey, shapes_key
from trulens_core.steps.whole import WholeStep


class _Block(NamedTuple):
    """What a block gives, and what it is multiplied with.

    Attributes:
        got: the sum of the gradients, or each point's.
        by: what the sum is multiplied with.
        own: what each point's gradients are multiplied with, (k, b, …).
        last: the value at the source cut where the last part of a path ends.
    """

    got: Gradients
    by: list[Tensor] | None = None
    own: list[Tensor] | None = None
    last: Sequence[Tensor] = ()


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
        last: Sequence[Tensor] = ()
        for given, weights in blocks:
            new, last = self._block(given._replace(start=last or given.start), weights)
            state = new if state is None else self._joined(state, new)
        found: Found = self._end(given._replace(numbers=[], parts=(), start=()), state)
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
        running, found = self._added(given, weights)
        return self._answer(running, found.got.quantities, found.by)

    def _of_block(self, given: Given, weights: Tensor) -> tuple[Any, Sequence[Tensor]]:
        running, found = self._added(given, weights)
        return running.state(), found.last

    def _of_two(self, one: Any, other: Any) -> Any:
        running = self._started(one)
        running.join(other)
        return running.state()

    def _of_turns(self, given: Given, weights: Tensor, sizes: Tensor) -> Found:
        given = given._replace(values=self._at_records(given, self._inputs(given)))

        def block(i: Tensor, j: Tensor) -> Any:
            own = given._replace(numbers=[t[i:j] for t in given.numbers])
            return self._of_block(own, weights[i:j])[0]

        state = self._backend.folded(block, self._of_two, sizes[0], sizes[1])
        return self._of_blocks(given._replace(numbers=[]), state)

    def _of_blocks(self, given: Given, state: Any) -> Found:
        plan, by, inputs = self._plan, None, self._inputs(given)
        if plan.multiply and plan.step.contracted is None and not plan.own:
            by = self._multiplier(given, inputs, self._at_records(given, inputs))
        return self._answer(self._started(state), [], by)

    def _started(self, state: Any = None) -> Foldable:
        points = LazyPoints((0.0,) * self._plan.n_points, None)
        running: Any = self._plan.statistic.start(self._backend, points)
        if state is not None:
            running.join(state)
        return cast(Foldable, running)

    def _added(self, given: Given, weights: Tensor) -> tuple[Foldable, _Block]:
        """What one block gives."""
        plan = self._plan
        found = self._gradients(given, self._inputs(given), weights)
        table = multiplied([list(gs) for gs in found.got.gradients], found.own, self._backend)
        table = self._contracted(table)
        if "points" in plan.step.want:
            table = [[self._real(g, weights) for g in gs] for gs in table]
        if plan.own and "points" not in plan.statistic.want:
            table = [[self._backend.weighted_sum(g, weights) for g in gs] for gs in table]
        running = self._started()
        running.add(found.got._replace(gradients=table), Evaluated(0, weights))
        return running, found

    def _contracted(self, table: Table) -> Table:
        """Single points' gradients, summed over the axes that are asked for."""
        over = self._plan.contraction
        if over is None:
            return table
        return [[over.summed(g, self._backend, leading=1) for g in gs] for gs in table]

    def _answer(
        self, running: Foldable, quantities: list[Tensor], by: list[Tensor] | None
    ) -> Found:
        parts, backend = running.finish(), self._backend
        total, error = parts.total, parts.standard_error or []
        every = [g for gs in total for g in gs if 0 not in tuple(g.shape)]
        sizes = None if by is None else [backend.xp.abs(m) for m in by]
        both = multiplied(total, by, backend), multiplied(error, sizes, backend)
        return Found(*both, *self._judged(every), [x[0] for x in quantities])

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

    def _gradients(self, given: Given, inputs: ModelInputs, weights: Tensor) -> _Block:
        """The sum of the gradients, or each point's, and what they are multiplied with."""
        plan, a, by = self._plan, given.step, None
        contracted = plan.step.contracted is not None
        if plan.formula is None:
            if plan.multiply and (contracted or isinstance(plan.step.wrt, InputCut)):
                by = self._values(a.state, inputs, plan.step.wrt)
            got = self._stepped(a._replace(multipliers=by or ()) if contracted else a, weights)
            if plan.multiply and by is None:
                by = [z[0] for z in got.activations]
            return _Block(got, None if contracted else by)
        z = self._at_records(given, inputs)
        check_floating(plan.doi, z, plan.doi_cut, self._backend)
        at = self._at_points(given, inputs, z)
        if plan.own:
            own, last = self._own(given, inputs, z, weights)
            return _Block(self._stepped(at, weights), own=own, last=last)
        if plan.multiply:
            by = self._multiplier(given, inputs, z)
        if contracted:
            return _Block(self._stepped(at._replace(multipliers=by or ()), weights))
        return _Block(self._stepped(at, weights), by)

    def _own(
        self, given: Given, inputs: ModelInputs, z: list[Tensor], weights: Tensor
    ) -> tuple[list[Tensor], Sequence[Tensor]]:
        """What each point's gradients are multiplied with, and where the next block begins."""
        if self._plan.statistic.follows_path:
            return self._steps(given, inputs, z, weights)
        wide, pairs = self._backend.accumulator, zip(z, self._starts(given, z), strict=True)
        return [wide(t[None]) - wide(start) for t, start in pairs], ()

    def _steps(
        self, given: Given, inputs: ModelInputs, z: list[Tensor], weights: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The steps of the value at the source cut over the parts of a path, and its last value.

        What is beyond the points ends where the last of them does.
        """
        plan, formula, state = self._plan, self._plan.formula, given.step.state
        assert formula is not None
        found = formula.function(self._backend, z, given.ends or None, [*given.parts])
        start = [*given.start]
        if not start:
            start = z if plan.same else self._values(state, inputs, plan.step.wrt)
        if not plan.same:
            at_ends = self._placed(given, inputs, found)
            found = self._forward(at_ends).run(at_ends, weights).activations
        return downwards(start, found, self._backend), [t[-1] for t in found]

    def _forward(self, a: StepArguments) -> ForwardStep:
        """The step to the value at the source cut; where steps nest, the one that is kept."""
        model, step = self._model, self._plan.step
        shapes = shapes_key(a.points, [*a.batched, *a.shared])
        key = PassKey(step.wrt, step.replaced, step.structure, shapes)
        name = "forward", *key.of_model()
        made = model.kept if self._backend.nests else lambda _, build: build()
        return cast(ForwardStep, made(name, lambda: ForwardStep(model, key)))

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
        plan, backend = self._plan, self._backend
        assert plan.formula is not None
        points = plan.formula.function(backend, z, given.ends or None, given.numbers)
        compared: list[Tensor] = []
        if plan.step.compared:
            pairs = zip(self._starts(given, z), points, strict=True)
            compared = [e + backend.xp.zeros_like(p) for e, p in pairs]  # shapes may be open
        return self._placed(given, inputs, points, compared)

    def _placed(
        self,
        given: Given,
        inputs: ModelInputs,
        points: list[Tensor],
        compared: Sequence[Tensor] = (),
    ) -> StepArguments:
        """The arguments of a step at points, as its inputs where they are there."""
        cut, a = self._plan.doi_cut, given.step
        if not isinstance(cut, InputCut):
            return a._replace(points=[*points, *compared])
        at = inputs.at(cut, self._backend, self._model.parameters)
        order = sorted(range(len(at)), key=at.__getitem__)
        _, batched, shared = inputs.split(at)
        each = [held[i] for held in (points, compared) if held for i in order]
        return a._replace(points=each, batched=batched, shared=shared)

    def _ends(self, given: Given, z: list[Tensor]) -> list[Tensor]:
        return given.ends or [self._backend.filled(t, 0.0) for t in z]

    def _starts(self, given: Given, z: list[Tensor]) -> list[Tensor]:
        """The points' baselines, each its own or one for all: (k or 1, b or 1, …)."""
        formula = self._plan.formula
        if formula is None or formula.baselines is None:
            return [e[None] for e in self._ends(given, z)]
        return formula.baselines(self._backend, z, given.ends or None, given.numbers)

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
            model.sizes.put(cut, tuple(map(len, found)))
        return [t for tensors in found for t in tensors]

    def _judged(self, every: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        xp = self._backend.xp
        axes = [tuple(range(1, len(g.shape))) for g in every]
        finite = [xp.all(xp.isfinite(g), axis=a) for g, a in zip(every, axes, strict=True)]
        sizes = [xp.sum(xp.abs(g)) for g in every]
        if not every:
            return [], []
        return [xp.stack(sizes)], [xp.all(xp.stack(finite), axis=0)]

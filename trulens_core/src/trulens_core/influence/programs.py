"""The work on a group of records as one program: the points, their gradients, the sum of these.

Everything in it is the library's own and made of tensors. The caller's baselines, and what draws
numbers, run outside, at every call, and are data.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from trulens_core.backends import Backend, Gradients, StepArguments, Tensor
from trulens_core.distributions import check_floating
from trulens_core.distributions.base import DoI
from trulens_core.distributions.points import Formula, LazyPoints
from trulens_core.influence.statistics import Evaluated, Statistic, Table, multiplied
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import Structure
from trulens_core.models import ModelWrapper
from trulens_core.quantities import QoI
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.keys import StepKey
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
    """A group's work, compiled.

    Args:
        model: of whose gradients it is.
        plan: what is to be done.
    """

    def __init__(self, model: ModelWrapper, plan: Plan) -> None:
        self._model, self._plan = model, plan
        self._backend: Backend = model.backend
        self._step = WholeStep(model, plan.step.snapshot())
        self._compiled = model.backend.compiled(self._of_group)

    def __call__(self, given: Given, weights: np.ndarray[Any, Any], qoi: QoI) -> Found:
        """The answer; `qoi` is the quantity as the caller has it, to be validated."""
        self._step.validate(qoi)
        found: Found = self._compiled(given, weights)
        return found

    def _of_group(self, given: Given, weights: Tensor) -> Found:
        """The function that a backend traces."""
        plan, model, a = self._plan, self._model, given.step
        inputs = ModelInputs.joined(plan.structure, [], a.batched, a.shared)
        with model.using(a.state):
            got, by = self._gradients(given, inputs, weights)
        running = plan.statistic.start(self._backend, LazyPoints((), None))
        table = [list(gs) for gs in got.gradients]
        running.add(got._replace(gradients=table), Evaluated(0, weights))
        total = running.finish().total
        every = [g for gs in total for g in gs if math.prod(g.shape)]
        multiplied_ = multiplied(total, by, self._backend)
        return Found(multiplied_, *self._judged(every), [x[0] for x in got.quantities])

    def _gradients(
        self, given: Given, inputs: ModelInputs, weights: Tensor
    ) -> tuple[Gradients, list[Tensor] | None]:
        """The sum of the gradients, and what it is multiplied with."""
        plan, a = self._plan, given.step
        if plan.formula is None:
            got = self._step.run(a, weights)
            if not plan.multiply:
                return got, None
            if isinstance(plan.step.wrt, InputCut):
                return got, self._values(inputs, plan.step.wrt)
            return got, [z[0] for z in got.activations]
        z = given.values or self._values(inputs, plan.doi_cut)
        check_floating(plan.doi, z, plan.doi_cut, self._backend)
        points = plan.formula.function(self._backend, z, given.ends or None, given.numbers)
        if isinstance(plan.doi_cut, InputCut):
            at = inputs.at(plan.doi_cut, self._backend, self._model.parameters)
            order = sorted(range(len(at)), key=at.__getitem__)
            _, batched, shared = inputs.split(at)
            a = a._replace(points=[points[i] for i in order], batched=batched, shared=shared)
        else:
            a = a._replace(points=points)
        got = self._step.run(a, weights)
        return got, self._multiplier(given, inputs, z) if plan.multiply else None

    def _multiplier(self, given: Given, inputs: ModelInputs, z: list[Tensor]) -> list[Tensor]:
        plan = self._plan
        wrt, ends = plan.step.wrt, given.ends
        activation = z if plan.same else self._values(inputs, wrt)
        if not plan.path:
            return activation
        if not ends:
            ends = [self._backend.filled(t, 0.0) for t in z]
        if not plan.same:
            ends = self._values(inputs, wrt, {plan.doi_cut: ends})
        return [a - b for a, b in zip(activation, ends, strict=True)]

    def _values(
        self, inputs: ModelInputs, cut: Cut, at: dict[Cut, list[Tensor]] | None = None
    ) -> list[Tensor]:
        """The value at a cut, with those at others replaced."""
        model = self._model
        if isinstance(cut, InputCut) and not at:
            leaves = inputs.leaves
            return [leaves[i].value for i in inputs.at(cut, self._backend, model.parameters)]
        parts = cut.parts()
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

"""What a program is built from, is given and gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from trulens_core.backends import StepArguments, Tensor
from trulens_core.distributions.base import DoI
from trulens_core.distributions.points import Formula
from trulens_core.influence.statistics import Statistic, Table
from trulens_core.inputs.structure import Structure
from trulens_core.slices import Cut
from trulens_core.steps.contraction import Contraction
from trulens_core.steps.keys import StepKey


class Given(NamedTuple):
    """What a program is given.

    Attributes:
        step: the arguments of a step whose points are not made yet; all inputs are in it.
        values: at the distribution's cut, where they are known; else the program makes them.
        ends: where a path ends; empty: at zeros, or there is none.
        numbers: what points are made of, see `Formula`.
        parts: likewise where the parts of a path end that points stand for, where their gradients
            are multiplied with the steps that the value at the source cut takes over these parts.
        start: that value where the first part begins; empty: at the records.
    """

    step: StepArguments
    values: list[Tensor]
    ends: list[Tensor]
    numbers: list[Any]
    parts: Sequence[Any] = ()
    start: Sequence[Tensor] = ()


class Found(NamedTuple):
    """What a program gives.

    Attributes:
        total: [quantity][tensor], multiplied.
        error: of the total, alike, where the statistic gives it; else empty.
        sizes: Σ |g| of each tensor of gradients that holds anything; before they are multiplied.
        finite: of each record, whether its gradients are.
        quantities: n tensors (b,), where the one point is the value itself and they are wanted.
    """

    total: Table
    error: Table
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
        contraction: what gradients are summed over once points' own multipliers are applied.
        n_points: in all, where the statistic depends on it.
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
    contraction: Contraction | None = None
    n_points: int = 0

    @property
    def based(self) -> bool:
        """Whether each point has a baseline of its own."""
        return self.formula is not None and self.formula.baselines is not None

    @property
    def own(self) -> bool:
        """Whether each point's gradients are multiplied with what it has of its own."""
        return self.statistic.follows_path or (self.multiply and self.based)

    def key(self) -> Hashable:
        """The key by value."""
        code = None if self.formula is None else self.formula.code
        rest = self.doi_cut, self.same, code, self.path, self.multiply, self.statistic
        more = self.contraction, self.n_points
        return "program", *self.step.of_model(), *self.step.of_quantity(), *rest, *more

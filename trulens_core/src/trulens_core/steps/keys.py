"""What traced steps are kept by."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, Self

from trulens_core.backends import StepArguments, Tensor, Want
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import kind_of
from trulens_core.inputs.structure import Structure
from trulens_core.passes import CutModel
from trulens_core.passes.selection import Chosen, Shown, Whole
from trulens_core.quantities.base import QoI
from trulens_core.rules import RuleSet
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.contraction import Contraction
from trulens_core.steps.target import Given


@dataclasses.dataclass(frozen=True, eq=False)
class PassKey:
    """All that a step without gradients is built from: the values at `of` for inputs of a kind.

    What may differ between its calls is no part of it.
    """

    of: Cut
    replaced: Cut | None
    structure: Structure
    shapes: Hashable

    def settled(self, model: CutModel, inputs: ModelInputs) -> Self | None:
        """The key of a step that may be kept; None where it serves one call alone."""
        known: dict[str, Any] = self._known(model, inputs)
        return None if None in known.values() else dataclasses.replace(self, **known)

    def _known(self, model: CutModel, inputs: ModelInputs) -> dict[str, Cut | None]:
        """The cuts as a step may keep them."""
        cuts = {"of": self.of} | ({} if self.replaced is None else {"replaced": self.replaced})
        return {name: settled(cut, model, inputs) for name, cut in cuts.items()}

    def of_model(self) -> tuple[Hashable, ...]:
        """The key by value of all but the quantity."""
        return self.of, self.replaced, self.structure.key(), self.shapes

    def given(
        self, model: CutModel, a: StepArguments, points: Sequence[Tensor] | None = None
    ) -> Given:
        """The inputs and interventions of a step's arguments, at their points or at others."""
        points = list(a.points if points is None else points)
        if self.replaced is None:
            return Given(ModelInputs.joined(self.structure, points, a.batched, a.shared), {})
        inputs = ModelInputs.joined(self.structure, [], a.batched, a.shared)
        return Given(inputs, model.spread({self.replaced: points}))


@dataclasses.dataclass(frozen=True, eq=False)
class StepKey(PassKey):
    """The same of a step with gradients at `wrt`, of a quantity at `of`."""

    wrt: Cut
    want: frozenset[Want]
    qoi: QoI
    contracted: tuple[int, ...] | None = None
    rules: RuleSet | None = None
    compared: bool = False

    def pair(self, model: CutModel, a: StepArguments) -> tuple[Given, Given | None]:
        """What the model is given at the points, and at the baselines that they are compared with.

        The latter, where there are any, are the second half of a step's points.
        """
        if not self.compared:
            return self.given(model, a), None
        n = len(a.points) // 2
        return self.given(model, a, a.points[:n]), self.given(model, a, a.points[n:])

    def contraction(self, a: StepArguments) -> Contraction | None:
        """What gradients are summed over."""
        return None if self.contracted is None else Contraction(self.contracted, a.multipliers)

    @property
    def whole(self) -> Whole | None:
        """What shows the whole value at the target cut, if an accessor is still to be run on it."""
        return whole_of(self.of)

    def _known(self, model: CutModel, inputs: ModelInputs) -> dict[str, Cut | None]:
        known = {"wrt": settled(self.wrt, model, inputs), **super()._known(model, inputs)}
        if known["of"] is None and model.backend.splits:
            known["of"] = whole(self.of, model, inputs)
        return known

    def of_model(self) -> tuple[Hashable, ...]:
        rules = None if self.rules is None else self.rules.key()
        return self.wrt, self.want, rules, self.compared, *super().of_model()

    def settled(self, model: CutModel, inputs: ModelInputs) -> StepKey | None:
        """None, too, where rules of the caller's are part of it."""
        custom = self.rules is not None and self.rules.key() is None
        return None if custom else super().settled(model, inputs)

    def of_quantity(self) -> tuple[Hashable, ...]:
        """The key by value of the quantity, and of what is done with its gradients."""
        return self.qoi.key(), tuple(d.per_record for d in self.qoi.data()), self.contracted

    def snapshot(self) -> StepKey:
        """The key with a quantity that the caller can no longer change."""
        return dataclasses.replace(self, qoi=self.qoi.snapshot())


def shapes_key(points: Sequence[Tensor], inputs: Sequence[Tensor]) -> Hashable:
    """The shapes of one row of a step's arguments: what is known of a target depends on them."""
    return tuple(tuple(t.shape[2:]) for t in points), tuple(tuple(t.shape[1:]) for t in inputs)


def settled(cut: Cut, model: CutModel, inputs: ModelInputs) -> Cut | None:
    """The cut as a step may keep it; None where a step with it serves one call alone.

    An accessor is the caller's: it is asked at every call, and what it reads elsewhere may differ.
    What is kept is which tensors it selects, where it is known what it selects from.
    """
    if isinstance(cut.name, tuple) and any(isinstance(n, Cut) for n in cut.name):
        each = [settled(member, model, inputs) for member in cut.members()]
        if None in each:
            return None
        known = Cut(each)
        if (sizes := model.sizes.found(cut)) is not None:
            model.sizes.put(known, sizes)  # it holds the same tensors
        return known
    if cut.accessor is None:
        return cut
    backend = model.backend
    if isinstance(cut, InputCut):
        at = tuple(inputs.at(cut, backend, model.parameters))
        return dataclasses.replace(cut, accessor=Chosen(at, backend, of_inputs=True))
    shown = _shown(cut, model, inputs)
    found = None if shown is None else shown.selected(cut, backend)
    return None if found is None else dataclasses.replace(cut, accessor=Chosen(found, backend))


def whole(cut: Cut, model: CutModel, inputs: ModelInputs) -> Cut | None:
    """The cut with all tensors of its value, on which an accessor that computes is run later.

    None where the value is known to hold more than tensors, or is of several layers.
    """
    shown = _shown(cut, model, inputs)
    if len(cut.parts()) > 1 or (shown is not None and not shown.of_tensors):
        return None
    return cut.accessed(Whole(model.backend))


def whole_of(cut: Cut) -> Whole | None:
    """What shows the whole value at a cut that `whole` gave, else None."""
    return cut.accessor if isinstance(cut.accessor, Whole) else None


def _shown(cut: Cut, model: CutModel, inputs: ModelInputs) -> Shown | None:
    """What is known of the value at a cut of one layer."""
    found: Shown | None = None
    if len(cut.parts()) == 1:
        found = model.shown(cut, kind_of(inputs))
    return found

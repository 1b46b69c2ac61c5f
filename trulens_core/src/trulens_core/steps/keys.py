"""What traced steps are kept by."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Self

from trulens_core.backends import StepArguments, Tensor, Want
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import kind_of
from trulens_core.inputs.structure import Structure
from trulens_core.passes import CutModel
from trulens_core.passes.selection import Chosen, Shown
from trulens_core.quantities.base import QoI
from trulens_core.slices import Cut, InputCut


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
        known: dict[str, Any] = {}
        for name, cut in self._cuts().items():
            known[name] = settled(cut, model, inputs)
        return None if None in known.values() else dataclasses.replace(self, **known)

    def _cuts(self) -> dict[str, Cut]:
        return {"of": self.of} | ({} if self.replaced is None else {"replaced": self.replaced})

    def of_model(self) -> tuple[Hashable, ...]:
        """The key by value of all but the quantity."""
        return self.of, self.replaced, self.structure.key(), self.shapes

    def given(
        self, model: CutModel, a: StepArguments
    ) -> tuple[ModelInputs, Mapping[Cut, list[Tensor]]]:
        """The inputs and interventions of a step's arguments."""
        if self.replaced is None:
            return ModelInputs.joined(self.structure, a.points, a.batched, a.shared), {}
        inputs = ModelInputs.joined(self.structure, [], a.batched, a.shared)
        return inputs, model.spread({self.replaced: a.points})


@dataclasses.dataclass(frozen=True, eq=False)
class StepKey(PassKey):
    """The same of a step with gradients at `wrt`, of a quantity at `of`."""

    wrt: Cut
    want: frozenset[Want]
    qoi: QoI

    def _cuts(self) -> dict[str, Cut]:
        return {"wrt": self.wrt, **super()._cuts()}

    def of_model(self) -> tuple[Hashable, ...]:
        return self.wrt, self.want, *super().of_model()

    def of_quantity(self) -> tuple[Hashable, ...]:
        """The key by value of the quantity."""
        return self.qoi.key(), tuple(d.per_record for d in self.qoi.data())

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
    if cut.accessor is None:
        return cut
    backend = model.backend
    if isinstance(cut, InputCut):
        at = tuple(inputs.at(cut, backend, model.parameters))
        return dataclasses.replace(cut, accessor=Chosen(at, backend, of_inputs=True))
    shown: Shown | None = None
    if len(cut.parts()) == 1:
        shown = model.shown(cut, kind_of(inputs))
    found = None if shown is None else shown.selected(cut, backend)
    return None if found is None else dataclasses.replace(cut, accessor=Chosen(found, backend))

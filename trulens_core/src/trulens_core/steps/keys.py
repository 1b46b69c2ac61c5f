"""What traced steps are kept by."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence

from trulens_core import value_keys
from trulens_core.backends import StepArguments, Tensor, Want
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import Structure
from trulens_core.passes import CutModel
from trulens_core.quantities.base import QoI
from trulens_core.slices import Cut


@dataclasses.dataclass(frozen=True, eq=False)
class StepKey:
    """All that a step is built from; what may differ between its calls is no part of it."""

    wrt: Cut
    of: Cut
    replaced: Cut | None
    structure: Structure
    want: frozenset[Want]
    qoi: QoI
    shapes: Hashable = ()

    def hashed(self) -> Hashable:
        """The key by value, for the cache of traced steps."""
        per_record = tuple(d.per_record for d in self.qoi.data())
        return *self.of_model(), self.qoi.key(), per_record

    def of_model(self) -> tuple[Hashable, ...]:
        """The key by value of all but the quantity."""
        cuts = tuple(cut_key(c) for c in (self.wrt, self.of, self.replaced))
        return cuts, self.structure.key(), self.want, self.shapes

    def snapshot(self) -> StepKey:
        """The key with a quantity that the caller can no longer change."""
        return dataclasses.replace(self, qoi=self.qoi.snapshot())

    def given(
        self, model: CutModel, a: StepArguments
    ) -> tuple[ModelInputs, Mapping[Cut, list[Tensor]]]:
        """The inputs and interventions of a step's arguments."""
        if self.replaced is None:
            return ModelInputs.joined(self.structure, a.points, a.batched, a.shared), {}
        inputs = ModelInputs.joined(self.structure, [], a.batched, a.shared)
        return inputs, model.spread({self.replaced: a.points})


def shapes_key(points: Sequence[Tensor], inputs: Sequence[Tensor]) -> Hashable:
    """The shapes of one row of a step's arguments: what is known of a target depends on them."""
    return tuple(tuple(t.shape[2:]) for t in points), tuple(tuple(t.shape[1:]) for t in inputs)


def cut_key(cut: Cut | None) -> Hashable:
    """The key by value of a cut."""
    if cut is None or cut.accessor is None:
        return cut
    plain = dataclasses.replace(cut, accessor=None)
    return plain, value_keys.by_value(cut.accessor)

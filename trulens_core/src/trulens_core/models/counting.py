"""What a cut leaves open, found by running the model: rows of a record, calls of a layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable

from trulens_core.calls import CallOf
from trulens_core.errors import CalledSeveralTimesError, CutError
from trulens_core.inputs import ModelInputs
from trulens_core.passes import CutModel
from trulens_core.slices import Cut
from trulens_core.steps.keys import shapes_key
from trulens_core.steps.values import activations


def counted(cut: Cut, model: CutModel, inputs: ModelInputs) -> Cut:
    """The cut with numbers in place of `rows_per_record="auto"` and `call="all"`.

    Rows are what the layer has for one record, if it has twice as many for two; calls are those
    for the first record.

    Raises:
        CutError: where it has another number of rows for two records, and where some tensors have
            other numbers.
    """
    if not cut.uncounted:
        return cut
    if isinstance(cut.name, tuple):
        return Cut([counted(member, model, inputs) for member in cut.members()])
    if cut.call == "all":
        cut = dataclasses.replace(cut, call=CallOf.each(_calls(cut, model, inputs)))
    return _with_rows(cut, model, inputs) if cut.rows_per_record == "auto" else cut


def _with_rows(cut: Cut, model: CutModel, inputs: ModelInputs) -> Cut:
    bare = dataclasses.replace(cut, rows_per_record=None)
    of_one, of_two = (_rows(bare, model, inputs, n) for n in (1, 2))
    if len(set(of_one)) > 1 or of_two != [2 * n for n in of_one] or not of_one[0]:
        raise CutError(
            f"{cut}: the layer has {_and(of_one)} rows for one record and {_and(of_two)} for two, "
            "so that no number of rows belongs to each"
        )
    return dataclasses.replace(cut, rows_per_record=of_one[0])


def _rows(cut: Cut, model: CutModel, inputs: ModelInputs, n: int) -> list[int]:
    first = inputs.select([i % inputs.n_records for i in range(n)], model.backend)
    with model.opened(first, cut):
        found = activations(model, first, [cut])[cut]
    return [int(t.shape[0]) if len(t.shape) else 0 for t in found]


def _calls(cut: Cut, model: CutModel, inputs: ModelInputs) -> int:
    """How often a layer is called; where models are traced, looked at once for such inputs."""
    rows = model.declared_rows()
    first = inputs if rows else inputs.select([0], model.backend)
    one = dataclasses.replace(cut, call=None, accessor=None, rows_per_record=None)

    def count() -> int:
        with model.opened(first, one):
            try:
                activations(model, first, [dataclasses.replace(one, accessor=_anything)])
            except CalledSeveralTimesError as error:
                return error.calls
        return 1

    if not model.backend.traces:
        return count()
    structure, batched, shared = first.split()
    shapes = shapes_key([], [*batched, *shared])
    key: Hashable = "calls", model.place(one), structure.key(), shapes
    return int(model.known(key, count))


def _anything(value: object) -> object:
    """The value as it is: it is its calls that count."""
    return value


def _and(numbers: list[int]) -> str:
    return " and ".join(map(str, numbers))

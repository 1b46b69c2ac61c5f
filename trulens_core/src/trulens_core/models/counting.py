"""How many rows of a layer's value belong to a record, found by running the model."""

from __future__ import annotations

import dataclasses

from trulens_core.errors import CutError
from trulens_core.inputs import ModelInputs
from trulens_core.passes import CutModel
from trulens_core.slices import Cut
from trulens_core.steps.values import activations


def counted(cut: Cut, model: CutModel, inputs: ModelInputs) -> Cut:
    """The cut with the number of rows in place of `rows_per_record="auto"`.

    It is what the layer has for one record, if it has twice as many for two.

    Raises:
        CutError: where it has another number for two, and where some tensors have other numbers.
    """
    if cut.rows_per_record != "auto":
        return cut
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


def _and(numbers: list[int]) -> str:
    return " and ".join(map(str, numbers))

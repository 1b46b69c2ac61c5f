"""A result as columns, arrays of numbers with a row per record, and back again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from trulens_core.results import AttributionResult
from trulens_core.results.arrays import Array, host
from trulens_core.results.fields import ResultFields
from trulens_core.results.plain import OwnCodeError, made, plain
from trulens_core.results.records import axis_of
from trulens_core.results.writing import without_classes

FIELDS = (
    *("attributions", "quantity", "baseline_quantity", "residual", "n_points", "converged"),
    *("standard_error", "n_evaluations", "target"),
)
"""The fields of a result that a run keeps."""
_AT_SOURCE = ("attributions", "standard_error")


@dataclasses.dataclass(frozen=True)
class Column:
    """What an array of the run is.

    Attributes:
        name: of the array.
        dtype: of its numbers, NumPy's name, "str" for strings.
        shape: of a record.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def fill(self) -> Any:
        """What stands where a record could not be explained."""
        kinds = {"f": float("nan"), "i": -1, "b": False}
        return "" if self.dtype == "str" else kinds.get(np.dtype(self.dtype).kind, 0)

    @property
    def nbytes(self) -> int:
        """How much a record has of it."""
        return (
            8 if self.dtype == "str" else int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize
        )

    def empty(self, n: int) -> Array:
        """N records of which nothing is known."""
        dtype: Any = object if self.dtype == "str" else self.dtype
        return np.full((n, *self.shape), self.fill, dtype)

    @staticmethod
    def of(name: str, x: Array) -> Column:
        """The column that has these rows."""
        dtype = "str" if x.dtype.hasobject else x.dtype.name
        return Column(name, dtype, tuple(map(int, x.shape[1:])))


def taken_apart(result: ResultFields) -> tuple[dict[str, Any], dict[str, Array]]:
    """For each field its structure as plain data, and all arrays by name, records first."""
    structures: dict[str, Any] = {}
    columns: dict[str, Array] = {}
    for field in FIELDS:
        value = getattr(result, field)
        if value is None:
            continue
        held: list[Any] = []
        structures[field] = plain(_without_tables(without_classes(value)), held)
        axis = axis_of(result, field) if field in _AT_SOURCE else 0
        for i, x in enumerate(held):
            name = field if len(held) == 1 else f"{field}.{i}"
            columns[name] = _storable(np.moveaxis(host(x), axis, 0) if axis else host(x))
    return structures, columns


def put_together(
    structures: Mapping[str, Any], columns: Mapping[str, Array], others: Mapping[str, Any]
) -> AttributionResult:
    """The result of these columns; `others` are the fields that are no columns."""
    bare = ResultFields(attributions=None, method=others.get("method"))
    found: dict[str, Any] = {}
    for field, data in structures.items():
        several = [n for n in columns if n.startswith(f"{field}.")]
        names = [field] if field in columns else sorted(several, key=_number)
        if not names:
            continue
        arrays = [columns[n] for n in names]
        if field in _AT_SOURCE:
            arrays = [np.moveaxis(x, 0, _axis(bare, field, x)) for x in arrays]
        found[field] = made(data, arrays)
    return AttributionResult(**found, **others)


def _without_tables(value: Any) -> Any:
    """Lists and dicts with the numbers of a DataFrame in its place."""
    if isinstance(value, dict):
        return {k: _without_tables(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_tables(v) for v in value]
    return value.to_numpy() if hasattr(value, "columns") else value


def _axis(bare: ResultFields, field: str, x: Array) -> int:
    return min(axis_of(bare, field), x.ndim - 1)


def _number(name: str) -> int:
    return int(name.rpartition(".")[2])


def _storable(x: Array) -> Array:
    """In a type that Zarr has: bfloat16 and the like have all their numbers in float32."""
    return x.astype("float32") if x.dtype.kind == "V" else x


def field_of(data: Any, arrays: list[Array]) -> Any:
    """A value that was made plain; None where it is code of the caller's own."""
    try:
        return made(data, arrays)
    except OwnCodeError:
        return None

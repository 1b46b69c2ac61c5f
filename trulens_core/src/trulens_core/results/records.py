"""Some of a result's records."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from trulens_core import trees
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED
from trulens_core.results.arrays import AT_SOURCE, RECORDS_AT, Array, leaves, mapped, taken
from trulens_core.results.fields import ResultFields


def axis_of(result: ResultFields, field: str) -> int:
    """The axis of the records in a field's arrays: a time-major layer has them on another."""
    if field not in AT_SOURCE and field != "interventions":
        return RECORDS_AT[field]
    question = (result.method or {}).get("question", {})
    cut = question.get("source" if field in AT_SOURCE else "doi_cut", {})
    return RECORDS_AT[field] + int(cut.get("state", {}).get("batch_axis", 0))


def count(result: ResultFields) -> int:
    """How many records there are."""
    held = leaves(result.attributions)
    if rows_of(result) is not None and result.quantity is not None:
        return int(result.quantity.shape[0])
    return int(held[0].shape[axis_of(result, "attributions")]) if held else 0


def rows_of(result: ResultFields) -> Array | None:
    """Whose each row is, where records own a number of them."""
    names: Mapping[str, Any] = result.names or {}
    return np.asarray(names["rows"]) if "rows" in names else None


def named(result: ResultFields, place: int) -> tuple[str, int | None]:
    """What a place among the attributions is called, and the record whose numbers it shares.

    A row of a record that owns several is named as such; whose it is, is not told of rows of
    several kinds.
    """
    rows = rows_of(result)
    if rows is None:
        return f"record {place}", place
    if {int(x.shape[0]) for x in leaves(result.attributions)} != {len(rows)}:
        return f"row {place}", None
    record = int(rows[place])
    return f"row {place} of record {record}", record


def chosen(result: ResultFields, index: Any) -> dict[str, Any]:
    """The fields of the result that the records at an index have, those that differ."""
    n = count(result)
    places = _places(index, n)
    found: dict[str, Any] = {}
    rows = rows_of(result)
    owned = None if rows is None else _owned(result, rows, places)
    for name in RECORDS_AT:
        value, axis = getattr(result, name), axis_of(result, name)
        at = places if owned is None or name not in (*AT_SOURCE, "interventions") else owned
        if value is not None:
            found[name] = _at(value, at, axis)
    if rows is not None and owned is not None:  # what joins the rows of all is none of a few
        new = np.repeat(np.arange(len(places)), [int((rows == p).sum()) for p in places])
        return {**found, "inputs": None, "names": {**(result.names or {}), "rows": new.tolist()}}
    if isinstance(result.inputs, ModelInputs):
        found["inputs"] = result.inputs.map_tensors(
            lambda leaf: taken(leaf.value, places, 0) if leaf.role == BATCHED else leaf.value
        )
    if isinstance(result.segments, tuple | list) and len(result.segments) == n:
        found["segments"] = type(result.segments)(result.segments[i] for i in places)
    names: Mapping[str, Any] = result.names or {}
    if names.get("tokens") is not None:
        found["names"] = {**names, "tokens": [names["tokens"][i] for i in places]}
    return found


def _at(value: Any, index: Array, axis: int) -> Any:
    """Places of every array; a DataFrame's rows keep their names, by which pandas finds them."""
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_at(v, index, axis) for v in value)
    if axis == 0 and trees.numbers_of_table(value) is not None:
        return value.iloc[index]
    return mapped(value, functools.partial(taken, index=index, axis=axis))


def _owned(result: ResultFields, rows: Array, places: Array) -> Array:
    """The rows of some records, in the records' order."""
    lengths = {int(x.shape[0]) for x in leaves(result.attributions)}
    if lengths != {len(rows)}:
        raise TypeError(
            f"the records of this result own rows of several kinds, {sorted(lengths)}; choose "
            "among its attributions themselves"
        )
    return np.concatenate([np.flatnonzero(rows == p) for p in places] or [places])


def _places(index: Any, n: int) -> Array:
    if isinstance(index, slice):
        return np.arange(n)[index]
    given = np.asarray(index)
    if given.dtype == bool and given.shape == (n,):
        return np.flatnonzero(given)
    if given.dtype.kind not in "iu" or given.ndim > 1:
        raise TypeError(
            f"records are chosen by an int, a slice, or a list of ints, found {index!r}"
        )
    places = given.reshape(-1)
    outside = (places < -n) | (places >= n)
    if outside.any():
        raise IndexError(f"record {places[outside][0]} of a result that has {n}")
    return places % n if n else places

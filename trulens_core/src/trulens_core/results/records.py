"""Some of a result's records."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

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
    return int(held[0].shape[axis_of(result, "attributions")]) if held else 0


def chosen(result: ResultFields, index: Any) -> dict[str, Any]:
    """The fields of the result that the records at an index have, those that differ."""
    n = count(result)
    places = _places(index, n)
    found: dict[str, Any] = {}
    for name in RECORDS_AT:
        value, axis = getattr(result, name), axis_of(result, name)
        if value is not None:
            found[name] = mapped(value, functools.partial(taken, index=places, axis=axis))
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

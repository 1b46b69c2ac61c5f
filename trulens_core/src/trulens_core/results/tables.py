"""A result as numbers by name: the strongest, sums over places, tables of other libraries."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trulens_core.inputs import ModelInputs
from trulens_core.optional import require
from trulens_core.results.arrays import Array, host, is_array
from trulens_core.results.fields import ResultFields
from trulens_core.results.parts import Part, parts
from trulens_core.results.records import named, rows_of
from trulens_core.slices import INPUT


class Strongest(NamedTuple):
    """One attribution: what it is of, how large it is, where in the record, and in which part."""

    name: str
    value: float
    place: tuple[int, ...]
    part: str = ""


def top(result: ResultFields, k: int) -> list[list[Strongest]]:
    """For each record the k attributions that are largest in size, the largest first."""
    if k < 1:
        raise ValueError(f"k is {k}; it must be at least 1")
    records: list[list[Strongest]] = []
    for part in parts(result):
        size, shape = int(np.prod(part.values.shape[1:])), part.values.shape[1:]
        for record, row in enumerate(part.values.reshape(len(part.values), size)):
            if record == len(records):
                records.append([])
            order = np.argsort(-np.abs(np.nan_to_num(row)), kind="stable")[:k]
            for i in order:
                place = tuple(int(p) for p in np.unravel_index(i, shape))
                name = place_name(result, record, place, len(shape))
                records[record].append(Strongest(name, float(row[i]), place, part.name))
    return [sorted(r, key=lambda s: -abs(np.nan_to_num(s.value)))[:k] for r in records]


def place_name(result: ResultFields, record: int, place: tuple[int, ...], rank: int) -> str:
    """What a place in a record is called: a feature's or a token's name, else its numbers."""
    names: Mapping[str, Any] = result.names or {}
    tokens, features = names.get("tokens"), names.get("features")
    if tokens is not None and place and place[0] < len(tokens[record]):
        return " ".join([str(tokens[record][place[0]]), *map(str, place[1:])])
    if features is not None and rank and place[-1] < len(features):
        return " ".join([*map(str, place[:-1]), str(features[place[-1]])])
    return ", ".join(map(str, place))


def by_channel(values: Array, axis: int) -> Array:
    """(records, channels): attributions added up over places."""
    axis %= values.ndim
    if not axis:
        raise ValueError("channel_axis=0 is the axis of the records")
    others = tuple(a for a in range(1, values.ndim) if a != axis)
    return np.asarray(values.sum(axis=others))


def channel_axis(result: ResultFields, given: int | None, rank: int) -> int:
    """The axis of the channels: as given, or as the model has it at the source cut."""
    if given is not None:
        return given
    if rank <= 3:
        return -1
    known = (result.method or {}).get("channel_axis")
    if known is None:
        raise ValueError("it cannot be told which axis holds the channels; give channel_axis=")
    return int(known)


def to_frame(result: ResultFields) -> Any:
    """A pandas DataFrame, see `AttributionResult.to_frame`."""
    pandas = require("pandas", "table")
    found = parts(result)
    if all(p.values.ndim <= 2 for p in found):
        frames = [pandas.DataFrame(_flat(p.values), columns=_columns(result, p)) for p in found]
        whole = pandas.concat(frames, axis=1)
        whole.index = _index(pandas, result, len(whole))
        return whole
    return pandas.concat([_long(pandas, result, p) for p in found], ignore_index=True)


def _index(pandas: Any, result: ResultFields, n: int) -> Any:
    """The records; where these own rows, each row's record and its own number."""
    if rows_of(result) is None:
        return pandas.RangeIndex(n, name="record")
    owners = [named(result, i)[1] for i in range(n)]
    return pandas.MultiIndex.from_arrays([owners, range(n)], names=["record", "row"])


def _flat(values: Array) -> Array:
    return values.reshape(len(values), -1)


def _columns(result: ResultFields, part: Part) -> list[str]:
    features = (result.names or {}).get("features")
    n = _flat(part.values).shape[1]
    own = [str(f) for f in features] if features is not None and len(features) == n else None
    named = own or [str(i) for i in range(n)]
    return [f"{part.name} {name}" for name in named] if part.name else named


def _long(pandas: Any, result: ResultFields, part: Part) -> Any:
    """A row per number: its record, its part, its place on each axis, its name and its value."""
    places = np.indices(part.values.shape).reshape(part.values.ndim, -1)
    columns: dict[str, Any] = {"record": places[0]}
    if rows_of(result) is not None:
        columns = {"record": [named(result, i)[1] for i in places[0]], "row": places[0]}
    if part.name:
        columns["part"] = [part.name] * places.shape[1]
    columns |= {f"axis {i}": row for i, row in enumerate(places[1:], 1)}
    tokens = (result.names or {}).get("tokens")
    if tokens is not None:
        columns["token"] = [tokens[r][i] for r, i in zip(places[0], places[1], strict=True)]
    return pandas.DataFrame({**columns, "attribution": part.values.reshape(-1)})


def explained(result: ResultFields) -> list[Array | None]:
    """For each part of the attributions the values that they are of, where these are known."""
    of_each = parts(result)
    n = len(of_each)
    if result.activation is not None:
        given = [p.values for p in parts(result, "activation")]
    else:
        given = _inputs(result)
    if given and n % len(given) == 0:  # the same for each quantity
        given = given * (n // len(given))
    fits = len(given) == n
    return [
        g if fits and g.shape == p.values.shape else None
        for g, p in zip(given if fits else [np.empty(0)] * n, of_each, strict=True)
    ]


def _inputs(result: ResultFields) -> list[Array]:
    question = (result.method or {}).get("question", {})
    name = question.get("source", {}).get("state", {}).get("name", INPUT)
    if not isinstance(result.inputs, ModelInputs) or name != INPUT:
        return []
    found = [host(x.value) for x in result.inputs.leaves if is_array(x.value)]
    return [x for x in found if x.dtype.kind == "f"]


def to_shap(result: ResultFields, data: Any, feature_names: Sequence[str] | None) -> Any:
    """A shap.Explanation, see `AttributionResult.to_shap`."""
    try:
        shap = importlib.import_module("shap")
    except ModuleNotFoundError as error:
        raise ImportError("shap is needed here and not installed: pip install shap") from error
    found = parts(result)
    if len(found) > 1:
        raise ValueError(
            f"a shap.Explanation has one array, and there are {len(found)} here; choose one: "
            "dataclasses.replace(result, attributions=result.attributions[0])"
        )
    names = (result.names or {}).get("features") if feature_names is None else feature_names
    known = explained(result)[0]
    base = result.baseline_quantity
    return shap.Explanation(
        values=found[0].values,
        base_values=None if base is None else host(base),
        data=known if data is None else host(data),
        feature_names=None if names is None else list(names),
    )

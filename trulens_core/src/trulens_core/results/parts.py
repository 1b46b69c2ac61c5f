"""The arrays that attributions are made of, with their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trulens_core.results.arrays import Array, host, is_array
from trulens_core.results.fields import ResultFields
from trulens_core.results.records import axis_of


class Part(NamedTuple):
    """One array of attributions, records first, and its name among several; empty for the only."""

    name: str
    values: Array


def parts(result: ResultFields, field: str = "attributions") -> list[Part]:
    """The arrays of a field: one, or one per quantity, tensor or argument, records first.

    Example:
        >>> from trulens_core import AttributionResult
        >>> [p.name for p in parts(AttributionResult({"a": np.ones((1, 2)), "b": np.ones((1, 3))}))]
        ['a', 'b']
    """
    axis = axis_of(result, field)
    named = list(_named((), getattr(result, field), _levels(result)))
    found = [Part(" ".join(map(str, path)), np.moveaxis(host(x), axis, 0)) for path, x in named]
    return [Part("", found[0].values)] if len(found) == 1 else found


def _levels(result: ResultFields) -> list[Sequence[Any]]:
    """The names of what lists hold, from the outside in: quantities, then tensors."""
    names: Mapping[str, Any] = result.names or {}
    quantity = result.quantity
    several = quantity is not None and len(getattr(quantity, "shape", ())) == 2
    quantities = names.get("quantities") or (names.get("classes") if several else None) or ()
    levels = [quantities] if several or names.get("quantities") else []
    return [*levels, names.get("inputs") or ()]


def _named(
    path: tuple[Any, ...], value: Any, levels: list[Sequence[Any]]
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _named((*path, key), inner, levels)
    elif isinstance(value, list | tuple) and any(is_array(x) or _nested(x) for x in value):
        own = levels[0] if levels else ()
        labels = own if len(own) == len(value) else range(len(value))
        for label, inner in zip(labels, value, strict=True):
            yield from _named((*path, label), inner, levels[1:])
    else:
        yield path, value


def _nested(value: Any) -> bool:
    return isinstance(value, list | tuple | Mapping)

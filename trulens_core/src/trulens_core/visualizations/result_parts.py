"""What an explanation's attributions are: which parts, of which kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args

from trulens_core.visualizations.images import Array, as_array

PictureKind = Literal[
    "text",
    "image",
    "series",
    "table",
    "channels",
    "waterfall",
    "beeswarm",
    "global",
    "dependence",
]
"""The last five only where they are asked for."""
BY_RANK: dict[int, PictureKind] = {1: "table", 2: "table", 3: "series", 4: "image"}


class Part(NamedTuple):
    """One array of attributions, records first, and its name among several; empty for the only."""

    name: str
    values: Array


def parts_of(attributions: Any) -> list[Part]:
    """The arrays of a result: one, or one per quantity, tensor or argument.

    Example:
        >>> [part.name for part in parts_of({"a": [[1.0]], "b": [[2.0]]})]
        ['a', 'b']
    """
    found = [Part(name, as_array(x, "the attributions")) for name, x in _named("", attributions)]
    return [Part("", found[0].values)] if len(found) == 1 else found


def kind_of(values: Array, kind: str | None) -> PictureKind:
    """The kind asked for, or the one that fits: of rank 2 a table, 3 a series, 4 images."""
    if kind is not None:
        for known in get_args(PictureKind):
            if kind == known:
                return kind  # type: ignore[return-value]  # it is one of them
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(get_args(PictureKind))}")
    if values.ndim not in BY_RANK:
        raise ValueError(
            f"there is no picture of attributions of shape {values.shape}; bring them to (records, "
            "features), (records, steps, channels) or images"
        )
    return BY_RANK[values.ndim]


def summed(values: Array) -> Array:
    """(records, positions): everything beyond the second axis added up."""
    return values.reshape(*values.shape[:2], -1).sum(axis=-1) if values.ndim > 2 else values


def _named(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _named(f"{name} {key}".strip(), inner)
    elif isinstance(value, list | tuple) and any(_is_array(x) for x in value):
        for i, inner in enumerate(value):
            yield from _named(f"{name} {i}".strip(), inner)
    else:
        yield name, value


def _is_array(value: Any) -> bool:
    nested = isinstance(value, list | tuple | Mapping) and any(
        _is_array(x) for x in (value.values() if isinstance(value, Mapping) else value)
    )
    return nested or len(getattr(value, "shape", ())) > 0

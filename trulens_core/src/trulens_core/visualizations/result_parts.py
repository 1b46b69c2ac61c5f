"""What kind of picture fits attributions."""

from __future__ import annotations

from typing import Literal, get_args

from trulens_core.visualizations.images import Array

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

"""Segments of values of several tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.segments.regions import Regions
from trulens_core.segments.segments import Segments

Each = Segments | None


def resolved(
    segments: Each | Sequence[Each],
    z: Sequence[Any],
    *,
    channel_axis: int | None = None,
    first: int = 0,
    total: int | None = None,
) -> tuple[tuple[Regions, ...], ...]:
    """The regions of each record in each tensor of a value; numbers go on from tensor to tensor.

    Args:
        segments: one recipe, or a list with one per tensor; None is every element by itself.
        z: the value, a list of tensors, (records, …).
        channel_axis: as in `Segments.resolved`, as are `first` and `total`.
        first: the place of the first record in the call.
        total: how many records the call has.

    Returns:
        Of each record, one `Regions` per tensor, each of which knows the record's `n`. Where two
        records have the same, the same object.

    Raises:
        ValueError: for another number of recipes than tensors, or one that does not fit.

    Example:
        >>> image, table = np.zeros((1, 1, 2, 2)), np.zeros((1, 3))
        >>> ((pixels, columns),) = resolved([Segments.grid(2), None], [image, table])
        >>> pixels.labels.tolist(), columns.labels.tolist(), columns.n
        ([[[0, 0], [0, 0]]], [1, 2, 3], 4)
    """
    each = list(segments) if isinstance(segments, Sequence) else [segments]
    if segments is None:
        each = [None] * len(z)
    if len(each) != len(z):
        raise ValueError(
            f"There are {len(z)} tensors at the cut and segments for {len(each)}; give a list with "
            "one for each, where None is every element by itself"
        )
    options = {"channel_axis": channel_axis, "first": first, "total": total}
    found = [
        _elements(t) if own is None else own.resolved(t, **options)  # type: ignore[arg-type]  # by name
        for own, t in zip(each, z, strict=True)
    ]
    made: dict[tuple[int, ...], tuple[Regions, ...]] = {}
    return tuple(
        made[key] if (key := tuple(map(id, own))) in made else made.setdefault(key, _joined(own))
        for own in zip(*found, strict=True)
    )


def _elements(tensor: Any) -> tuple[Regions, ...]:
    """Every element by itself."""
    records, *shape = (int(n) for n in tensor.shape)
    labels = np.arange(int(np.prod(shape))).reshape(shape)
    return (Regions.of_labels(labels, tuple(shape)),) * records


def _joined(parts: tuple[Regions, ...]) -> tuple[Regions, ...]:
    """One record's regions of several tensors, numbered on; what has no name has its number."""
    firsts = [sum(p.n for p in parts[:i]) for i in range(len(parts) + 1)]
    names = None
    if any(p.names for p in parts):
        spans = zip(parts, firsts, strict=False)
        names = tuple(name for p, a in spans for name in p.names or map(str, range(a, a + p.n)))
    return tuple(p.placed(a, firsts[-1], names) for p, a in zip(parts, firsts, strict=False))

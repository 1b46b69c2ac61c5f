"""Segments of values of several tensors."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.segments.regions import Regions
from trulens_core.segments.segments import Segments

Each = Segments | None
_ELEMENTS = 2**16
"""Up to so many elements of a record, what they are by themselves is kept for the next call."""


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
    if all(len(set(map(id, own))) == 1 for own in found):  # as those of most recipes are
        return (_joined(tuple(own[0] for own in found)),) * len(found[0])
    made: dict[tuple[int, ...], tuple[Regions, ...]] = {}
    return tuple(
        made[key] if (key := tuple(map(id, own))) in made else made.setdefault(key, _joined(own))
        for own in zip(*found, strict=True)
    )


def _elements(tensor: Any) -> tuple[Regions, ...]:
    """Every element by itself."""
    records, *shape = (int(n) for n in tensor.shape)
    made = _kept if math.prod(shape) <= _ELEMENTS else _alone
    return (made(tuple(shape)),) * records


def _alone(shape: tuple[int, ...]) -> Regions:
    return Regions.of_labels(np.arange(math.prod(shape)).reshape(shape), shape)


_kept = functools.lru_cache(maxsize=8)(_alone)


def _joined(parts: tuple[Regions, ...]) -> tuple[Regions, ...]:
    """One record's regions of several tensors, numbered on; what has no name has its number."""
    firsts = [sum(p.n for p in parts[:i]) for i in range(len(parts) + 1)]
    names = None
    if any(p.names for p in parts):
        spans = zip(parts, firsts, strict=False)
        names = tuple(name for p, a in spans for name in p.names or map(str, range(a, a + p.n)))
    return tuple(p.placed(a, firsts[-1], names) for p, a in zip(parts, firsts, strict=False))


def without(
    regions: tuple[Regions, ...], still: Sequence[np.ndarray[Any, Any]]
) -> tuple[Regions, ...]:
    """One record's regions less the segments all of whose elements are True in `still`.

    Args:
        regions: one per tensor of the value, numbered on from tensor to tensor.
        still: booleans of the shape of the record's value, one per tensor.

    Returns:
        The same object where no segment is left out; else the others, numbered anew.

    Example:
        >>> ((own,),) = resolved(None, [np.zeros((1, 3))])
        >>> ((found,),) = [without((own,), [np.array([False, True, False])])]
        >>> found.labels.tolist()
        [0, -1, 1]
    """
    kept = [_moving(own, s) for own, s in zip(regions, still, strict=True)]
    if all(k.all() for k in kept):
        return regions
    parts = [_chosen(p, k) for p, k in zip(regions, kept, strict=True)]
    names = np.asarray(regions[0].names or ())
    told = tuple(map(str, names[np.concatenate(kept)])) if len(names) else None
    n, first, found = sum(p.n for p in parts), 0, []
    for part in parts:
        found.append(part.placed(first, n, told))
        first += part.n
    return tuple(found)


def _moving(own: Regions, still: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which of one tensor's own segments have an element that is not still."""
    moves = ~still
    if own.labels is None:
        assert own.members is not None
        flat = np.broadcast_to(own.members, (len(own.members), *own.shape))
        return np.asarray((flat & moves).reshape(len(flat), -1).any(axis=1))
    n = int(own.labels.max()) + 1 - own.first if (own.labels >= 0).any() else 0
    found = np.zeros(max(n, 0), bool)
    at = np.broadcast_to(own.labels, own.shape)[moves]
    found[at[at >= 0] - own.first] = True
    return found


def _chosen(own: Regions, kept: np.ndarray[Any, Any]) -> Regions:
    """One tensor's regions, numbered from 0, of the segments that are kept."""
    if own.labels is None:
        assert own.members is not None
        if kept.any():
            return Regions.of_members(own.members[kept], own.shape)
        return Regions.of_labels(np.full((1,) * len(own.shape), -1), own.shape)
    among = np.append(kept, False)[np.where(own.labels < 0, len(kept), own.labels - own.first)]
    return Regions.of_labels(np.where(among, own.labels, -1), own.shape)

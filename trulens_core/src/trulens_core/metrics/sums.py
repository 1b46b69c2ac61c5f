"""Attributions of elements as those of segments: sums, and the order of importance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.distributions import Uniforms
from trulens_core.metrics.scores import Array
from trulens_core.segments import Regions, Segments

_TIES = 9
"""The stream of draws that decide between equals."""


def summed(values: Array, regions: Sequence[Regions]) -> list[Array]:
    """The sums of elements' numbers over each record's segments, (segments,) each."""
    return [_of_one(v, r) for v, r in zip(values, regions, strict=True)]


def _of_one(values: Array, regions: Regions) -> Array:
    if regions.labels is None:
        assert regions.members is not None
        own = _within(values, regions.members.shape[1:]).reshape(-1)
        return np.asarray(regions.members.reshape(regions.n, -1) @ own)
    own = _within(values, regions.labels.shape).reshape(-1)
    labels = regions.labels.reshape(-1)
    inside = labels >= 0
    return np.bincount(labels[inside], own[inside], minlength=regions.n)


def _within(values: Array, shape: tuple[int, ...]) -> Array:
    """Sums over the axes of which all elements belong together."""
    axes = tuple(a for a, (n, m) in enumerate(zip(values.shape, shape, strict=True)) if n != m)
    return values.sum(axis=axes, keepdims=True) if axes else values


def ranks(values: Array, regions: Sequence[Regions], seed: int) -> list[Array]:
    """Of each record the places of its segments, from the most important on, by mean attribution.

    Between equals a draw decides, so that what says nothing is judged as chance is.
    """
    found: list[Array] = []
    made: dict[int, tuple[Array, Array]] = {}
    for own, r in zip(summed(values, regions), regions, strict=True):
        if id(r) not in made:
            made[id(r)] = _of_one(np.ones(r.shape), r), Uniforms(seed, _TIES, r.n)(0, 1)[0]
        sizes, drawn = made[id(r)]
        order = np.lexsort((drawn, -own / sizes))
        rank = np.empty(r.n, int)
        rank[order] = np.arange(r.n)
        found.append(rank)
    return found


def numbered(regions: Sequence[Regions], places: Sequence[Array]) -> Segments:
    """The segments of each record, numbered by their places."""
    each: list[Any] = []
    for r, place in zip(regions, places, strict=True):
        if r.labels is not None:
            each.append(np.append(place, -1)[r.labels])
        else:
            assert r.members is not None
            each.append(r.members[np.argsort(place)])
    shapes = {e.shape for e in each}
    if len(shapes) > 1:
        raise ValueError(
            "records have different numbers of segments that overlap; judge them one by one"
        )
    return Segments.of(np.stack(each))

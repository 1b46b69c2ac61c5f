"""The records that are most like what a class is explained by."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from trulens_core.datasets.blocks import Block, Blocks, of_class, wanted
from trulens_core.results.arrays import Array

_TINY = float(np.finfo("float64").tiny)


class Prototype(NamedTuple):
    """A record, and the cosine between its attributions and the mean of its class."""

    record: int
    likeness: float


def prototypes(run: Blocks, cl: int, by: str, k: int) -> list[Prototype]:
    """What `Run.prototypes` does: one pass for the mean, one for the likeness."""
    total: Array | float = 0.0
    n = 0
    names = wanted(run, by)
    for block in run.blocks(*names):
        chosen = of_class(block, by, cl)
        total = total + _flat(run, block)[chosen].sum(0)
        n += int(chosen.sum())
    if n == 0:
        raise ValueError(f"no record of the run has {by} {cl}")
    mean = np.asarray(total) / n
    mean = mean / max(float(np.linalg.norm(mean)), _TINY)
    best: list[tuple[float, int]] = []
    for block in run.blocks(*names):
        chosen = of_class(block, by, cl)
        x = _flat(run, block)[chosen]
        likeness = x @ mean / np.maximum(np.linalg.norm(x, axis=1), _TINY)
        pairs = zip(likeness.tolist(), (-block.numbers[chosen]).tolist(), strict=True)
        best = heapq.nlargest(k, [*best, *pairs])
    return [Prototype(-number, value) for value, number in best]


def _flat(run: Blocks, block: Block) -> Array:
    """All attributions of a record in a row."""
    x = [block.columns[n].astype("float64") for n in run.attributed]
    return np.concatenate([a.reshape(len(a), -1) for a in x], axis=1)

"""Which units make a class, and which records move a unit."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from trulens_core.datasets.blocks import Blocks, of_class, per_unit, wanted
from trulens_core.results.arrays import Array


class Unit(NamedTuple):
    """A unit, and its mean influence over some records."""

    number: int
    influence: float


def units(run: Blocks, cl: int | None, by: str, k: int) -> list[Unit]:
    """What `Run.units` does."""
    total: Array | float = 0.0
    n = 0
    for block in run.blocks(*wanted(run, *([] if cl is None else [by]))):
        chosen = of_class(block, by, cl)
        total = total + per_unit(run, block)[chosen].sum(0)
        n += int(chosen.sum())
    if n == 0:
        raise ValueError(f"no record of the run has {by} {cl}")
    mean = np.asarray(total) / n
    order = np.argsort(-np.abs(mean), kind="stable")[:k]
    return [Unit(int(i), float(mean[i])) for i in order]


def top_records(run: Blocks, unit: int, k: int) -> list[tuple[int, float]]:
    """What `Run.top_records` does."""
    best: list[tuple[float, int]] = []
    for block in run.blocks(*wanted(run)):
        values = per_unit(run, block)
        if not 0 <= unit < values.shape[1]:
            raise IndexError(f"unit {unit} of a run that has {values.shape[1]}")
        own = values[:, unit]
        order = np.argsort(-own, kind="stable")[:k]
        best += [(float(own[i]), -int(block.numbers[i])) for i in order]
        best = heapq.nlargest(k, best)  # of equal ones the first record
    return [(-number, value) for value, number in best]

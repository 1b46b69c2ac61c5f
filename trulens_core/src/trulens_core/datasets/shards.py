"""Batches put together to shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from trulens_core.datasets.columns import Column
from trulens_core.datasets.work import Explained
from trulens_core.results.arrays import Array


class Full(NamedTuple):
    """A shard of which all records were explained, as a store takes it."""

    number: int
    rows: dict[str, Array]
    failed: tuple[tuple[int, str], ...]
    batches: tuple[tuple[int, int, str], ...]


class Assembly:
    """Batches in any order, until a shard's records are all there.

    Args:
        columns: of the run.
        shard: how many records a shard has.
        mine: whether a shard is to be written by this process.
    """

    def __init__(self, columns: Sequence[Column], shard: int, mine: Callable[[int], bool]) -> None:
        self._columns, self._shard, self._mine = columns, shard, mine
        self._held: dict[int, list[Explained]] = {}
        self._count: dict[int, int] = {}

    def add(self, found: Explained) -> Iterator[Full]:
        """Take a batch; the shards that it makes full."""
        self._check(found)
        size = self._shard
        for number in range(found.first // size, -(-(found.first + found.size) // size)):
            if self._mine(number):
                self._held.setdefault(number, []).append(found)
                a, b = self._range(number, found)
                self._count[number] = self._count.get(number, 0) + b - a
                if self._count[number] == size:
                    yield self._full(number, size)

    def rest(self, n: int) -> Iterator[Full]:
        """The shard that the end of the data, after n records, makes full."""
        for number in sorted(self._held):
            missing = min(n - number * self._shard, self._shard)
            if self._count[number] == missing:
                yield self._full(number, missing)

    def _range(self, number: int, found: Explained) -> tuple[int, int]:
        """Which of a shard's records a batch has."""
        start = number * self._shard
        a, b = found.first - start, found.first + found.size - start
        return max(0, a), min(self._shard, b)

    def _full(self, number: int, n: int) -> Full:
        parts = sorted(self._held.pop(number), key=lambda e: e.first)
        del self._count[number]
        rows = {c.name: c.empty(n) for c in self._columns}
        start = number * self._shard
        for found in parts:
            at = found.places + (found.first - start)
            inside = (at >= 0) & (at < n)
            for name, values in (found.columns or {}).items():
                rows[name][at[inside]] = values[inside]
        failed = tuple((r, why) for e in parts for r, why in e.failed if 0 <= r - start < n)
        return Full(number, rows, failed, tuple((e.first, e.size, e.print) for e in parts))

    def _check(self, found: Explained) -> None:
        """Every batch has the columns of the first."""
        if found.columns is None:
            return
        own = {n: Column.of(n, x) for n, x in found.columns.items()}
        for column in self._columns:
            other = own.get(column.name)
            if other is None or other.shape != column.shape or not _fits(other, column):
                has = "nothing" if other is None else f"{other.dtype} {other.shape}"
                raise ValueError(
                    f"the records from {found.first} have {has} as {column.name}, and the run "
                    f"{column.dtype} {column.shape}; all records of a run have one shape: pad them "
                    "to one length, or keep less of them with keep="
                )


def _fits(other: Column, column: Column) -> bool:
    if "str" in (other.dtype, column.dtype):
        return other.dtype == column.dtype
    return np.can_cast(other.dtype, column.dtype, "safe")

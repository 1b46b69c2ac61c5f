"""What takes the place of removed segments: one value, several, or draws from data."""

from __future__ import annotations

import functools
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.distributions.base import asked
from trulens_core.distributions.baselines import Baselines, Source, check_columns, resolved
from trulens_core.distributions.designs import Array, Uniforms
from trulens_core.distributions.marginal import Marginal
from trulens_core.distributions.points import Records
from trulens_core.errors import DoiError

_FEW = 32
_ROWS = 1
"""The stream of draws of rows."""


class Replacement(ABC):
    """What takes the place of what is removed from some records.

    Attributes:
        copies: how many values each mask is evaluated with, over which the quantity is averaged.
        drawn: whether each draw has a value of its own.
    """

    copies: int = 1
    drawn: bool = False

    @abstractmethod
    def values(self, i: int, j: int, draws: Array | None) -> list[Tensor]:
        """For points i to j, (j − i or 1, records or 1, …) per tensor.

        `draws` are those of the points, (j − i,) or one per record, (j − i, records).
        """

    def held(self, i: int, j: int, draws: Array | None) -> list[Any]:
        """The same for a compiled program, to which numbers of the host may be given."""
        return self.values(i, j, draws)

    @abstractmethod
    def range(self) -> list[tuple[Array, Array]]:
        """Of each tensor, the least and greatest values there may be, (records or 1, …)."""


class _One(Replacement):
    """One value for each record."""

    def __init__(self, base: list[Tensor], backend: Backend) -> None:
        self._base, self._backend = base, backend
        self._wide = [backend.xp.expand_dims(t, axis=0) for t in base]

    def values(self, i: int, j: int, draws: Array | None) -> list[Tensor]:
        del i, j, draws
        return self._wide

    def range(self) -> list[tuple[Array, Array]]:
        host = [self._backend.to_numpy(t) for t in self._base]
        return [(a, a) for a in host]


class _Number(Replacement):
    """The same number everywhere."""

    def __init__(self, value: float, records: Records) -> None:
        self._value, self._records = value, records

    @functools.cached_property
    def _base(self) -> list[Tensor]:
        return resolved(self._value, self._records)

    def values(self, i: int, j: int, draws: Array | None) -> list[Tensor]:
        del i, j, draws
        return self._wide

    @functools.cached_property
    def _wide(self) -> list[Tensor]:
        return [self._records.backend.xp.expand_dims(t, axis=0) for t in self._base]

    def held(self, i: int, j: int, draws: Array | None) -> list[Any]:
        del i, j, draws
        return [np.full([1] * (len(t.shape) + 1), self._value) for t in self._records.z]

    def range(self) -> list[tuple[Array, Array]]:
        if not self._value:  # the same in every type
            return [(np.zeros((1,) * len(t.shape)),) * 2 for t in self._records.z]
        host = [self._records.backend.to_numpy(t) for t in self._base]
        return [(a, a) for a in host]


class _Every(Replacement):
    """Each of several, for all records alike or one per record: (copies, records or 1, …)."""

    def __init__(self, stacked: list[Tensor], backend: Backend) -> None:
        self._stacked, self._backend = stacked, backend
        self.copies = int(stacked[0].shape[0])

    def values(self, i: int, j: int, draws: Array | None) -> list[Tensor]:
        del draws
        return self._taken(np.arange(i, j) % self.copies)

    def _taken(self, rows: Array) -> list[Tensor]:
        backend = self._backend
        found = []
        for t in self._stacked:
            at = backend.from_numpy(rows.reshape(-1).astype("int32"), like=t)
            taken = backend.xp.take(t, at, axis=0)
            if rows.ndim > 1:  # a row for each record
                taken = backend.xp.reshape(taken, (*rows.shape, *t.shape[2:]))
            found.append(taken)
        return found

    def range(self) -> list[tuple[Array, Array]]:
        host = [self._backend.to_numpy(t) for t in self._stacked]
        return [_other(a) if a.dtype.hasobject else (a.min(axis=0), a.max(axis=0)) for a in host]


class _Drawn(_Every):
    """A row of data for each draw."""

    def __init__(self, stacked: list[Tensor], backend: Backend, seed: int) -> None:
        super().__init__(stacked, backend)
        self._n, self.copies, self.drawn = self.copies, 1, True
        self._uniforms = Uniforms(seed, _ROWS, 1)

    def values(self, i: int, j: int, draws: Array | None) -> list[Tensor]:
        del i, j
        assert draws is not None
        known, places = np.unique(draws, return_inverse=True)
        first = int(known[0])
        u = self._uniforms(first, int(known[-1]) + 1)[known - first, 0]
        rows = np.minimum((u * self._n).astype(int), self._n - 1)
        return self._taken(rows[places].reshape(draws.shape))


def replacement(given: Any, records: Records, random: bool, seed: int) -> Replacement:
    """What takes the place of removed segments, in any form that a baseline has.

    Args:
        given: None (zeros), a number, an array, a function, `Baselines` or `Marginal`.
        records: whose values they are.
        random: whether the design draws at random, so that rows of data may be drawn with it.
        seed: of the design.
    """
    backend = records.backend
    if isinstance(given, Marginal):
        rows = _rows(given.source, records)
        every = given.every
        if every is None:
            every = not random or given.source.rows <= _FEW
        if not every and not random:
            raise DoiError(
                "Marginal(data, every=False) draws a row for each draw of a random design, and "
                "this one has none; give fewer rows, all of which are taken"
            )
        return _Every(rows, backend) if every else _Drawn(rows, backend, seed)
    if isinstance(given, Baselines):
        if given.random:
            raise DoiError(
                "Baselines.drawn takes the same few rows for all masks, so that no standard error "
                "would be right; give Marginal(data), which draws anew"
            )
        each = [_one(member, records) for member in given.members]
        return _Every([backend.xp.stack(list(ts)) for ts in zip(*each, strict=True)], backend)
    if given is None or isinstance(given, numbers.Real):
        return _Number(float(given or 0), records)
    return _One(_one(given, records), backend)


def _other(rows: Array) -> tuple[Array, Array]:
    """The first row of objects, which have no order, and of each place another one if there is."""
    first, other = rows[0], rows[0].copy()
    for row in rows[1:]:
        other = np.where(row != first, row, other)
    return first, other


def _one(given: Any, records: Records) -> list[Tensor]:
    if callable(given) and not records.backend.is_tensor(given):
        given = asked(given, records.z, records)
    return resolved(given, records)


def _rows(source: Source, records: Records) -> list[Tensor]:
    """All rows, (rows, 1, …) per tensor."""
    source.check([tuple(t.shape) for t in records.z])
    backend = records.backend
    parts: Sequence[Any] = source.parts * (len(records.z) if len(source.parts) == 1 else 1)
    found = []
    for part, z in zip(parts, records.z, strict=True):
        check_columns(part, records)
        t = part if backend.is_tensor(part) else _tensor(part, z, backend.from_numpy)
        found.append(backend.xp.expand_dims(backend.cast(t, z), axis=1))
    return found


def _tensor(part: Any, z: Tensor, made: Callable[..., Tensor]) -> Tensor:
    array = np.asarray(part)
    if getattr(z.dtype, "hasobject", False):
        return made(array.astype(object))
    if array.dtype.kind not in "biuf":
        raise DoiError(f"data is {array.dtype}; give numbers")
    return made(array.astype("float64") if array.dtype.kind in "biu" else array, like=z)

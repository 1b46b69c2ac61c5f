"""Baselines: where a path ends, in every form that a user may give one."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core import tables
from trulens_core.backends import Backend, Tensor, rows_at
from trulens_core.distributions.points import Records
from trulens_core.distributions.quadrature import positive_int
from trulens_core.errors import DoiError
from trulens_core.inputs.rows import last_again

_NO_NUMBERS = "baseline is {}; give a number, an array of numbers or a function"

Baseline = Callable[..., Any] | Any
"""None, a number, an array or tensor, a list of one per tensor, or a function that returns one."""


class Baselines:
    """Several baselines of a path method, whose attributions are the mean over them.

    Completeness holds on average: the attributions add up to q(x) less the mean of q(baseline).
    Each is evaluated with as many points as the method has, so that n of them take n times as long.

    Args:
        members: the baselines, each in any form that `LinearDoi` takes.

    Raises:
        ValueError: for an empty list.

    Example:
        Black and white, and three images drawn from some data:

        >>> Baselines([0.0, 1.0])
        Baselines([0.0, 1.0])
        >>> len(Baselines.drawn(np.zeros((100, 8, 8, 3)), 3).members)
        3
    """

    def __init__(self, members: Sequence[Any]) -> None:
        self.members: tuple[Any, ...] = tuple(members)
        self.random: bool = False
        """Whether they are a sample, so that their mean has a standard error."""
        if not self.members:
            raise ValueError("Baselines needs at least one baseline")

    @classmethod
    def drawn(cls, data: Any, samples: int, *, seed: int = 0) -> Baselines:
        """Rows of `data` drawn at random, with replacement.

        `explain` then has a `standard_error`.

        Args:
            data: (rows, …), an array or tensor with records like those that are explained; a list
                or mapping of them where the cut holds several tensors.
            samples: how many.
            seed: of the draws, which depend on it and on nothing else.
        """
        source = Source(data)
        rows, _ = source.draws(seed, positive_int(samples, "samples"))
        new = cls([source.row(i) for i in rows])
        new.random = True
        return new

    @classmethod
    def of_rows(cls, data: Any) -> Baselines:
        """Every row of `data` once.

        Args:
            data: as for `drawn`.
        """
        source = Source(data)
        return cls([source.row(i) for i in range(source.rows)])

    def mean(self, values: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        """The mean of the members' values, a list of tensors each."""
        totals = list(values[0])
        for more in values[1:]:
            totals = [a + b for a, b in zip(totals, more, strict=True)]
        return [t / len(values) for t in totals]

    def __repr__(self) -> str:
        return f"Baselines({list(self.members)!r})"


class Source:
    """Data that records are drawn from: one array (rows, …), or one per tensor of a cut.

    Args:
        data: see `Baselines.drawn`.

    Raises:
        ValueError: for arrays of different numbers of rows, or none.
    """

    def __init__(self, data: Any) -> None:
        parts = list(data.values()) if isinstance(data, Mapping) else data
        self._several = isinstance(parts, list | tuple)
        listed = list(parts) if self._several else [parts]
        self.parts: list[Any] = [p if hasattr(p, "shape") else np.asarray(p) for p in listed]
        rows = {int(p.shape[0]) for p in self.parts if len(p.shape)}
        if len(rows) != 1 or 0 in rows or any(not len(p.shape) for p in self.parts):
            found = [tuple(p.shape) for p in self.parts]
            raise ValueError(
                f"data has shapes {found}; give arrays (rows, …) with as many rows each, at least 1"
            )
        self.rows: int = rows.pop()

    def draws(self, seed: int, samples: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Rows and numbers in [0, 1), of which each depends on seed and its own place alone."""
        return _draws(self.rows, seed, samples)

    @property
    def has_columns(self) -> bool:
        """Whether any of it is a table, whose columns are compared with those of the records."""
        return any(tables.columns_given(p) is not None for p in self.parts)

    def numbers(self, rows: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        """Some of its rows as arrays of the host."""
        return [_numbers(np.asarray(p)[rows]) for p in self.parts]

    def tensors(self, rows: np.ndarray[Any, Any], records: Records) -> list[Tensor]:
        """Some of its rows for all records alike, (k, 1, …) for each tensor of their value."""
        backend, z = records.backend, records.z
        parts = self.parts * (len(z) if len(self.parts) == 1 else 1)
        found = []
        for part, like in zip(parts, z, strict=True):
            check_columns(part, records)
            tensor = backend.is_tensor(part)
            t = rows_at(part, rows, backend) if tensor else _array(part, like, backend, rows)
            found.append(backend.xp.expand_dims(backend.cast(t, like), axis=1))
        return found

    def row(self, i: int) -> Any:
        """One row, as a baseline of all records."""
        rows = [p[i : i + 1] for p in self.parts]
        return rows if self._several else rows[0]

    def check(self, z: Sequence[tuple[int, ...]]) -> None:
        """Raise where the rows are not like the records' values, which have the shapes z."""
        found = [tuple(p.shape[1:]) for p in self.parts]
        shapes = [shape[1:] for shape in z]
        if shapes not in (found, found * len(z)):  # one for all tensors may be given
            raise DoiError(
                f"the rows of data have shape {', '.join(map(str, found))}, but a record's value "
                f"at the cut has shape {', '.join(map(str, shapes))}; give data of such values"
            )


@functools.lru_cache(maxsize=8)
def _draws(rows: int, seed: int, samples: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    drawn, numbers = np.empty(samples, "int64"), np.empty(samples)
    for i in range(samples):
        random = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 1, i]))
        drawn[i], numbers[i] = random.integers(rows), random.random()
    drawn.flags.writeable = numbers.flags.writeable = False  # they are kept
    return drawn, numbers


def resolved(given: Any, records: Records) -> list[Tensor]:
    """The baseline as tensors shaped like the values of the records.

    Args:
        given: None (zeros), a number, an array, or a list (or mapping) of one per tensor.
        records: whose values they are.
    """
    z = records.z
    if isinstance(given, Mapping):
        given = list(given.values())
    if isinstance(given, list | tuple) and len(z) > 1:
        if len(given) != len(z):
            raise DoiError(f"baseline has {len(given)} members, but its cut holds {len(z)} tensors")
        parts = list(given)
    elif isinstance(given, list | tuple) and len(given) == 1 and hasattr(given[0], "shape"):
        parts = [given[0]]
    else:
        parts = [given] * len(z)
    return [_like(p, t, records) for p, t in zip(parts, z, strict=True)]


def for_records(given: Any, take: Callable[[Any], Any], total: int, ranks: Sequence[int]) -> Any:
    """The baseline for some of `total` records: arrays with a row per record lose the others.

    `ranks` are those of the values at the cut; an array of a lower rank is one record's.
    """
    if isinstance(given, Mapping):
        given = list(given.values())
    if isinstance(given, list | tuple) and len(given) == len(ranks):
        return [for_records(g, take, total, [r]) for g, r in zip(given, ranks, strict=True)]
    shape: tuple[int, ...] = getattr(given, "shape", ())
    rows = len(shape) == ranks[0] and shape[0] == total
    return take(given) if rows and total > 1 else given


def asked_for(given: Any) -> bool:
    """Whether a function gives a baseline, or any of several."""
    if isinstance(given, Baselines):
        given = given.members
    return any(map(asked_for, given)) if isinstance(given, list | tuple) else callable(given)


def by_record(given: Any) -> bool:
    """Whether a record's baseline is known to depend on no other record.

    A function says so by an attribute of this name, as token baselines do.
    """
    if isinstance(given, list | tuple):
        return all(map(by_record, given))
    return not callable(given) or bool(getattr(given, "by_record", False))


def check_columns(given: Any, records: Records) -> None:
    """Raise where a table gives the columns of the records in another order."""
    own = tables.columns_given(given)
    for part in records.inputs.structure.parts:
        wanted = tables.columns_of(part.key)
        if own is not None and wanted is not None and own != wanted and set(own) == set(wanted):
            raise DoiError(
                f"the columns of baseline or data are {list(own)} and those of the records "
                f"{list(wanted)}; give them in this order, as table[x.columns] does"
            )


def _like(part: Any, z: Tensor, records: Records) -> Tensor:
    check_columns(part, records)
    backend = records.backend
    xp, shape = backend.xp, tuple(z.shape)
    if part is None or isinstance(part, numbers.Real):
        return backend.filled(z, float(part or 0))
    if not backend.is_tensor(part):
        part = _array(part, z, backend)
    part = backend.cast(part, z)
    found = tuple(part.shape)
    if not found:  # a number that is a tensor
        return xp.broadcast_to(part, shape)
    first, last, total = records.first, records.last, records.total
    if len(found) == len(shape) - 1:
        part = xp.expand_dims(part, axis=0)
    elif len(found) == len(shape) and found[0] == total and total != last - first:
        part = part[first:last]
        part = last_again(part, shape[0] - (last - first), backend)
    if (
        len(part.shape) != len(shape)
        or tuple(part.shape[1:]) != shape[1:]
        or part.shape[0]
        not in (
            1,
            shape[0],
        )
    ):
        raise DoiError(
            f"baseline has shape {found}; the value at its cut has shape {(total, *shape[1:])}: "
            "give that shape, that of one record, a leading axis of 1, or a number"
        )
    return xp.broadcast_to(part, shape)


def _array(part: Any, z: Tensor, backend: Backend, rows: Any = ...) -> Tensor:
    try:
        array = np.asarray(part)[rows]
    except ValueError as error:
        raise DoiError(
            f"baseline is a list of {len(part)} arrays of different shapes, but its cut holds one "
            f"tensor here, of shape {tuple(z.shape)}; give an array for each tensor of the cut"
        ) from error
    found = array.dtype if hasattr(part, "dtype") else type(part).__name__
    if getattr(z.dtype, "hasobject", False):  # a table with columns that are no numbers
        return backend.from_numpy(np.asarray(part, object)[rows])
    array = _numbers(array, found)
    try:
        return backend.from_numpy(array, like=z)
    except TypeError as error:
        raise DoiError(_NO_NUMBERS.format(found)) from error


def _numbers(array: np.ndarray[Any, Any], found: Any = None) -> np.ndarray[Any, Any]:
    """An array of numbers with a point; `found` is what it was, for messages."""
    if array.dtype.kind in "OSUTMm":  # anything is an array of objects
        raise DoiError(_NO_NUMBERS.format(found or array.dtype))
    floats = "float16", "float32", "float64"  # in the machine's order of bytes, as frameworks have
    rare = array.dtype.kind in "iubf" and array.dtype not in floats
    return array.astype("float64") if rare else array

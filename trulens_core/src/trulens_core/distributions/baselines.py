"""Baselines: where a path ends, in every form that a user may give one."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.distributions.points import Records
from trulens_core.errors import DoiError
from trulens_core.inputs.rows import last_again

Baseline = Callable[..., Any] | Any
"""None, a number, an array or tensor, a list of one per tensor, or a function that returns one."""


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


def by_record(given: Any) -> bool:
    """Whether a record's baseline is known to depend on no other record.

    A function says so by an attribute of this name, as token baselines do.
    """
    if isinstance(given, list | tuple):
        return all(map(by_record, given))
    return not callable(given) or bool(getattr(given, "by_record", False))


def _like(part: Any, z: Tensor, records: Records) -> Tensor:
    backend = records.backend
    xp, shape = backend.xp, tuple(z.shape)
    if part is None or isinstance(part, numbers.Real):
        return backend.filled(z, float(part or 0))
    if not backend.is_tensor(part):
        part = _array(part, z, backend)
    part = backend.cast(part, z)
    found = tuple(part.shape)
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


def _array(part: Any, z: Tensor, backend: Backend) -> Tensor:
    array = np.asarray(part)
    if array.dtype.kind in "iub":
        array = array.astype("float64")
    found = array.dtype if hasattr(part, "dtype") else type(part).__name__
    message = f"baseline is {found}; give a number, an array of numbers or a function"
    if array.dtype.kind in "OSUTMm":  # anything is an array of objects
        raise DoiError(message)
    try:
        return backend.from_numpy(array, like=z)
    except TypeError as error:
        raise DoiError(message) from error

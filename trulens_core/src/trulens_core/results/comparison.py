"""Whether two results are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.inputs import ModelInputs
from trulens_core.results.arrays import RECORDS_AT, Array, equal, host, leaves
from trulens_core.results.fields import ResultFields


def equal_results(a: ResultFields, b: ResultFields) -> bool:
    """Whether all arrays, inputs and names hold the same; not how they were computed."""
    names = (*RECORDS_AT, "inputs", "names", "qoi")
    return all(equal(_opened(getattr(a, n)), _opened(getattr(b, n))) for n in names)


def _opened(value: Any) -> Any:
    if isinstance(value, ModelInputs):
        return list(value.args), value.kwargs
    return value


def largest_change(new: Any, old: Any) -> float:
    """The largest change of a record, as a part of its largest number; inf for other shapes.

    Example:
        >>> import numpy as np
        >>> largest_change(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
        0.5
    """
    return max((float(c.max(initial=0.0)) for c in changes(new, old)), default=0.0)


def changes(new: Any, old: Any) -> list[Array]:
    """For each array max|new − old| / max|old| of every record, (records,)."""
    pairs = leaves(new), leaves(old)
    if len(pairs[0]) != len(pairs[1]):
        return [np.array([np.inf])]
    return [_of_records(host(a), host(b)) for a, b in zip(*pairs, strict=True)]


def _of_records(new: Array, old: Array) -> Array:
    if new.shape != old.shape:
        return np.array([np.inf])
    n, size = len(old), int(np.prod(old.shape[1:]))
    a, b = (x.astype("float64").reshape(n, size) for x in (new, old))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        off = np.where(same, 0.0, np.abs(a - b))
    off = np.where(np.isnan(off), np.inf, off).max(axis=1, initial=0.0)
    scale = np.nan_to_num(np.abs(b), posinf=0.0).max(axis=1, initial=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(off == 0.0, 0.0, off / scale))


def rounding(attributions: Any) -> float:
    """What numbers of this type may differ by where only the order of sums does."""
    sizes = [host(x).dtype.itemsize for x in leaves(attributions)]
    return {8: 1e-10, 4: 1e-4}.get(min(sizes, default=8), 3e-2)

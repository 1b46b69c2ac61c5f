"""The one way in which two results are called equal."""

from __future__ import annotations

from typing import Any

import numpy as np


def relative_error(a: Any, b: Any) -> float:
    """The largest error of `a` against `b` over the records: per record max|a − b| / max|b|.

    Records lie along the first axis. Where a record of `b` is all zeros, so must that of `a` be:
    the error is infinite otherwise, as it is where shapes differ or a number is not finite.

    "Equal" is, in float64, an error of at most 1e-10; in float32, 1e-6 on smooth models and 1e-4
    where ReLUs or max pooling can tie.

    Args:
        a: what was found: an array, or anything that NumPy makes one of.
        b: what was expected, of the same shape.

    Returns:
        A float ≥ 0, without a unit.

    Example:
        >>> relative_error([[1.0, 2.0], [3.0, 0.0]], [[1.0, 2.0], [4.0, 0.0]])
        0.25
    """
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all():
        return float("inf")
    if not a.size:
        return 0.0
    rows = (len(b), -1) if b.ndim else (1, 1)
    error = np.abs(a - b).reshape(rows).max(axis=1)
    scale = np.abs(b).reshape(rows).max(axis=1)
    relative = np.divide(error, scale, out=np.full(error.shape, np.inf), where=scale > 0)
    return float(np.where(error == 0, 0.0, relative).max())

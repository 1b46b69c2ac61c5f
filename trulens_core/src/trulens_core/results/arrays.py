"""The arrays of a result, whatever their kind: taken to NumPy, chosen from, compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from trulens_core import trees
from trulens_core.errors import NoBackendError
from trulens_core.plugins import get_backend

Array = npt.NDArray[Any]

RECORDS_AT = {
    "attributions": 0,
    "gradients": 1,
    "interventions": 1,
    "quantity": 0,
    "baseline_quantity": 0,
    "residual": 0,
    "n_points": 0,
    "converged": 0,
    "standard_error": 0,
    "n_evaluations": 0,
    "activation": 0,
    "target": 0,
}
"""The fields of a result that are arrays, and on which axis they have the records."""
AT_SOURCE = ("attributions", "gradients", "standard_error", "activation")
"""Those that have the layout of the layer, which may have its records elsewhere."""


def is_array(value: Any) -> bool:
    """Whether it is an array or a tensor with axes."""
    return hasattr(value, "dtype") and len(getattr(value, "shape", ())) > 0


def host(value: Any) -> Array:
    """An array or a tensor of any framework as a NumPy array."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    try:
        return np.asarray(get_backend(value).to_numpy(value))
    except (NoBackendError, TypeError):
        return np.asarray(value)


def average_ranks(row: Array) -> Array:
    """The ranks of a row's numbers from 1 on, equals having the mean of theirs."""
    _, places, counts = np.unique(row, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places.reshape(-1)])


def mapped(tree: Any, function: Callable[[Any], Any]) -> Any:
    """Nested lists and mappings with `function(x)` in place of every array x."""
    found = trees.flatten(tree)
    return found.unflatten([function(x) if is_array(x) else x for x in found.leaves])


def leaves(tree: Any) -> list[Any]:
    """The arrays of nested lists and mappings, in order."""
    return [x for x in trees.flatten(tree).leaves if is_array(x)]


def taken(x: Any, index: Array, axis: int) -> Any:
    """Places along an axis of an array or tensor, of its own kind."""
    if isinstance(x, np.ndarray):
        return np.take(x, index, axis=axis)
    backend = get_backend(x)
    places = backend.from_numpy(np.asarray(index, "int32"), like=x)
    return backend.xp.take(x, places, axis=axis)


def equal(a: Any, b: Any) -> bool:
    """Whether two values hold the same: structures, types, shapes and numbers, nan being itself."""
    left, right = trees.flatten(a), trees.flatten(b)
    if len(left.leaves) != len(right.leaves) or left.key != right.key:
        return False
    return all(map(_same, left.leaves, right.leaves))


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    arrays = is_array(a), is_array(b)
    if not any(arrays):
        return type(a) is type(b) and bool(a == b)
    if not all(arrays) or tuple(a.shape) != tuple(b.shape):
        return False
    x, y = host(a), host(b)
    inexact = x.dtype.kind in "fc"
    return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=inexact)

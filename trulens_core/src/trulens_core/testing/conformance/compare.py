"""Results taken apart and compared, in one measure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from trulens_core.backends import Backend
from trulens_core.testing.measure import relative_error

Array = np.ndarray[Any, Any]
EXACT = 1e-10
"""What float64 results may differ by: they are computed alike, in another order."""


def arrays(value: Any, backend: Backend, place: str = "") -> Iterator[tuple[str, Array]]:
    """The arrays and tensors of a result, each with its place in it."""
    if isinstance(value, Mapping):
        for k, v in value.items():
            yield from arrays(v, backend, f"{place}[{k!r}]")
    elif isinstance(value, list | tuple):
        for i, v in enumerate(value):
            yield from arrays(v, backend, f"{place}[{i}]")
    else:
        yield place, backend.to_numpy(value) if backend.is_tensor(value) else np.asarray(value)


def deviation(found: Any, expected: Any, backend: Backend) -> float:
    """The largest relative error of the arrays of a result; infinite for another structure."""
    a, b = dict(arrays(found, backend)), dict(arrays(expected, backend))
    if a.keys() != b.keys():
        return float("inf")
    return max(relative_error(a[k], b[k]) for k in b)


def precision(value: Any, backend: Backend) -> str | None:
    """The narrowest floating type of a result's arrays; None where they hold none."""
    types = [a.dtype for _, a in arrays(value, backend) if a.dtype.kind == "f"]
    return min(types, key=lambda t: t.itemsize).name if types else None


def shapes(value: Any) -> Any:
    """The structure of a result with shapes in place of arrays and tensors."""
    if isinstance(value, Mapping):
        return {k: shapes(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [shapes(v) for v in value]
    return tuple(int(n) for n in value.shape)

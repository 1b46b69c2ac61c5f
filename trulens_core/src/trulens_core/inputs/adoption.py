"""How the caller's arrays and tensors become the model's: what is cast, and what never is.

NumPy floats, and float32 and float64 tensors, become the model's floating type where its weights
have exactly one and that is float32 or float64. Everything else goes in as it is, only moved to
the model's device: integers, half types, and all tensors where the weights have several floating
types or a half one. NumPy floats are float32 there, since NumPy's float64 is nobody's choice.
Nothing is ever cast to a half type: an id of 1001.0 would become 1000, a time stamp infinite.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor

_DOUBLE = np.dtype(np.float64)


def adopted(value: Any, like: Tensor | None, others: Iterator[Tensor], backend: Backend) -> Tensor:
    """An array or tensor of the caller's as the model takes it.

    Args:
        value: a NumPy array or a tensor of the backend.
        like: the model's first floating weight, where it has any.
        others: its weights of other floating types; looked for only where that matters.
        backend: of the model.
    """
    numpy = isinstance(value, np.ndarray)
    if numpy:
        wide = value.dtype.kind == "f" and value.dtype.itemsize > _DOUBLE.itemsize
        value = backend.from_numpy(value.astype(_DOUBLE) if wide else value)
    if like is None:
        return value
    default = numpy and value.dtype == backend.xp.float64
    if backend.is_floating(value) and (default or value.dtype != like.dtype):
        value = _cast(value, like, others, backend, numpy)
    return backend.placed(value, like)


def _cast(
    x: Tensor, like: Tensor, others: Iterator[Tensor], backend: Backend, numpy: bool
) -> Tensor:
    """A floating `x` that may have to become another type than it is, by the rule."""
    single, double = backend.xp.float32, backend.xp.float64
    if like.dtype in (single, double) and next(others, None) is None:
        return backend.cast(x, like) if numpy or x.dtype in (single, double) else x
    return backend.xp.astype(x, single) if numpy and x.dtype == double else x

"""Rows of tensors and arrays: taken, added, repeated and cut off, on every framework alike."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend, rows_at
from trulens_core.inputs.model_inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED, STATIC


def taken(x: Any, index: Sequence[int] | np.ndarray[Any, Any], backend: Backend) -> Any:
    """The rows at some places, in that order."""
    return rows_at(x, index, backend) if backend.is_tensor(x) else x[np.asarray(index)]


def kind_of(inputs: ModelInputs) -> Hashable:
    """Equal for inputs that differ in their numbers, and in how many records there are, alone."""
    tensors = [x for x in inputs.leaves if x.role != STATIC]
    shapes = [(tuple(x.value.shape)[x.role == BATCHED :], str(x.value.dtype)) for x in tensors]
    return inputs.split()[0].key(), tuple(shapes)


def last_again(x: Any, n: int, backend: Backend) -> Any:
    """`x` with its last row n more times."""
    return _joined([x, *[x[-1:]] * n], backend) if n else x


def repeated(x: Any, k: int, backend: Backend) -> Any:
    """K copies of all rows, one after the other."""
    return backend.repeat(x, k) if backend.is_tensor(x) else _joined([x] * k, backend)


def _joined(parts: list[Any], backend: Backend) -> Any:
    tensors = backend.is_tensor(parts[0])
    return backend.xp.concat(parts, axis=0) if tensors else np.concatenate(parts, axis=0)


def padded(inputs: ModelInputs, n: int, backend: Backend) -> ModelInputs:
    """The inputs with n more records, copies of the last one."""
    if not n:
        return inputs
    return inputs.map_tensors(
        lambda x: last_again(x.value, n, backend) if x.role == BATCHED else x.value
    )

"""Distributions called by themselves, outside of an explanation: on tensors, or on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

import numpy as np

from trulens_core.backends import Backend, Gradients, Tap, Tensor
from trulens_core.distributions.points import Records
from trulens_core.inputs import ModelInputs
from trulens_core.plugins import get_backend


@final
class _Arrays(Backend):
    """NumPy as far as points need it: NumPy arrays in, NumPy arrays out, whatever is installed."""

    name: ClassVar[str] = "numpy"
    xp = np

    def is_tensor(self, x: object) -> bool:
        return isinstance(x, np.ndarray)

    def to_numpy(self, x: Tensor) -> np.ndarray[Any, Any]:
        return np.array(x)

    def from_numpy(self, a: np.ndarray[Any, Any], like: Tensor | None = None) -> Tensor:
        if a.dtype.kind not in "fiub":
            raise TypeError(f"has dtype {a.dtype}; points are made of numbers")
        return a if like is None or a.dtype.kind != "f" else a.astype(like.dtype)

    def fresh(self, x: Tensor) -> Tensor:
        return x.copy()

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        raise NotImplementedError

    def sigmoid(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def stop_gradient(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def differentiate(self, run: Callable[[Tap], list[Tensor]]) -> Gradients:
        raise NotImplementedError


_ARRAYS = _Arrays()


def alone(z: Any, inputs: ModelInputs | None) -> Records:
    """What a distribution called by itself for z, a tensor or a list of them, sees as records."""
    values = list(z) if isinstance(z, list | tuple) else [z]
    backend = _ARRAYS if isinstance(values[0], np.ndarray) else get_backend(values[0])
    n = int(values[0].shape[0])
    return Records(values, inputs or ModelInputs(values), backend, 0, n, n)


def as_given(stacked: list[Tensor], z: Any) -> Any:
    """Points as they are returned for z: a list of them, or one list per tensor."""
    columns = [[t[i, ...] for i in range(t.shape[0])] for t in stacked]
    return columns if isinstance(z, list | tuple) else columns[0]

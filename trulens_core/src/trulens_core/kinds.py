"""What the caller gave, and so what he gets: arrays or tensors, their type and device."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import STATIC


class Kind(NamedTuple):
    """How results are given back.

    Attributes:
        backend: of the model.
        first: the first array or tensor of the inputs: results are NumPy arrays where it is one,
            else tensors on its device.
        dtype: of the first floating array of the inputs, where results are NumPy arrays; None:
            the model's.
        like: a tensor of the first floating input's type, where results are tensors; likewise.
    """

    backend: Backend
    first: Any
    dtype: Any = None
    like: Tensor | None = None

    @staticmethod
    def of(inputs: ModelInputs, backend: Backend) -> Kind:
        """The kind of a caller's inputs."""
        given = [leaf.value for leaf in inputs.leaves if leaf.role != STATIC]
        first = given[0]
        for x in given:
            array = isinstance(x, np.ndarray)
            if array and x.dtype.kind != "f":
                continue
            if not array and not (backend.is_tensor(x) and backend.is_floating(x)):
                continue
            if isinstance(first, np.ndarray):
                return Kind(backend, first, dtype=x.dtype if array else backend.to_numpy(x).dtype)
            return Kind(backend, first, like=backend.from_numpy(x[:0]) if array else x)
        return Kind(backend, first)

    def give(self, result: Tensor) -> Any:
        """A tensor of the model as the caller gets it; integers keep their type."""
        backend = self.backend
        floating = backend.is_floating(result)
        if not isinstance(self.first, np.ndarray):
            given = backend.given(result, self.like if floating else None)
            return backend.placed(given, self.first) if backend.is_tensor(self.first) else given
        array = backend.to_numpy(result)
        if not floating or self.dtype is None:
            return array
        return array.astype(self.dtype, copy=False)

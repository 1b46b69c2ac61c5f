"""What the caller gave, and so what he gets: arrays or tensors, their type and device."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.inputs import ModelInputs
from trulens_core.layouts import STATIC


class Kind(NamedTuple):
    """How results are given back.

    Attributes:
        backend: of the model.
        numpy: whether the first tensor of the inputs was a NumPy array.
        dtype: of the first floating array among the inputs; None: the model's.
        like: the first floating tensor among the inputs, if any.
    """

    backend: Backend
    numpy: bool
    dtype: Any = None
    like: Tensor | None = None

    @staticmethod
    def of(inputs: ModelInputs, backend: Backend) -> Kind:
        """The kind of a caller's inputs."""
        given = [leaf.value for leaf in inputs.leaves if leaf.role != STATIC]
        as_numpy = isinstance(given[0], np.ndarray)
        for x in given:
            if isinstance(x, np.ndarray) and x.dtype.kind == "f":
                return Kind(backend, as_numpy, dtype=x.dtype)
            if backend.is_tensor(x) and backend.is_floating(x):
                return Kind(backend, as_numpy, like=x)
        return Kind(backend, as_numpy)

    def give(self, result: Tensor) -> Any:
        """A tensor of the model as the caller gets it; integers keep their type."""
        backend = self.backend
        floating = backend.is_floating(result)
        if not self.numpy:
            return backend.given(result, self.like if floating else None)
        array = backend.to_numpy(result)
        if not floating or self.dtype is None:
            return array
        return array.astype(self.dtype, copy=False)

"""A backend whose tensors have nothing but what the array-API standard says."""

import array_api_strict
import numpy as np
import pytest

from trulens_core import Backend, register_backend
from trulens_core.plugins import BackendDescription, LoadedBackend, registry

ARRAY = type(array_api_strict.zeros(1))


class StrictBackend(Backend):
    """array-api-strict; it cannot differentiate."""

    name = "strict"
    xp = array_api_strict

    def is_tensor(self, x):
        return isinstance(x, ARRAY)

    def to_numpy(self, x):
        return np.array(x)

    def from_numpy(self, a, like=None):
        floating = like is not None and a.dtype.kind == "f"
        return self.xp.asarray(a, dtype=like.dtype if floating else None)

    def softmax(self, x, axis):
        powers = self.xp.exp(x - self.xp.max(x, axis=axis, keepdims=True))
        return powers / self.xp.sum(powers, axis=axis, keepdims=True)

    def sigmoid(self, x):
        return 1.0 / (1.0 + self.xp.exp(-x))

    def stop_gradient(self, x):
        return x

    def differentiate(self, run):
        raise NotImplementedError


@pytest.fixture
def strict():
    """The strict backend, registered."""
    backend = StrictBackend()
    register_backend(
        BackendDescription(
            name="strict",
            claims=lambda model: False,
            claims_tensor=backend.is_tensor,
            load=lambda: LoadedBackend(backend, None),
        )
    )
    yield backend
    registry().unregister("strict")

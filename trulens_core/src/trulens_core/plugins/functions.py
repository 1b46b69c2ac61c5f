"""Plain functions of arrays: core's own backend, loaded when it is asked for by name."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from trulens_core.plugins.descriptions import BackendDescription, LoadedBackend


class Values(np.ndarray[Any, Any]):
    """An array that a function returned.

    Quantities and distributions of the library's own ask which backend a tensor is of. A NumPy
    array by itself is nobody's; this one is.
    """


def _load() -> LoadedBackend:
    found: LoadedBackend = importlib.import_module("trulens_core.models.functions").loaded()
    return found


FUNCTION = BackendDescription(
    "function",
    claims=lambda model: False,  # noqa: ARG005 - nothing tells a function of arrays from others
    load=_load,
    claims_tensor=lambda x: isinstance(x, Values),
    options=("batched",),
    serves="functions of NumPy arrays, for methods that need no gradients",
)

"""A result in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trulens_core.results.fields import ResultFields

_PRINTED = (
    *("attributions", "gradients", "interventions", "quantity", "baseline_quantity", "residual"),
    *("n_points", "converged", "standard_error", "n_evaluations", "activation", "target"),
)
_SHOWN = 8
"""Records whose numbers are printed."""


def printed(result: ResultFields) -> str:
    """The shapes of its arrays, the numbers of a few records, its quantity and its method."""
    fields = ((n, getattr(result, n)) for n in _PRINTED)
    known = [f"{name}: {_described(value)}" for name, value in fields if value is not None]
    known += [] if result.qoi is None else [f"qoi: {result.qoi}"]
    known += [f"method: {result.method['name']}"] if result.method else []
    return f"{type(result).__name__}({', '.join(known)})"


def _described(value: Any) -> str:
    """The type and shape of arrays; of a NumPy array with a number per record, the numbers."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_described, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k!r}: {_described(v)}' for k, v in value.items())}}}"
    if hasattr(value, "shape") and hasattr(value, "columns"):
        return f"{type(value).__name__} {tuple(value.shape)}"
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return repr(value)
    if isinstance(value, np.ndarray) and value.ndim == 1 and len(value) <= _SHOWN:
        return np.array2string(value, precision=4)
    return f"{value.dtype} {tuple(value.shape)}"

"""Scores and probabilities: what a layer that is named as `logit_layer` must not give."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import CutError
from trulens_core.slices import Cut

_TOLERANCES = {2: 1e-2, 4: 1e-5, 8: 1e-9}
"""By the bytes of a number; of what a sum of probabilities is off by rounding."""


def sums_to_one(values: np.ndarray[Any, Any], tolerance: float = 1e-5) -> bool:
    """Whether values are probabilities of classes, or their logarithms: what a softmax gives.

    Law: true of softmax(z) and log_softmax(z) along any axis but the first.

    Example:
        >>> sums_to_one(np.array([[0.25, 0.75]])), sums_to_one(np.array([[0.25, 1.75]]))
        (True, False)
    """
    if values.ndim < 2 or not values.size or not np.isfinite(values).all():
        return False
    low, high = float(values.min()), float(values.max())
    if low < 0 < high or high > 1 + tolerance:
        return False
    p = values if low >= 0 else np.exp(values)
    axes = [a for a in range(1, p.ndim) if p.shape[a] > 1]
    return any(np.abs(p.sum(a) - 1).max() <= tolerance for a in axes)


def refuse_probabilities(tensors: list[Tensor], cut: Cut, backend: Backend) -> None:
    """Raise where the value at a cut that is to hold scores is probabilities.

    Raises:
        CutError: with what to name instead.
    """
    for tensor in tensors:
        size = 2 if "16" in str(tensor.dtype) else 4 if "32" in str(tensor.dtype) else 8
        values = backend.to_numpy(tensor).astype("float64")
        if backend.is_floating(tensor) and sums_to_one(values, _TOLERANCES[size]):
            raise probabilities(cut.name)


def probabilities(layer: Any, before: Any = None) -> CutError:
    """The error for a layer that gives probabilities where its scores were asked for."""
    instead = "the layer before the softmax" if before is None else repr(before)
    return CutError(
        f"LogitCut: the layer {layer!r} gives probabilities, or their logarithms, and not the "
        f"scores before its softmax or sigmoid; name {instead} with logit_layer=, and give the "
        "softmax a layer of its own where it has none"
    )

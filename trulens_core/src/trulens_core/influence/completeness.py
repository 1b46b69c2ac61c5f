"""Completeness: Σ attributions = q(x) − q(baseline), and what its error is measured in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor

_FLOOR = 1e-3


def scale(q: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What errors of completeness are measured in: |q(x) − q(b)|, or a part of q if that is tiny.

    It is that of each record alone, so that it does not depend on the batch.
    """
    least = _FLOOR * np.maximum(np.abs(q), np.abs(b))
    return np.asarray(np.maximum(np.abs(q - b), least))


def summed(tensors: list[Tensor], backend: Backend) -> Tensor:
    """The sum of each record over all tensors, (b,)."""
    xp = backend.xp
    sums = [xp.sum(xp.reshape(t, (t.shape[0], math.prod(t.shape[1:]))), axis=1) for t in tensors]
    total = sums[0]
    for s in sums[1:]:
        total = total + s
    return total

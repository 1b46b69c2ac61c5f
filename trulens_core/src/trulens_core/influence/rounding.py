"""What is rounding, and what is a difference."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor


@dataclasses.dataclass(frozen=True)
class Rounding:
    """What may be rounding, as a part of the largest value.

    Attributes:
        least: always.
        most: where the same rows in another order deviate so much, too, or in gradients where the
            values agree: a tie that flips moves a whole path.
    """

    least: float
    most: float


_ROUNDING = {"float64": Rounding(1e-10, 1e-6), "float32": Rounding(1e-5, 1e-2)}
_HALF = Rounding(3e-2, 1e-1)
_BEYOND = 10.0
"""How many times the deviation of the same rows in another order is rounding."""


def rounding(gradient: Tensor, weights: Tensor | None) -> Rounding:
    """What may be rounding in gradients of a model with weights of some type."""
    coarse = [str(t.dtype) for t in (gradient, weights) if t is not None]
    known = [next((r for n, r in _ROUNDING.items() if n in name), _HALF) for name in coarse]
    return max(known, key=lambda r: r.least)


def deviation(
    found: Sequence[Tensor], expected: Sequence[Tensor], backend: Backend, least: float = 0.0
) -> float:
    """How far tensors (b, …) are apart, in the worst record.

    That is a part of the record's largest value, or of `least` where that is larger. What is
    infinite or no number in both is equal.
    """
    worst = 0.0
    for x, y in zip(found, expected, strict=True):
        if tuple(x.shape) != tuple(y.shape):
            return float("inf")
        a, b = (by_record(t, backend) for t in (x, y))
        with np.errstate(invalid="ignore"):
            off = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        size = np.abs(np.where(np.isfinite(b), b, 0.0)).max(axis=1, initial=least)
        part = off.max(axis=1, initial=0.0) / np.where(size > 0, size, 1.0)
        worst = max(worst, float(np.nan_to_num(part, nan=np.inf).max(initial=0.0)))
    return worst


def by_record(x: Tensor, backend: Backend) -> np.ndarray[Any, Any]:
    """A tensor (b, …) as an array (b, elements) of float64."""
    a = backend.to_numpy(x).astype("float64")
    return a.reshape(a.shape[0], math.prod(a.shape[1:]))


def is_rounding(
    off: tuple[float, float], noise: tuple[float, float] | None, r: Rounding
) -> bool | None:
    """Whether deviations are rounding; None: that cannot be told without their noise.

    Args:
        off: the deviations of the quantities and of the gradients.
        noise: those of the same rows in another order, where they are known.
        r: what may be rounding.
    """
    (values, gradients), most = off, max(off)
    if min(off) <= r.least and most <= r.most:
        return True  # a difference of scores is small by chance, and a tie flips: but not both
    if noise is None and most <= r.most:
        return None
    allowed = [max(r.least, min(r.most, _BEYOND * n)) for n in noise or (0.0, 0.0)]
    return values <= allowed[0] and gradients <= allowed[1]

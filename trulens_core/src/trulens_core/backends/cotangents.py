"""What `Backend.through` passes back, checked."""

from __future__ import annotations

from typing import Any

from trulens_core.backends.backend import Backend, static_shape
from trulens_core.backends.protocol import Tensor


def checked_cotangent(backend: Backend, found: Any, g: Tensor) -> Tensor:
    """What a `pull` made of the cotangent `g`, where it is a tensor of the same shape.

    Raises:
        TypeError: where it is no tensor.
        ValueError: where its shape is another, as far as shapes are known while a step is traced.

    Example:
        >>> import numpy as np
        >>> from trulens_core.testing.reference import BACKEND
        >>> g = BACKEND.from_numpy(np.array([[1.0, 2.0]]))
        >>> checked_cotangent(BACKEND, 2.0 * g, g)
        Tensor(array([[2., 4.]]))
    """
    if not backend.is_tensor(found):
        raise TypeError(f"through: `pull` gave a {type(found).__name__}, expected a tensor")
    shape, expected = tuple(static_shape(found)), tuple(static_shape(g))
    known = [(a, b) for a, b in zip(shape, expected, strict=False) if None not in (a, b)]
    if len(shape) != len(expected) or any(a != b for a, b in known):
        raise ValueError(
            f"through: `pull` gave a tensor of shape {shape}, expected {expected}, that of the "
            "cotangent and of `x`"
        )
    return found

"""torch's tensors under array-API names.

array-api-compat's namespace, but for two functions of it: `take_along_axis`, which torch wants
with int64 indices, and `sign`, which assigns through a mask there and so fails under
`torch.func.vmap`.
"""

from __future__ import annotations

from typing import Any

import array_api_compat.torch as _torch
import torch


def take_along_axis(x: torch.Tensor, indices: torch.Tensor, /, *, axis: int = -1) -> torch.Tensor:
    """The elements of `x` at `indices` along `axis`, of any integer type."""
    return torch.take_along_dim(x, indices.long(), dim=axis)


def sign(x: torch.Tensor, /) -> torch.Tensor:
    """−1, 0 or 1."""
    return torch.sign(x)


def __getattr__(name: str) -> Any:
    found = globals()[name] = getattr(_torch, name)  # the next time it is found at once
    return found

"""How a tensor of b records becomes that of k points × b records, found by comparing the two.

The rows of a block are laid out point by point. What a layer makes of them usually is too, along
some axis: k copies of what it makes of the b records. But a layer may have flattened time and
records into one axis, and then the copies stand in another order. Shapes alone do not tell.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

Order = int
"""The axis along which the copies stand, or one of the following."""
SHARED = -1  # no copies: the same for any number of rows
UNLIKE = -2  # no k copies
UNCLEAR = -3  # k copies, but of rows so alike that another order fits too

_SAMPLES = 64


def order_of(one: torch.Tensor, many: torch.Tensor, k: int, b: int) -> Order:
    """How `many`, of k·b rows, repeats `one`, of b rows, up to rounding."""
    if many.shape == one.shape:
        return SHARED if close(many, one) else UNLIKE
    axis = _grown(one.shape, many.shape, k)
    if axis is None or not close(*_laid_out(one, many, k, axis, one.shape[axis])):
        return UNLIKE
    n = one.shape[axis]
    others = {m for m in (1, b) if m < n and n % m == 0}  # record by record, time before records
    if any(close(*_laid_out(one, many, k, axis, m)) for m in others):
        return UNCLEAR
    return axis


def identical(one: torch.Tensor, many: torch.Tensor, k: int, order: Order) -> bool:
    """Whether `many` repeats `one`, in that order, to the last bit."""
    if order < SHARED:
        return False
    a, b = many, repeated(one, k, order)
    return bool(((a == b) | ((a != a) & (b != b))).all())


def repeated(one: torch.Tensor, k: int, order: Order) -> torch.Tensor:
    """`one` for k points; a view where a single row is repeated."""
    if order == SHARED or k == 1:
        return one
    sizes = [-1] * (one.ndim + 1)
    sizes[order] = k
    return one.unsqueeze(order).expand(sizes).flatten(order, order + 1)


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors, which broadcast, are equal up to rounding.

    That is a part of the largest value, far above rounding and far below what tells rows apart.
    """
    if a.dtype != b.dtype:
        return False
    if not (a.is_floating_point() or a.is_complex()):
        return bool((a == b).all())
    if a.numel() == 0:
        return True
    size = b.abs().nan_to_num(0.0, 0.0, 0.0).max().item()
    rounding = torch.finfo(a.dtype).eps ** (2 / 3)
    return torch.allclose(a, b, rtol=0.0, atol=rounding * size, equal_nan=True)


def _grown(one: torch.Size, many: torch.Size, k: int) -> int | None:
    """The axis that is k times as long, if it is the only one that differs."""
    if len(one) != len(many):
        return None
    axes = [i for i in range(len(one)) if one[i] != many[i]]
    return axes[0] if len(axes) == 1 and many[axes[0]] == k * one[axes[0]] else None


def _laid_out(
    one: torch.Tensor, many: torch.Tensor, k: int, axis: int, m: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two tensors, equal if `many` holds k copies of each m rows of `one` before the next m."""
    before, after = one.shape[:axis], one.shape[axis + 1 :]
    n = one.shape[axis] // m
    return many.reshape(*before, n, k, m, *after), one.reshape(*before, n, 1, m, *after)


class Probe(NamedTuple):
    """Some elements of a tensor, to know it again without keeping it."""

    shape: torch.Size
    at: tuple[torch.Tensor, ...]
    values: torch.Tensor

    @classmethod
    def of(cls, t: torch.Tensor) -> Probe:
        """The probe of `t`: elements spread evenly over it."""
        if t.ndim == 0 or t.numel() == 0:
            return cls(t.shape, (), t.detach().clone())
        n = min(_SAMPLES, t.numel())
        flat = torch.arange(n, device=t.device) * t.numel() // n
        at = torch.unravel_index(flat, t.shape)
        return cls(t.shape, at, t.detach()[at])

    def fits(self, t: torch.Tensor, k: int) -> bool:
        """Whether `t` is the tensor again, or k copies of it along one axis."""
        if t.dtype != self.values.dtype:
            return False
        if t.shape == self.shape:
            return close(t.detach()[self.at] if self.at else t.detach(), self.values)
        axis = _grown(self.shape, t.shape, k)
        if axis is None or not self.at:
            return False
        copies = torch.arange(k, device=t.device)[:, None] * self.shape[axis]
        at = tuple(i + copies if a == axis else i.expand(k, -1) for a, i in enumerate(self.at))
        return close(t.detach()[at], self.values)

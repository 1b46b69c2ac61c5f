"""What is known of a tensor's memory: who else holds it, and how often it was changed in place."""

from __future__ import annotations

from collections.abc import Callable

import torch

UNKNOWN = 0

_use_count: Callable[[int], int] | None = getattr(torch._C, "_storage_Use_Count", None)


def holders(t: torch.Tensor) -> int:
    """How many tensors hold the memory of `t`, views included, plus a constant.

    UNKNOWN where this version of torch cannot tell.
    """
    return UNKNOWN if _use_count is None else _use_count(t.untyped_storage()._cdata)


_ONE = holders(torch.empty(1))


def alone(t: torch.Tensor) -> bool:
    """Whether it is certain that no other tensor holds the memory of `t`."""
    return UNKNOWN < holders(t) <= _ONE


def address(t: torch.Tensor) -> int:
    """What tells one memory from another; 0 for none."""
    return t.untyped_storage().data_ptr() if t.numel() else 0


def version(t: torch.Tensor) -> int:
    """How often the memory was changed in place, through any of the tensors that hold it."""
    return t._version


def plain(t: torch.Tensor) -> bool:
    """Whether `t` is an ordinary tensor without a graph, whose changes torch counts."""
    return (
        type(t) in (torch.Tensor, torch.nn.Parameter)
        and t.layout == torch.strided
        and not t.requires_grad
        and not t.is_inference()
    )

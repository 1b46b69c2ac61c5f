"""A tensor whose cotangent a function changes on the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from trulens_core.backends import Backend, checked_cotangent


def through(
    backend: Backend, x: torch.Tensor, pull: Callable[..., torch.Tensor], held: tuple[Any, ...]
) -> torch.Tensor:
    """See `Backend.through`."""
    differentiated = x.requires_grad and torch.is_grad_enabled()
    # within torch.func a tensor does not say whether it is differentiated
    if not (differentiated or torch._C._are_functorch_transforms_active()):
        return x

    def of(g: torch.Tensor, *known: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = checked_cotangent(backend, pull(g, *known), g)
        return found.to(g.dtype)

    known = [h.detach() for h in held]
    return _Through.apply(x, of, *known)  # type: ignore[no-untyped-call,no-any-return]


class _Through(torch.autograd.Function):
    """A node of its own: a hook on a view is lost, silently, where the view changes in place."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, of: Any, *held: torch.Tensor) -> torch.Tensor:
        del of, held
        return x.clone()  # in place, a view of a function's own is refused

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        del output
        _, ctx.of, *held = inputs
        ctx.save_for_backward(*held)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        held = ctx.saved_tensors
        return ctx.of(g, *held), None, *[None] * len(held)

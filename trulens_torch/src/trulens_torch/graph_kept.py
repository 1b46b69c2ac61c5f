"""torch's tensors and its gradient primitive where results stay in the graph of their inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._C._functorch import is_functorch_wrapped_tensor

from trulens_core.backends import Gradients, Tap
from trulens_torch import half
from trulens_torch.backend import TorchBackend, ValuesTapped, gradients_enabled


class KeepingBackend(TorchBackend):
    """PyTorch, such that what is computed can be differentiated once more.

    Nothing is detached: neither what is tapped nor what is given back, and gradients have a graph
    of their own, to weights and inputs.
    """

    def magnitude(self, x: torch.Tensor) -> float:
        return super().magnitude(x.detach())

    def given(self, x: torch.Tensor, like: torch.Tensor | None) -> torch.Tensor:
        return x if like is None else self.cast(x, like)

    def stop_gradient(self, x: torch.Tensor) -> torch.Tensor:
        return x  # core stops what nobody differentiates, and here somebody may

    def differentiate_each(
        self,
        run: Callable[[Tap], list[torch.Tensor]],
        each: Callable[..., list[torch.Tensor | None]],
    ) -> Gradients:
        tap = _Tap()
        with gradients_enabled():
            quantities = run(tap)
            gradients = [each(_gradient(q, tap.leaves)) for q in quantities]
        return Gradients(quantities, tap.values, gradients)


class _Tap(ValuesTapped):
    """Values that go on with all that they were computed from, and a leaf added to each."""

    def __call__(self, z: list[torch.Tensor], /) -> list[torch.Tensor]:
        self.values += z
        with gradients_enabled():
            return [self._with_leaf(t) for t in z]

    over = __call__


def _gradient(q: torch.Tensor, leaves: list[torch.Tensor]) -> list[Any]:
    if not q.requires_grad:
        return [None] * len(leaves)
    if half.is_half(q, leaves) and half.is_linear(q) and not is_functorch_wrapped_tensor(q):

        def derived(cotangent: torch.Tensor, again: bool) -> list[torch.Tensor | None]:
            del again  # it is, in any case
            found = torch.autograd.grad(q, leaves, cotangent, retain_graph=True, allow_unused=True)
            return list(found)

        half.check_unscaled(derived, q)
    ones = torch.ones_like(q)
    return list(torch.autograd.grad(q, leaves, ones, create_graph=True, allow_unused=True))


KEEPING = KeepingBackend()

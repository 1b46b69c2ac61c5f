"""DeepLIFT by RevealCancel (Shrikumar et al., 2017): what adds and what takes away, apart.

The change of a sum, Δx = Δx⁺ + Δx⁻, is split in what its terms add and what they take away. Both
have cotangents of their own, which is why rules tell of these parts beside the value: a function
that comes next passes back to each of them, and not to their sum.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from trulens_core.backends import Backend, Tensor
from trulens_core.rules.lift import NEAR, reference
from trulens_core.rules.operation import Operation, Parts
from trulens_core.rules.parts import moved
from trulens_core.rules.rule import Rule, carry, check_entrywise, negative, positive


@dataclasses.dataclass(frozen=True)
class Contributions(Rule):
    """The derivative, and the parts of the change of a sum: DeepLIFT's linear rule.

    Δy⁺ = Σ wᵢ Δxᵢ over the terms above 0, Δy⁻ over those below (Shrikumar et al., 2017); where xᵢ
    does not change, half of its weight belongs to each. With `RevealCancel` on the functions.
    """

    compares: ClassVar[bool] = True

    def __call__(self, op: Operation) -> Tensor:
        return op()

    def parts(self, op: Operation, y: Tensor) -> Parts | None:
        del y
        if op.kind == "add":
            return lambda: _of_terms(op)
        if op.kind == "affine" and op.parts is not None:
            zero = op.backend.xp.zeros_like(op.x)
            return moved(op.parts, lambda t: op(x=t) - op(x=zero), op.backend)
        if len(op.active) == 1 and (op.weight is not None or op.kind == "avg_pool"):
            return lambda: _of_weights(op)
        return None


@dataclasses.dataclass(frozen=True)
class RevealCancel(Rule):
    """RevealCancel, for functions of each entry: what each part does, the other there or not.

    Δy⁺ = ½ (f(x₀ + Δx⁺) − f(x₀)) + ½ (f(x) − f(x₀ + Δx⁻)), Δy⁻ in the same way (Shrikumar et al.,
    2017); Δx⁺ gets Δy⁺ / Δx⁺, Δx⁻ gets Δy⁻ / Δx⁻. They are the Shapley values of the two parts.
    The change of what is no sum is one part, of which this is the rescale rule; it is that, too,
    where f is not defined for one part without the other, such as the root of a sum of squares.

    Args:
        near: differences below it take the derivative.

    Example:
        >>> import numpy as np
        >>> from trulens_core import DeepLIFT
        >>> from trulens_core.rules import composites
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> found = DeepLIFT(model, rules=composites.reveal_cancel()).explain(x)
        >>> bool(np.abs(found.residual).max() < 1e-12)
        True
    """

    compares: ClassVar[bool] = True
    near: float = NEAR

    def __call__(self, op: Operation) -> Tensor:
        y = op()
        check_entrywise(self, op, y)
        return carry(y, [(change, 1.0) for change in self._changes(op, y)], op.backend)

    def parts(self, op: Operation, y: Tensor) -> Parts | None:
        return lambda: self._changes(op, y)

    def _changes(self, op: Operation, y: Tensor) -> tuple[Tensor, Tensor]:
        """Δy⁺ and Δy⁻, each with the derivative by its part of Δx."""
        backend, xp, sg = op.backend, op.backend.xp, op.backend.stop_gradient
        (x0,), y0 = reference(op)
        x, v = sg(op.x), sg(y)
        parts = _by_sign(op.x - x0, backend) if op.parts is None else op.parts()
        alone = [sg(op(x=x0 + sg(part))) for part in parts]
        zero, one = xp.zeros_like(x), xp.full_like(x, 1.0)
        whole = x - x0
        same = xp.abs(whole) < self.near
        mean = xp.where(same, zero, (v - y0) / xp.where(same, one, whole))
        defined = xp.isfinite(alone[0] + alone[1])  # a part alone may leave a root's domain
        found = []
        for part, with_it, without in zip(parts, alone, alone[::-1], strict=True):
            moves = sg(part)
            small = xp.abs(moves) < self.near
            change = ((with_it - y0) + (v - without)) / 2
            change = xp.where(defined, change, moves * mean)
            slope = xp.where(small, zero, change / xp.where(small, one, moves))
            still = op(x=x + xp.where(small, part - moves, zero))
            found.append(carry(change, [(part, slope), (still, 1.0)], backend))
        up, down = found
        return up, down


def _still(change: Tensor, backend: Backend) -> Tensor:
    """Half of what does not change: 0, with half of its derivative."""
    xp = backend.xp
    return xp.where(xp.abs(change) > 0, xp.zeros_like(change), change) / 2


def _by_sign(change: Tensor, backend: Backend) -> tuple[Tensor, Tensor]:
    """What of a change adds, and what takes away, entry by entry."""
    still = _still(change, backend)
    return positive(change, backend) + still, negative(change, backend) + still


def _of_weights(op: Operation) -> tuple[Tensor, Tensor]:
    """Of the change of a weighted sum."""
    backend, (x0, *_) = op.backend, reference(op).operands
    zeros = backend.xp.zeros_like
    if op.weight is None:  # a mean
        up, down = _by_sign(op.x - x0, backend)
        return op(x=up), op(x=down)
    change = op.x - x0
    up, down = positive(change, backend), negative(change, backend)
    half = op(x=_still(change, backend), bias=zeros)

    def by(w: Tensor, other: bool) -> Tensor:
        return negative(w, backend) if other else positive(w, backend)

    def both(other: bool) -> Tensor:
        first = op(x=up, weight=lambda w: by(w, other), bias=zeros)
        return first + op(x=down, weight=lambda w: by(w, not other), bias=zeros) + half

    return both(False), both(True)


def _of_terms(op: Operation) -> tuple[Tensor, Tensor]:
    """Of the change of a sum, or a difference, of tensors."""
    backend, starts = op.backend, reference(op).operands
    zeros = [backend.xp.zeros_like(t) for t in op.operands]
    found = []
    for i, x0 in zip(op.active, starts, strict=True):
        alone = [*zeros[:i], op.operands[i] - x0, *zeros[i + 1 :]]
        found.append(_by_sign(op(operands=alone), backend))
    (up, down), *rest = found
    for more, less in rest:
        up, down = up + more, down + less
    return up, down

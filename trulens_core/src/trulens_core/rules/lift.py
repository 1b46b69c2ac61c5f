"""The rules of DeepLIFT (Shrikumar et al., 2017): differences from a baseline are passed back.

x₀ and y₀ are an operation's operand and value at the baseline; what each rule passes back to its
operands, times x − x₀, adds up to what arrives times y − y₀, so that attributions are complete.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.rules.operation import AtReference, Operation
from trulens_core.rules.rule import Rule, carry, check_entrywise

NEAR = 1e-10
"""Differences below this take the derivative in place of the quotient."""


def reference(op: Operation) -> AtReference:
    """What an operation was at the baseline."""
    assert op.reference is not None
    return op.reference


@dataclasses.dataclass(frozen=True)
class Rescale(Rule):
    """The rescale rule, for functions of each entry: (y − y₀) / (x − x₀).

    Args:
        near: differences below it take the derivative.
    """

    compares: ClassVar[bool] = True
    near: float = NEAR

    def __call__(self, op: Operation) -> Tensor:
        backend, xp, ((x0,), y0) = op.backend, op.backend.xp, reference(op)
        y = op()
        check_entrywise(self, op, y)
        v = backend.stop_gradient(y)
        change = backend.stop_gradient(op.x) - x0
        small = xp.abs(change) < self.near
        zero, one = xp.zeros_like(change), xp.full_like(change, 1.0)
        quotient = (v - y0) / xp.where(small, one, change)
        return carry(
            v,
            [(op.x, xp.where(small, zero, quotient)), (y, xp.where(small, one, zero))],
            backend,
        )


@dataclasses.dataclass(frozen=True)
class RescaleMax(Rule):
    """For maxima: who wins at the record gets the way up, who wins at the baseline the way down.

    With m = max(y, y₀): the winner at x gets (m − y₀) / (x − x₀), that at x₀ gets (y − m) /
    (x − x₀); of windows with one winner at both ends, that is the rescale rule.

    Args:
        near: differences below it take the derivative.
    """

    compares: ClassVar[bool] = True
    near: float = NEAR

    def __call__(self, op: Operation) -> Tensor:
        backend, xp, ((x0,), y0) = op.backend, op.backend.xp, reference(op)
        x, v = backend.stop_gradient(op.x), backend.stop_gradient(op())
        moved = op.x - x  # 0 with the derivative of x
        change = x - x0
        small = xp.abs(change) < self.near
        zero, one = xp.zeros_like(change), xp.full_like(change, 1.0)
        per = xp.where(small, zero, one / xp.where(small, one, change))
        most = xp.where(v > y0, v, y0)
        branches = [
            (op(x=x + moved * per), most - y0),
            (op(x=x0 + moved * per), v - most),
            (op(x=x + xp.where(small, moved, zero)), 1.0),
        ]
        return carry(v, branches, backend)


@dataclasses.dataclass(frozen=True)
class RescaleProduct(Rule):
    """For a product of two: each factor's part with the mean of the other at both ends.

    That is the Shapley value of the two changes:
    ab − a₀b₀ = (a − a₀)(b + b₀)/2 + (b − b₀)(a + a₀)/2.
    """

    compares: ClassVar[bool] = True

    def __call__(self, op: Operation) -> Tensor:
        sg, (i, j), ((a0, b0), _) = op.backend.stop_gradient, op.active, reference(op)
        first, second = list(op.operands), list(op.operands)
        first[j] = (sg(op.operands[j]) + b0) / 2
        second[i] = (sg(op.operands[i]) + a0) / 2
        branches = [(_finite(op(operands=o), op), 1.0) for o in (first, second)]
        return carry(sg(op()), branches, op.backend)


@dataclasses.dataclass(frozen=True)
class RescalePath(Rule):
    """For any operation: its mean derivative on the line between both ends.

    By Gauss-Legendre's rule: to its error, which grows with the step that a softmax or a quotient
    takes, and is part of `residual`.

    Args:
        points: of the rule.
    """

    compares: ClassVar[bool] = True
    points: int = 10

    def __call__(self, op: Operation) -> Tensor:
        backend, starts = op.backend, reference(op).operands
        nodes, weights = np.polynomial.legendre.leggauss(self.points)
        branches = []
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            new = list(op.operands)
            for i, x0 in zip(op.active, starts, strict=True):
                new[i] = _between(op.operands[i], x0, float(node), op)
            branches.append((op(operands=new), float(weight)))
        return carry(backend.stop_gradient(op()), branches, backend)


def _finite(z: Tensor, op: Operation) -> Tensor:
    """Z, but for the −∞ of a mask that a product was added to, which has no derivative."""
    xp = op.backend.xp
    return xp.where(xp.isfinite(z), z, xp.zeros_like(z))


def _between(x: Tensor, x0: Tensor, part: float, op: Operation) -> Tensor:
    """x₀ + part · (x − x₀) with the derivative of x, also where both are the −∞ of a mask."""
    xp, end = op.backend.xp, op.backend.stop_gradient(x)
    zero = xp.zeros_like(end)
    same = xp.where(end >= x0, end <= x0, end > x0)
    change = xp.where(same, zero, end) - xp.where(same, zero, x0)
    finite = xp.isfinite(end)
    moved = xp.where(finite, x, zero) - xp.where(finite, end, zero)
    return xp.where(same, end, x0 + part * change) + moved

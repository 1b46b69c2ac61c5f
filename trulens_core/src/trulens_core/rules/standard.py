"""The rules of LRP, AttnLRP, guided backpropagation and the deconvolutional network.

y = f(x; w, b) is the operation, v its value, g what arrives at y; relevance is R = x ⊙ g at x and
v ⊙ g at y. x⁺ is x where it is positive, else 0; stab(z) = z + ε · sign z.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ClassVar

from trulens_core.backends import Tensor
from trulens_core.errors import UncoveredOperationError
from trulens_core.rules.operation import Operation
from trulens_core.rules.rule import (
    SMALL,
    Rule,
    carry,
    check_entrywise,
    check_weights,
    negative,
    positive,
    ratio,
)

_ZERO = 1e-10


@dataclasses.dataclass(frozen=True)
class Gradient(Rule):
    """The derivative itself; with it everywhere, attributions are those without rules."""

    def __call__(self, op: Operation) -> Tensor:
        return op()


@dataclasses.dataclass(frozen=True)
class Stop(Rule):
    """Nothing goes back: the value is taken for a constant."""

    stops: ClassVar[bool] = True

    def __call__(self, op: Operation) -> Tensor:
        return op.backend.stop_gradient(op())


@dataclasses.dataclass(frozen=True)
class Epsilon(Rule):
    """LRP-ε: what arrives goes back in the proportion of the contributions (Bach et al., 2015).

    g becomes g · v / stab(v), then the derivative: R_x = x ⊙ Jᵀ (R_y / stab(v)).

    Args:
        eps: what absorbs relevance where contributions cancel; 0 is input × gradient.
    """

    eps: float = SMALL

    def __call__(self, op: Operation) -> Tensor:
        y = op()
        v = op.backend.stop_gradient(y)
        scale = ratio(v, v, self.eps, op.backend)
        return op.backend.through(y, lambda g, s: g * s, scale)


@dataclasses.dataclass(frozen=True)
class AlphaBeta(Rule):
    """LRP-αβ: positive and negative contributions apart (Bach et al., 2015).

    P = f(x⁺; w⁺, b⁺) + f(x⁻; w⁻, 0) and N = f(x⁺; w⁻, b⁻) + f(x⁻; w⁺, 0) are what they add up to;
    α of the relevance goes back in the proportions of the one, −β in those of the other.

    Args:
        alpha: of the positive ones; α − β = 1 conserves relevance.
        beta: of the negative ones.
        eps: what denominators are kept away from zero by.
    """

    alpha: float = 2.0
    beta: float = 1.0
    eps: float = SMALL

    def __call__(self, op: Operation) -> Tensor:
        check_weights(self, op)
        backend = op.backend
        v = backend.stop_gradient(op())
        up, down = _signed(op, lambda t: positive(t, backend), lambda t: negative(t, backend))
        branches = [(up(), self.alpha * ratio(v, up(), self.eps, backend))]
        if self.beta:
            branches.append((down(), -self.beta * ratio(v, down(), self.eps, backend)))
        return carry(v, branches, backend)


@dataclasses.dataclass(frozen=True)
class ZPlus(Rule):
    """LRP-z⁺: positive contributions alone (Montavon et al., 2017); α = 1, β = 0.

    Args:
        eps: what denominators are kept away from zero by.
    """

    eps: float = SMALL

    def __call__(self, op: Operation) -> Tensor:
        return AlphaBeta(1.0, 0.0, self.eps)(op)


@dataclasses.dataclass(frozen=True)
class Gamma(Rule):
    """LRP-γ: positive contributions favoured (Montavon et al., 2019), for inputs of either sign.

    The branches of `AlphaBeta` with w + γ w⁺ and w + γ w⁻ in place of w⁺ and w⁻: that with the
    first where v > 0, that with the second where v < 0.

    Args:
        gamma: by how much; 0 is ε, infinity is z⁺.
        eps: what denominators are kept away from zero by.
    """

    gamma: float = 0.25
    eps: float = SMALL

    def __call__(self, op: Operation) -> Tensor:
        check_weights(self, op)
        backend, c = op.backend, self.gamma
        v = backend.stop_gradient(op())
        up, down = _signed(
            op, lambda t: t + c * positive(t, backend), lambda t: t + c * negative(t, backend)
        )
        where, zero = backend.xp.where, backend.xp.zeros_like(v)
        above = where(v > 0, ratio(v, up(), self.eps, backend), zero)
        below = where(v < 0, ratio(v, down(), self.eps, backend), zero)
        return carry(v, [(up(), above), (down(), below)], backend)


def _signed(
    op: Operation, p: Callable[[Tensor], Tensor], n: Callable[[Tensor], Tensor]
) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """f(x⁺; p(w), p(b)) + f(x⁻; n(w), 0), and the same with p and n exchanged; once they are asked.

    For weights split by their signs: what is above 0, and what is below.
    """
    backend = op.backend
    above, below, zero = positive(op.x, backend), negative(op.x, backend), backend.xp.zeros_like
    held: dict[bool, Tensor] = {}

    def of(up: bool) -> Tensor:
        if up not in held:
            a, b = (p, n) if up else (n, p)
            held[up] = op(x=above, weight=a, bias=a) + op(x=below, weight=b, bias=zero)
        return held[up]

    return lambda: of(True), lambda: of(False)


@dataclasses.dataclass(frozen=True)
class Identity(Rule):
    """Relevance passes as it is through a function of each entry: R_x = R_y.

    The derivative is y / x. For activations in LRP, and for GELU, SiLU in AttnLRP
    (Achtibat et al., 2024).

    Args:
        eps: what takes the place of an x of 0.
    """

    eps: float = _ZERO

    def __call__(self, op: Operation) -> Tensor:
        backend, xp = op.backend, op.backend.xp
        v = backend.stop_gradient(op())
        check_entrywise(self, op, v)
        x = backend.stop_gradient(op.x)
        zero = xp.zeros_like(x)
        known = xp.isfinite(v + x)  # the −∞ of a mask has no share
        away = xp.where(xp.abs(x) > 0, x, zero + self.eps)
        scale = xp.where(known, v / xp.where(known, away, zero + 1.0), zero)
        finite = xp.where(known, op.x, zero)  # −∞ − (−∞) is no number
        return carry(v, [(finite, scale)], backend)


@dataclasses.dataclass(frozen=True)
class Guided(Rule):
    """Guided backpropagation: only what is positive goes back (Springenberg et al., 2015).

    The derivative of g · [g > 0]. For ReLU, whose own derivative it keeps.
    """

    def __call__(self, op: Operation) -> Tensor:
        backend = op.backend
        return backend.through(op(), lambda g: positive(g, backend))


@dataclasses.dataclass(frozen=True)
class Deconv(Rule):
    """The deconvolutional network's ReLU: g · [g > 0] goes back (Zeiler and Fergus, 2014).

    In place of the ReLU's own derivative, so that what the forward pass closed is open.
    """

    def __call__(self, op: Operation) -> Tensor:
        backend, y = op.backend, op()
        check_entrywise(self, op, y)
        return backend.through(carry(y, [(op.x, 1.0)], backend), lambda g: positive(g, backend))


@dataclasses.dataclass(frozen=True)
class Shared(Rule):
    """Of a product, each factor gets its share of what arrives (Achtibat et al., 2024).

    Args:
        shares: by operand; none: all that depend on the source alike, 1/n each.
    """

    shares: tuple[float, ...] = ()

    def __call__(self, op: Operation) -> Tensor:
        new = list(op.operands)
        for i in op.active:
            share = self.shares[i] if self.shares else 1.0 / len(op.active)
            new[i] = op.backend.through(new[i], lambda g, s=share: g * s)
        return op(operands=new)


@dataclasses.dataclass(frozen=True)
class Signal(Rule):
    """Of a product of gate and signal, the signal gets all: LRP-all (Arras et al., 2017).

    y = g ⊙ s with a gate g that a sigmoid made, or 1 − g: R_s = R_y, R_g = 0. Gates decide how
    much goes on, and are taken for constants.

    Raises:
        UncoveredOperationError: where not exactly one factor comes out of a sigmoid.
    """

    def __call__(self, op: Operation) -> Tensor:
        if len(op.gates) != 1 or len(op.active) != 2:
            raise UncoveredOperationError(
                f"which factor of {op.where} is the gate is not known, since a sigmoid made "
                f"{len(op.gates)} of {len(op.active)}; let them share with Shared()"
            )
        new = list(op.operands)
        (gate,) = op.gates
        new[gate] = op.backend.stop_gradient(new[gate])
        return op(operands=new)


@dataclasses.dataclass(frozen=True)
class Numerator(Rule):
    """Of a quotient, the denominator is taken for a constant (Achtibat et al., 2024)."""

    def __call__(self, op: Operation) -> Tensor:
        top, bottom = op.operands
        return op(operands=[top, op.backend.stop_gradient(bottom)])

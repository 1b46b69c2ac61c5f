"""Rules for the operation that takes the value at the source cut itself.

What they pass back is relevance itself, which is not multiplied with the value: `one` is 1 with
the derivative of x.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.rules.operation import Operation
from trulens_core.rules.rule import SMALL, Rule, carry, check_weights, negative, positive, ratio


def _one(op: Operation) -> Tensor:
    return op.x - op.backend.stop_gradient(op.x) + 1.0


@dataclasses.dataclass(frozen=True)
class Flat(Rule):
    """Relevance spread alike over all that an output sees (Lapuschkin et al., 2019).

    The proportions are those of f(1; 1, 0).

    Args:
        eps: what denominators are kept away from zero by.
    """

    relevance: ClassVar[bool] = True
    eps: float = SMALL

    def __call__(self, op: Operation) -> Tensor:
        check_weights(self, op)
        xp, v = op.backend.xp, op.backend.stop_gradient(op())
        z = op(x=_one(op), weight=lambda w: xp.full_like(w, 1.0), bias=xp.zeros_like)
        return carry(v, [(z, ratio(v, z, self.eps, op.backend))], op.backend)


@dataclasses.dataclass(frozen=True)
class WSquare(Rule):
    """Relevance in the proportion of squared weights (Montavon et al., 2017): f(1; w², b²).

    Args:
        eps: what denominators are kept away from zero by.
    """

    relevance: ClassVar[bool] = True
    eps: float = SMALL

    def __call__(self, op: Operation) -> Tensor:
        check_weights(self, op)
        v = op.backend.stop_gradient(op())
        z = op(x=_one(op), weight=lambda w: w * w, bias=lambda b: b * b)
        return carry(v, [(z, ratio(v, z, self.eps, op.backend))], op.backend)


@dataclasses.dataclass(frozen=True)
class Box(Rule):
    """LRP-zᴮ: for values between two bounds, such as pixels (Montavon et al., 2017).

    The proportions are those of f(x; w, b) − f(l; w⁺, b⁺) − f(h; w⁻, b⁻).

    Args:
        low: l, the least that a value can be: a number, or an array that broadcasts with x.
        high: h, the most.
        eps: what denominators are kept away from zero by.
    """

    relevance: ClassVar[bool] = True
    low: Any
    high: Any
    eps: float = SMALL

    def __post_init__(self) -> None:
        for name in ("low", "high"):  # as what has a key by value
            value = _nested(np.asarray(getattr(self, name)).tolist())
            object.__setattr__(self, name, value)

    def __call__(self, op: Operation) -> Tensor:
        check_weights(self, op)
        backend, one = op.backend, _one(op)
        v, x = backend.stop_gradient(op()), backend.stop_gradient(op.x)

        def p(t: Tensor) -> Tensor:
            return positive(t, backend)

        def n(t: Tensor) -> Tensor:
            return negative(t, backend)

        low, high = (
            backend.from_numpy(np.asarray(bound, "float64"), like=x)
            for bound in (self.low, self.high)
        )
        z = op(x=x * one)
        z = z - op(x=low * one, weight=p, bias=p) - op(x=high * one, weight=n, bias=n)
        return carry(v, [(z, ratio(v, z, self.eps, backend))], backend)


def _nested(value: Any) -> Any:
    return tuple(map(_nested, value)) if isinstance(value, list) else value

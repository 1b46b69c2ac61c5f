"""What a rule of the backward pass is, and what rules are made of.

A rule is no backward function but an expression with the operation's exact value and the rule's
derivative, so that one definition serves every framework, at every cut and under every transform.
Relevance is value times what arrives: R = x ⊙ g.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, final

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import UncoveredOperationError
from trulens_core.rules.operation import Operation, Parts

SMALL = 1e-6
"""What denominators are kept away from zero by, unless said otherwise."""


class Rule(ABC):
    """How one operation passes back what arrives at it.

    A rule of one's own is a class with `__call__`. It is a value: two of one class with the same
    options are the same rule.

    Example:
        Nothing but a sign goes back:

        >>> class Signs(Rule):
        ...     def __call__(self, op):
        ...         return op.backend.through(op(), op.backend.xp.sign)
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.rules import Gradient, RuleSet
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> rules = RuleSet([("linear", Signs()), ("*", Gradient())])
        >>> InputAttribution(model, rules=rules).attributions(x).shape
        (2, 5)
    """

    relevance: ClassVar[bool] = False
    """Whether what it passes back is relevance itself, not relevance per value; at the source."""
    compares: ClassVar[bool] = False
    """Whether it compares the operation with what it was at a baseline."""
    stops: ClassVar[bool] = False
    """Whether it passes nothing back."""

    @abstractmethod
    def __call__(self, op: Operation) -> Tensor:
        """The value of the operation, to the bit, with the rule's derivative."""

    def parts(self, op: Operation, y: Tensor) -> Parts | None:
        """How the change of the value from the baseline splits, for the functions that come next.

        Args:
            op: the operation.
            y: what the rule gave.
        """
        del op, y
        return None

    @final
    @property
    def custom(self) -> bool:
        """Whether it is the caller's own."""
        return not type(self).__module__.startswith("trulens_core.")


def carry(y: Tensor, branches: Sequence[tuple[Tensor, Tensor | float]], backend: Backend) -> Tensor:
    """The value of `y`, with the derivative of Σ z · s over the branches (z, s).

    carry(y, (z, s), …) = sg(y) + Σ (z − sg(z)) · sg(s), sg the value without its derivative.

    Args:
        y: the value.
        branches: what is differentiated, each with its scale.
        backend: of the tensors.
    """
    sg = backend.stop_gradient
    out = sg(y)
    for z, scale in branches:
        out = out + (z - sg(z)) * scale
    return out


def stabilized(z: Tensor, eps: float, backend: Backend) -> Tensor:
    """Z + ε · sign z, where the sign of 0 is 1."""
    xp = backend.xp
    one = xp.full_like(z, 1.0)
    return z + eps * xp.where(z >= 0, one, -one)


def ratio(v: Tensor, z: Tensor, eps: float, backend: Backend) -> Tensor:
    """V / (z + ε · sign z), without derivative: what a branch with the value z is scaled by."""
    return v / stabilized(backend.stop_gradient(z), eps, backend)


def positive(t: Tensor, backend: Backend) -> Tensor:
    """T where it is above 0, else 0."""
    return backend.xp.where(t > 0, t, backend.xp.zeros_like(t))


def negative(t: Tensor, backend: Backend) -> Tensor:
    """T where it is below 0, else 0."""
    return backend.xp.where(t < 0, t, backend.xp.zeros_like(t))


def check_weights(rule: Rule, op: Operation) -> None:
    """Raise unless the operation has weights to be changed, and one operand that they act on."""
    if op.weight is None or len(op.active) != 1:
        raise UncoveredOperationError(
            f"{rule!r} changes an operation's weights, and {op.where} has none that are known; "
            "choose another rule for it, such as Epsilon()"
        )


def check_entrywise(rule: Rule, op: Operation, y: Tensor) -> None:
    """Raise unless the operation is of one tensor and gives one of its shape."""
    if len(op.active) != 1 or tuple(op.x.shape) != tuple(y.shape):
        raise UncoveredOperationError(
            f"{rule!r} is for functions of one tensor, entry by entry, and {op.where} is none; "
            "choose another rule for it, such as Gradient()"
        )

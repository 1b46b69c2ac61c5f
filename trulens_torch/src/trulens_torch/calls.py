"""A call of one of torch's functions, seen as an operation that rules know."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from trulens_core.errors import UncoveredOperationError
from trulens_core.rules import Applied, Operation
from trulens_torch import traced_values as tv
from trulens_torch.functions import Known
from trulens_torch.traced_values import Value


class Mode(Protocol):
    """What a call needs of the mode that it is handed to."""

    rules: Applied
    token: object

    @property
    def layer(self) -> str:
        """The layer that is running."""

    def mark(self, out: Any, value: Value) -> None:
        """Note what is known of what an operation gave."""


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of a function on values that depend on the source.

    Attributes:
        mode: it was handed to.
        what: is known of the function.
        function: not in place.
        args: positional arguments.
        options: the others.
    """

    mode: Mode
    what: Known
    function: Callable[..., Any]
    args: Sequence[Any]
    options: dict[str, Any]

    def value(self, x: Any) -> Value | None:
        """What is known of a tensor."""
        return tv.value_of(x, self.mode.token)

    def active(self, operands: Sequence[Any]) -> list[int]:
        """Which operands depend on the source."""
        return [i for i, t in enumerate(operands) if is_active(t)]

    def named(self, *names: str) -> list[Any]:
        """The first arguments, by position or by name; None for what is missing."""
        found = list(self.args[: len(names)])
        return found + [self.options.get(n) for n in names[len(found) :]]

    def of_first(self) -> Callable[[Any], Any]:
        """The function of its first argument."""
        rest, options, function = self.args[1:], self.options, self.function
        return lambda x: function(x, *rest, **options)

    def apply(  # noqa: PLR0913 - what an operation is made of
        self,
        kind: str,
        function: Callable[..., torch.Tensor],
        operands: Sequence[Any],
        *,
        weight: int | None = None,
        bias: int | None = None,
        value: Value | None = None,
        name: str = "",
    ) -> torch.Tensor:
        """The operation by its rule; its result is marked with what is known of it.

        Args:
            kind: of the operation.
            function: of the operands.
            operands: all tensors that depend on the source are among them.
            weight: which of them holds weights.
            bias: which of them holds the bias.
            value: what is known of the result besides; None: that it is known.
            name: in place of the function's.
        """
        mode, active = self.mode, self.active(operands)
        given = {id(t) for t in tv.tensors_in((self.args, self.options)) if t.requires_grad}
        name = name or self.what.name
        layer = mode.layer
        if not value and not given <= {id(operands[i]) for i in active}:
            raise UncoveredOperationError(
                f"{name!r} in layer {layer or 'the model'!r} has another operand that depends on "
                "the source (weights, or a mask), which rules do not serve"
            )
        known = [self.value(operands[i]) for i in active]
        first = any(v is not None and v.source for v in known)
        op = Operation(
            kind, function, operands, active, mode.rules.backend, weight, bias, name, layer, first
        )
        out: torch.Tensor = mode.rules.apply(op)
        held = value or Value(mode.token)
        mode.mark(out, dataclasses.replace(held, entry=mode.rules.last, name=name))
        return out

    def derived(self, parent: Any, step: Callable[[Any], Any]) -> Value:
        """What is known of a value that was computed of another entry by entry."""
        version = parent._version
        return Value(
            self.mode.token, False, parent, self.value(parent), step, version, self.what.name
        )


def is_active(t: Any) -> bool:
    """Whether something is a tensor that depends on the source."""
    return isinstance(t, torch.Tensor) and t.requires_grad


def broadcast(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...]:
    """The shape that two shapes broadcast to."""
    return tuple(torch.broadcast_shapes(a, b))  # type: ignore[no-untyped-call]

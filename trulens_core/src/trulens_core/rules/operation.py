"""One operation of a model as rules see it, whatever framework it is of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from trulens_core.backends import Backend, Tensor

KINDS = frozenset(
    [
        "linear",
        "conv",
        "affine",
        "relu",
        "pointwise",
        "max_pool",
        "avg_pool",
        "softmax",
        "add",
        "multiply",
        "matmul",
        "divide",
        "rsqrt",
        "attention",
        "structural",
        "unknown",
    ]
)
"""What operations are told apart by.

linear, conv: with weights that do not depend on the source. affine: scaled and moved, entry by
entry. pointwise: any other function of one tensor, entry by entry. add, multiply, matmul, divide:
of several tensors that depend on the source. attention: scaled dot products, softmax and the
weighted sum, as one. structural: moves, repeats, scales or sums entries.
"""


LEFT = "1 - x"
"""The name of an operation that gives what of 1 is left, as of a gate: 1 − x."""

MERGED = "(merged)"
"""What the name of an operation ends with that a normalisation is a part of."""

Parts = Callable[[], tuple[Tensor, Tensor]]
"""What adds to the change of a value, and what takes away, as tensors that are differentiated."""


class AtReference(NamedTuple):
    """What an operation was at the baseline.

    Attributes:
        operands: those that depend on the source, in the order of `Operation.active`.
        value: what it gave.
    """

    operands: Sequence[Tensor]
    value: Tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """One operation on values that depend on the source.

    Attributes:
        kind: one of `KINDS`, what a rule set chooses by.
        function: pure, of the operands.
        operands: tensors; None where an optional one is left out.
        active: which of them depend on the source.
        backend: of the tensors.
        weight: which of them holds weights, if one does.
        bias: which of them holds a bias, if one does.
        name: what the framework calls it, for messages.
        layer: the layer that runs it, by its name.
        first: whether an operand is the value at the source cut itself.
        reference: what it was at the baseline, for rules that compare.
        gates: which operands a sigmoid made, or what it leaves of 1, as in recurrent layers.
        parts: of the change of its one operand, for rules that compare; None where none are known.

    Example:
        >>> import numpy as np
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> x = b.from_numpy(np.array([[-1.0, 2.0]]))
        >>> op = Operation("pointwise", lambda t: t * t, [x], [0], b)
        >>> op(), op(x=x * 2.0)
        (Tensor(array([[1., 4.]])), Tensor(array([[ 4., 16.]])))
    """

    kind: str
    function: Callable[..., Tensor]
    operands: Sequence[Any]
    active: Sequence[int]
    backend: Backend
    weight: int | None = None
    bias: int | None = None
    name: str = ""
    layer: str = ""
    first: bool = False
    reference: AtReference | None = None
    gates: Sequence[int] = ()
    parts: Parts | None = None

    @property
    def x(self) -> Tensor:
        """The first operand that depends on the source."""
        return self.operands[self.active[0]]

    @property
    def where(self) -> str:
        """Which operation it is, for messages."""
        return f"{self.name!r} (kind {self.kind!r}) in layer {self.layer or 'the model'!r}"

    def __call__(
        self,
        *,
        x: Tensor | None = None,
        weight: Callable[[Tensor], Tensor] | None = None,
        bias: Callable[[Tensor], Tensor] | None = None,
        operands: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """What the function gives, of these operands or others.

        Args:
            x: in place of the first that depends on the source.
            weight: a function of the weights, in their place.
            bias: a function of the bias, in its place.
            operands: all of them.
        """
        new = list(self.operands if operands is None else operands)
        if x is not None:
            new[self.active[0]] = x
        for i, changed in ((self.weight, weight), (self.bias, bias)):
            if i is not None and changed is not None and new[i] is not None:
                new[i] = changed(new[i])
        return self.function(*new)

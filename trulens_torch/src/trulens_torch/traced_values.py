"""What is known of the values that depend on a source, while rules are applied to a pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from trulens_core.rules.report import Entry

_NAME = "_trulens_ruled"
_DEEPEST = 16


@dataclasses.dataclass(frozen=True)
class Linear:
    """The linear operation that gave a value, to which a bias or a scale may still be added.

    Attributes:
        kind: of the operation.
        function: of its operands, and of a bias or None.
        operands: without the bias.
        weight: which of them holds weights.
        bias: the bias; None where it has none.
        entry: of the report.
        versions: of the operands when it ran: what was changed since gives something else.
        outputs_first: whether the first axis of the weights is that of the channels it gives.
    """

    kind: str
    function: Callable[..., torch.Tensor]
    operands: Sequence[Any]
    weight: int | None
    bias: torch.Tensor | None
    entry: Entry | None
    versions: tuple[int, ...]
    outputs_first: bool = False

    @property
    def mergeable(self) -> bool:
        """Whether a scale of the channels that it gives can be a part of its weights."""
        return self.outputs_first and self.valid

    @property
    def valid(self) -> bool:
        """Whether the operands are what they were."""
        return versions(self.operands) == self.versions


@dataclasses.dataclass(frozen=True, eq=False)
class Value:
    """What is known of the value of a tensor.

    Attributes:
        token: of the pass; a value of another is not known in this one.
        source: whether it is the value at the source cut itself, moved at most.
        parent: what it was computed from entry by entry, if it was.
        step: how.
        version: of the parent, then.
        name: of the function that gave it.
        entry: of the report.
        linear: the linear operation that gave it, if one did.
        summed: whether the step is a sum, so that the shape is another.
    """

    token: object
    source: bool = False
    parent: torch.Tensor | None = None
    parent_value: Value | None = None
    step: Callable[[Any], Any] | None = None
    version: int = 0
    name: str = ""
    entry: Entry | None = None
    linear: Linear | None = None
    summed: bool = False

    def before(self) -> tuple[torch.Tensor, Value, Callable[[Any], Any]] | None:
        """The parent, its value and the step from it, where it is still what it was."""
        if self.parent is None or self.parent_value is None or self.step is None:
            return None
        if self.parent._version != self.version:
            return None
        return self.parent, self.parent_value, self.step


def value_of(x: Any, token: object) -> Value | None:
    """What is known of a tensor in the pass of `token`."""
    found = getattr(x, _NAME, None)
    return found if isinstance(found, Value) and found.token is token else None


def put(x: torch.Tensor, value: Value) -> None:
    """Note what is known of a tensor."""
    if value.parent is x:  # changed in place: the one before it is gone, and a circle would stay
        value = dataclasses.replace(value, parent=None, parent_value=None, step=None)
    setattr(x, _NAME, value)


def lineage(
    x: torch.Tensor, token: object
) -> Iterator[tuple[torch.Tensor, Value, Callable[[Any], Any]]]:
    """A tensor and what it was computed from entry by entry, each with the way from it to `x`."""
    value = value_of(x, token)
    way: Callable[[Any], Any] = _same
    for _ in range(_DEEPEST):
        if value is None:
            return
        yield x, value, way
        found = value.before()
        if found is None or value.summed:
            return
        x, value, step = found
        way = _chained(way, step)


def ancestor(
    a: torch.Tensor, b: torch.Tensor, token: object
) -> tuple[torch.Tensor, Value, Callable[[Any], Any], Callable[[Any], Any]] | None:
    """What two tensors were both computed from entry by entry, and the ways from it to them."""
    of_b = list(lineage(b, token))
    for t, value, to_a in lineage(a, token):
        for _, other, to_b in of_b:
            if value is other and t.shape == a.shape == b.shape:
                return t, value, to_a, to_b
    return None


def common(
    tensors: Sequence[torch.Tensor], token: object
) -> tuple[torch.Tensor, Value, list[Callable[[Any], Any]]] | None:
    """What tensors of one shape were all computed from entry by entry, and the ways from it."""
    first, *rest = ({id(v): (t, v, way) for t, v, way in lineage(x, token)} for x in tensors)
    for key, (root, value, way) in first.items():
        if all(key in other for other in rest) and all(t.shape == root.shape for t in tensors):
            return root, value, [way, *(other[key][2] for other in rest)]
    return None


def entries_between(x: torch.Tensor, root: Value, token: object) -> Iterator[Entry]:
    """The entries of the operations from a value to a tensor computed from it entry by entry."""
    for _, value, _ in lineage(x, token):
        if value is root:
            return
        if value.entry is not None:
            yield value.entry


def versions(operands: Sequence[Any]) -> tuple[int, ...]:
    """How often each tensor was changed in place."""
    return tuple(t._version if isinstance(t, torch.Tensor) else 0 for t in operands)


def tensors_in(values: Any) -> Iterator[torch.Tensor]:
    """The tensors in arguments, which may hold lists and dictionaries of them."""
    for x in values:
        if isinstance(x, torch.Tensor):
            yield x
        elif isinstance(x, list | tuple):
            yield from tensors_in(x)
        elif isinstance(x, dict):
            yield from tensors_in(x.values())


def _same(x: Any) -> Any:
    return x


def _chained(after: Callable[[Any], Any], before: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: after(before(x))

"""Batch normalisation of a program, taken as a part of the linear operation before it.

In evaluation mode it is a scale and a shift of each channel. A program does not say where one is:
it is known by a factor that was made by a square root, and constants that differ by channel alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any

from trulens_core.backends import Backend
from trulens_core.rules.programs import Flat, Key, Node

_SCALES = frozenset({"add", "sub", "mul", "div"})
_SHAPES = frozenset({"reshape", "squeeze", "expand_dims"})
_MOVES = _SHAPES | {"broadcast_in_dim", "convert_element_type", "copy"}
_ROOTS = frozenset({"rsqrt", "sqrt"})
_OPEN = 1_000_003
"""What stands for a length that is not known: a prime, so that products tell how many there are."""


@dataclasses.dataclass(frozen=True, eq=False)
class Merged:
    """A linear operation and what is normalised of it.

    Attributes:
        linear: the place of its equation, without a bias.
        after: the places of those that come after it.
        axis: of the channels in what it gives.
        weight: which of its operands holds weights.
        weight_axes: of the channels in these.
    """

    linear: int
    after: Sequence[int]
    axis: int
    weight: int
    weight_axes: Sequence[int]

    def operands(
        self, flat: Flat, env: dict[Key, Any], backend: Backend
    ) -> tuple[Callable[..., Any], list[Any]]:
        """The operation as a function of its value, weights and a bias, and these three."""
        node, xp = flat.nodes[self.linear], backend.xp
        given = [env[k] for k in node.ins]
        x, w = given[1 - self.weight], given[self.weight]

        def linear(x: Any, w: Any) -> Any:
            pair = [w, x] if self.weight == 0 else [x, w]
            (y,) = node.run(*pair, *given[2:])  # of a transposed convolution, the size comes after
            return y

        def moved(y: Any) -> Any:
            return self._run(flat, env, y, only=_SHAPES)

        nothing = xp.zeros_like(linear(x, w))
        shift = self._run(flat, env, nothing)
        lengths = tuple(-1 if n is None else n for n in nothing.shape)
        scale = xp.reshape(self._run(flat, env, nothing + 1.0) - shift, lengths)
        one = scale[tuple(slice(None) if a == self.axis else 0 for a in range(scale.ndim))]
        shape = [n if a in self.weight_axes else 1 for a, n in enumerate(w.shape)]
        return lambda x, w, b: moved(linear(x, w)) + b, [x, w * xp.reshape(one, shape), shift]

    def _run(self, flat: Flat, env: dict[Key, Any], y: Any, only: frozenset[str] = _MOVES) -> Any:
        """What comes after the linear operation, of `y`; of shapes alone, where that is asked."""
        local: dict[Key, Any] = {flat.nodes[self.linear].outs[0]: y}
        for j in self.after:
            node = flat.nodes[j]
            (k,) = [k for k in node.ins if k in local]
            if node.site is not None or (only is _SHAPES and node.name not in _SHAPES):
                found = [local[k]]
            else:
                found = node.run(*[local.get(k, env.get(k)) for k in node.ins])
            local.update(zip(node.outs, found, strict=True))
        return local[flat.nodes[self.after[-1]].outs[0]]


class Merging:
    """Finds what is normalised in a program.

    Args:
        flat: the program.
        active: its values that depend on the source.
        tapped: whether a tap is where the source is.
    """

    def __init__(self, flat: Flat, active: set[Key], tapped: Callable[[Any], bool]) -> None:
        self._flat, self._active, self._tapped = flat, active, tapped
        self._producer = {k: i for i, n in enumerate(flat.nodes) for k in n.outs}
        self._users: dict[Key, list[int]] = {}
        for i, node in enumerate(flat.nodes):
            for k in node.ins:
                self._users.setdefault(k, []).append(i)

    def found(self) -> Iterator[Merged]:
        """What is normalised, in order."""
        for i, node in enumerate(self._flat.nodes):
            given = [j for j, k in enumerate(node.ins) if k in self._active]
            axes = node.channels.get(1 - given[0]) if len(given) == 1 else None
            after = [] if axes is None else self._after(i, axes[0])
            if axes is not None and after:
                yield Merged(i, after, axes[0], 1 - given[0], axes[1])

    def alone(self, within: Container[int]) -> Iterator[str]:
        """What normalises channels and is not among the places of what is merged."""
        for i, node in enumerate(self._flat.nodes):
            given = [j for j, k in enumerate(node.ins) if k in self._active]
            if i not in within and len(given) == 1 and self._normalises(node, given[0]):
                yield node.layer or node.name

    def _normalises(self, node: Node, at: int) -> bool:
        """Whether an equation scales the channels of one of its operands by a square root."""
        if _is_whole(node):
            return True
        if node.name not in ("mul", "div") or (node.name == "div" and at == 1):
            return False
        other = node.ins[1 - at]
        return math.prod(self._shape(other)) > 1 and self._is_root(other)

    def _after(self, i: int, axis: int) -> list[int]:
        """What follows an operation and scales or moves its channels; empty without a root."""
        found: list[int] = []
        ends = 0
        out = self._flat.nodes[i].outs[0]
        shape = self._shape(out)
        size, before = shape[axis], math.prod(shape[:axis])
        normalised = False
        while len(users := self._users.get(out, [])) == 1 and out not in self._flat.outputs:
            (j,) = users
            node = self._flat.nodes[j]
            others = [k for k in node.ins if k != out]
            if node.name in _SCALES and len(others) == 1:
                if node.name == "div" and node.ins[0] != out:
                    break
                if others[0] in self._active or not self._by_channel(others[0], out, size, before):
                    break
                normalised |= node.name in ("mul", "div") and self._is_root(others[0])
                ends = len(found) + 1 if normalised else 0
            elif _is_whole(node):
                (at, _) = node.channels[0]
                if math.prod(self._shape(out)[:at]) != before or self._active.intersection(others):
                    break
                normalised, ends = True, len(found) + 1
            elif others or not self._passes(node):
                break
            found.append(j)
            (out,) = node.outs
        return found[:ends]

    def _passes(self, node: Node) -> bool:
        """Whether what is normalised may go by: a change of shape, a layer's two ends."""
        return node.name in _SHAPES if node.site is None else not self._tapped(node.site)

    def _shape(self, k: Key) -> tuple[int, ...]:
        i = self._producer.get(k)
        if i is None:
            return _lengths(getattr(self._flat.constants.get(k), "shape", ()))
        node = self._flat.nodes[i]
        shape = node.avals[node.outs.index(k)].shape
        return (0,) if shape is None else _lengths(shape)

    def _by_channel(self, k: Key, of: Key, size: int, before: int) -> bool:
        """Whether a constant differs by channel alone, or not at all."""
        whole, shape = self._shape(of), self._shape(k)
        shape = (1,) * (len(whole) - len(shape)) + shape  # as it is broadcast
        while True:
            if math.prod(shape) == 1:
                return True
            wide = [a for a, n in enumerate(shape) if n > 1]
            if len(shape) == len(whole) and len(wide) == 1:
                (axis,) = wide
                return shape[axis] == size and math.prod(whole[:axis]) == before
            i = self._producer.get(k)
            if i is None or self._flat.nodes[i].name not in _MOVES:
                return False
            k = self._flat.nodes[i].ins[0]
            shape = self._shape(k)

    def _is_root(self, k: Key, deepest: int = 8) -> bool:
        """Whether a constant was made by a square root."""
        i = self._producer.get(k)
        if i is None or not deepest:
            return False
        node = self._flat.nodes[i]
        return node.name in _ROOTS or any(self._is_root(k, deepest - 1) for k in node.ins)


def _is_whole(node: Node) -> bool:
    """Whether an equation is a normalisation by stored moments, as one."""
    return node.kind is not None and 0 in node.channels and node.kind() == "affine"


def _lengths(shape: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(_OPEN if n is None else n for n in shape)

"""Softmax, its logarithm, and the logarithm of a sum of powers, among a program's equations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set

from trulens_core.rules.programs import Flat, Key, Node

SHAPES = frozenset({"broadcast_in_dim", "reshape", "expand_dims", "squeeze", "transpose"})
"""Primitives that give a value other axes."""
SAME = frozenset({"copy", "convert_element_type"})
"""Primitives that give a value as it is."""


class Exponentials:
    """What a program does with powers of e.

    Args:
        flat: the program.
        producer: the place of the equation that gives a value.
        users: the places of those that read it.
        active: the values that depend on the source, as far as the program was followed.
    """

    def __init__(
        self,
        flat: Flat,
        producer: Mapping[Key, int],
        users: Mapping[Key, Sequence[int]],
        active: Set[Key],
    ) -> None:
        self._flat, self._producer, self._users, self._active = flat, producer, users, active

    def softmax(self, node: Node) -> Key | None:
        """The x of exp(x) / Σ exp(x), less what shifts all alike or not; None for others."""
        top, bottom = node.ins
        summed = self._summed(bottom, ())
        if summed is None or summed.outs[0] != top:
            return None
        return self._unshifted(summed.ins[0], {self._producer[top]})

    def log_softmax(self, node: Node) -> Key | None:
        """The x of x − log Σ exp(x), less what shifts all alike or not; None for others."""
        x, less = node.ins
        log = self._behind(less, ())
        summed = self._summed(log.ins[0], ()) if log is not None and log.name == "log" else None
        if summed is None or summed.ins[0] != x:
            return None
        return self._unshifted(x, {self._producer[node.outs[0]], self._producer[summed.outs[0]]})

    def is_log_of_sum(self, node: Node) -> bool:
        """Whether it is log Σ exp(x), of which no rule is known: it is no function of entries."""
        return node.name == "log" and self._summed(node.ins[0], {"abs"}) is not None

    def _summed(self, k: Key, beside: Collection[str]) -> Node | None:
        """The powers whose sum a value is."""
        total = self._behind(k, beside)
        if total is None or total.name != "reduce_sum":
            return None
        at = self._producer.get(total.ins[0])
        return None if at is None or self._flat.nodes[at].name != "exp" else self._flat.nodes[at]

    def _behind(self, k: Key, beside: Collection[str]) -> Node | None:
        """What gives a value, whatever axes it got then."""
        while (at := self._producer.get(k)) is not None:
            node = self._flat.nodes[at]
            if node.name not in SHAPES | SAME and node.name not in beside:
                return node
            k = node.ins[0]
        return None

    def _unshifted(self, x: Key, readers: Set[int]) -> Key:
        """What x was before a constant, such as its maximum, was taken from it."""
        at = self._producer.get(x)
        if at is None or self._flat.nodes[at].name != "sub" or x in self._flat.outputs:
            return x
        first, second = self._flat.nodes[at].ins
        own = set(self._users.get(x, ())) == readers
        return first if own and first in self._active and second not in self._active else x

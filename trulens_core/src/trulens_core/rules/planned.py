"""Which equations of a program are operations that rules know, and which are parts of one.

A program has no names: GELU, softmax and a layer's bias are known by what they are made of. Its
primitives have those of JAX; other frameworks' are called by them where they do the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from trulens_core.rules.exponentials import SAME, SHAPES, Exponentials
from trulens_core.rules.merging import Merged, Merging
from trulens_core.rules.operation import LEFT, MERGED
from trulens_core.rules.programs import Flat, Key, Node

_MOVES = (
    "reshape transpose broadcast_in_dim squeeze expand_dims slice dynamic_slice gather concatenate "
    "pad convert_element_type copy copy_p rev select_n split real reduce_precision "
    "sharding_constraint optimization_barrier dynamic_update_slice name mesh_cast pvary"
)
MOVES = frozenset(_MOVES.split())
_SUMS = "reduce_sum neg cumsum reduce_window_sum add_any scatter scatter-add"
SUMS = frozenset(_SUMS.split())
_POINTWISE = (
    "tanh logistic erf erfc exp exp2 log log1p expm1 sqrt integer_pow pow square sin cos tan abs "
    "cbrt atan sinh cosh asinh acosh atanh erf_inv clamp"
)
POINTWISE = frozenset(_POINTWISE.split())
_MAXIMA = frozenset({"reduce_max", "reduce_window_max", "reduce_min", "cummax"})

Stops = Callable[[str, str], bool]


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """An operation.

    Attributes:
        kind: of it.
        ins: its operands.
        body: its equations, in order; the last gives its result.
        weight: which operand holds weights.
        bias: which holds a bias.
        name: for messages.
        merged: what it is where something after it is a part of it.
    """

    kind: str
    ins: Sequence[Key]
    body: Sequence[int]
    weight: int | None = None
    bias: int | None = None
    name: str = ""
    merged: Merged | None = None


class Plan:
    """The operations on what depends on some values of a program.

    Args:
        flat: the program.
        sources: values of it.
        tapped: whether a tap is where the source is.
        stops: whether nothing goes back through operations of a kind in a layer.

    Attributes:
        heads: the operations, by the places of the equations that give their results.
        inside: the places of equations that are parts of later ones.
        active: the values that depend on the source.
        sources: those that are the source's own, moved at most.
        layers: the layer of each equation.
    """

    def __init__(
        self,
        flat: Flat,
        sources: Sequence[Key],
        tapped: Callable[[Any], bool],
        stops: Stops,
    ) -> None:
        self.flat = flat
        self.heads: dict[int, Head] = {}
        self.inside: set[int] = set()
        self.active: set[Key] = set(sources)
        self.sources: set[Key] = set(sources)
        self.layers: list[str] = []
        self._told: set[Key] = set()
        self._parent: dict[Key, Key] = {}
        self._producer = {k: i for i, n in enumerate(flat.nodes) for k in n.outs}
        self._shape = {k: a.shape for n in flat.nodes for k, a in zip(n.outs, n.avals, strict=True)}
        self._users: dict[Key, list[int]] = {}
        for i, k in ((i, k) for i, n in enumerate(flat.nodes) for k in n.ins):
            self._users.setdefault(k, []).append(i)
        self._exponentials = Exponentials(flat, self._producer, self._users, self.active)
        self._live = self._reaching(tapped)
        for i, node in enumerate(flat.nodes):
            self.layers.append(node.layer)
            self._follow(i, node, tapped, stops)

    def merge(self, tapped: Callable[[Any], bool]) -> list[str]:
        """Take batch normalisations for a part of the linear operations before them.

        Returns:
            Those that are not, by their layers.
        """
        merging, places = Merging(self.flat, self.active, tapped), set()
        for found in merging.found():
            linear, *_, last = within = [found.linear, *found.after]
            heads = [self.heads.pop(j) for j in within if j in self.heads]
            self.inside.update(within[:-1])
            places.update(within)
            ins = [self.flat.nodes[linear].ins[1 - found.weight]]
            name = f"batch normalisation {MERGED}"
            self.heads[last] = Head(heads[0].kind, ins, within, 1, 2, name, found)
        return list(merging.alone(places))

    # -- what depends on what ------------------------------------------------------------------

    def _reaching(self, tapped: Callable[[Any], bool]) -> set[Key]:
        """The values that something of the outputs is passed back to."""
        live = set(self.flat.outputs)
        for node in reversed(self.flat.nodes):
            source = node.site is not None and tapped(node.site)
            if node.name != "stop_gradient" and not source and live.intersection(node.outs):
                live.update(node.ins)
        return live

    def reaches(self, node: Node) -> bool:
        """Whether something of the outputs is passed back to what a node gives."""
        return node.name != "stop_gradient" and bool(self._live.intersection(node.outs))

    def _follow(self, i: int, node: Node, tapped: Callable[[Any], bool], stops: Stops) -> None:
        if node.site is not None and tapped(node.site):
            self.active.update(node.floats)
            self.sources.update(node.floats)
        elif node.site is not None or node.name == "name":
            for k, out in zip(node.ins, node.outs, strict=True):
                self._same(k, out)
        elif node.name != "stop_gradient":
            given = [k for k in node.ins if k in self.active]
            told = [k for k in node.ins if k in self._told]
            if given or told:
                self._depends(i, node, given, told, stops)

    def _depends(
        self, i: int, node: Node, given: Sequence[Key], told: Sequence[Key], stops: Stops
    ) -> None:
        """An equation of values that depend on the source, or were told by comparing such."""
        floats = node.floats if given else []
        self.active.update(floats)
        self._told.update(set(node.outs) - set(floats))
        if not floats:
            self._note_parent(node, [*given, *told])
        elif self._live.intersection(node.outs):
            self._look(i, node, told)
            head = self.heads.get(i)
            if head is not None and stops(head.kind, self.layers[i]):
                self.active.difference_update(node.outs)
            if node.name in MOVES and not told and any(k in self.sources for k in node.ins):
                self.sources.update(node.outs)

    def _same(self, k: Key, out: Key) -> None:
        """An identity."""
        for held in (self.active, self.sources, self._told):
            if k in held:
                held.add(out)
        self._parent[out] = k
        if k in self._shape:
            self._shape[out] = self._shape[k]

    def _note_parent(self, node: Node, known: Sequence[Key]) -> None:
        """A function of one value, entry by entry, keeps its descent, also where it only tells."""
        (out, *more), keys = node.outs, set(known)
        if not more and len(keys) == 1 and self._is_like(known[0], out):
            self._parent[out] = known[0]

    def _is_like(self, k: Key, out: Key) -> bool:
        return k not in self._shape or self._shape[k] == self._shape[out]

    def lineage(self, k: Key) -> Iterator[Key]:
        """A value and what it was computed from entry by entry."""
        yield k
        while k in self._parent:
            k = self._parent[k]
            yield k

    def kind_of(self, root: Key, out: Key) -> str:
        """What the whole program is as one operation of a value."""
        last = self.heads.get(self._producer.get(out, -1))
        if last is not None and list(last.ins) == [root] and last.kind == "softmax":
            return "softmax"
        if any(head.kind == "unknown" for head in self.heads.values()):
            return "unknown"
        if last is not None and last.kind == "relu" and root in last.ins:
            return "relu"
        return "pointwise" if root in self.lineage(out) else "unknown"

    def _common(self, keys: Sequence[Key], out: Key) -> Key | None:
        """What values were all computed from entry by entry, in the shape of the result."""
        first, *rest = (list(self.lineage(k)) for k in keys)
        return next((k for k in first if all(k in r for r in rest) and self._is_like(k, out)), None)

    def _between(self, out: Key, root: Key) -> list[int]:
        """The equations on the way from one value to another."""
        todo, found = [out], set()
        known = self.active | self._told
        while todo:
            k = todo.pop()
            i = self._producer.get(k)
            if k == root or i is None or k not in known or i in found:
                continue
            found.add(i)
            todo += self.flat.nodes[i].ins
        return sorted(found)

    # -- what each equation is -----------------------------------------------------------------

    def _look(self, i: int, node: Node, told: Sequence[Key]) -> None:
        act = [j for j, k in enumerate(node.ins) if k in self.active]
        seen_to = {
            **dict.fromkeys(("add", "sub", "mul", "div"), self._arithmetic),
            **dict.fromkeys(("dot_general", "conv_general_dilated"), self._weighted),
            **dict.fromkeys(("max", "min"), self._limit),
        }.get(node.name)
        if told:
            self._switched(i, node)
        elif self._exponentials.is_log_of_sum(node):
            self.heads[i] = Head("unknown", node.ins, [i], name="logsumexp")
        elif node.kind is not None:
            self._whole(i, node, act)
        elif seen_to is not None:
            seen_to(i, node, act)
        elif node.name in MOVES or node.name in SUMS:
            if node.name == "neg" or node.name in SAME:
                self._parent[node.outs[0]] = node.ins[act[0]]
        else:
            kind = "max_pool" if node.name in _MAXIMA else node.name
            pointwise = node.name in POINTWISE and len(act) == 1
            known = kind if kind in ("max_pool", "rsqrt") else "unknown"
            parent = node.ins[act[0]] if pointwise else None
            self._one(i, node, "pointwise" if pointwise else known, parent)

    def _one(self, i: int, node: Node, kind: str, parent: Key | None = None) -> None:
        self.heads[i] = Head(kind, node.ins, [i], name=node.name)
        if parent is not None:
            self._parent[node.outs[0]] = parent

    def _fuse(self, i: int, kind: str, root: Key, name: str) -> None:
        """An operation of several equations, of one value."""
        body = self._between(self.flat.nodes[i].outs[0], root)
        for j in body:
            users = {u for k in self.flat.nodes[j].outs for u in self._users.get(k, ())}
            read = any(k in self.flat.outputs for k in self.flat.nodes[j].outs)
            if j != i and not read and users <= set(body):
                self.heads.pop(j, None)  # nobody else reads what it gives
        self.inside.update(j for j in body if j != i)
        self.heads[i] = Head(kind, [root], body, name=name)
        self._parent[self.flat.nodes[i].outs[0]] = root

    def _switched(self, i: int, node: Node) -> None:
        """A function that a comparison decides: of one value entry by entry, or known to nobody."""
        known = [k for k in node.ins if k in self.active or k in self._told]
        root = self._common(known, node.outs[0])
        if root is None or root not in self.active or len(node.outs) > 1:
            self._one(i, node, "unknown")
            return
        self._fuse(i, "pointwise", root, f"{node.name} (one of x)")

    def _limit(self, i: int, node: Node, act: Sequence[int]) -> None:
        if len(act) > 1:
            self._one(i, node, "unknown")
            return
        other = self._constant(node.ins[1 - act[0]])
        zero = node.name == "max" and other is not None and not np.any(other)
        self._one(i, node, "relu" if zero else "pointwise", parent=node.ins[act[0]])

    def _constant(self, k: Key) -> Any:
        """The value of a constant, broadcast or not; None where it is not known."""
        while k not in self.flat.constants:
            i = self._producer.get(k)
            if i is None or self.flat.nodes[i].name not in (*SHAPES, *SAME):
                return None
            k = self.flat.nodes[i].ins[0]
        value = self.flat.constants[k]
        try:
            return self.flat.static(value)
        except Exception:  # noqa: BLE001 - it is being traced
            return None

    def _is_one(self, k: Key) -> bool:
        known = self._constant(k)
        return known is not None and bool(np.all(known == 1))

    def _weighted(self, i: int, node: Node, act: Sequence[int]) -> None:
        if len(act) == 2:
            self._one(i, node, "matmul" if node.name == "dot_general" else "unknown")
        elif node.name == "dot_general":
            self.heads[i] = Head("linear", node.ins, [i], weight=1 - act[0], name=node.name)
        elif act == [0]:
            self.heads[i] = Head("conv", node.ins, [i], weight=1, name=node.name)
        else:
            self._one(i, node, "unknown")

    def _arithmetic(self, i: int, node: Node, act: Sequence[int]) -> None:
        (out,), name = node.outs, node.name
        if len(act) == 1 and not (name == "div" and act[0] == 1):
            self._with_constant(i, node, act[0])
            return
        if name in ("div", "sub") and len(act) == 2 and self._is_softmax(i, node):
            return
        root = self._common(node.ins, out) if len(act) == 2 else None
        if root is not None and name in ("mul", "div"):
            self._fuse(i, "pointwise", root, f"{name} (one of x)")
            return
        kind = {"add": "add", "sub": "add", "mul": "multiply", "div": "divide"}[name]
        self._one(i, node, kind, parent=root)

    def _with_constant(self, i: int, node: Node, j: int) -> None:
        """A sum or product with what does not depend on the source."""
        x = node.ins[j]
        if node.name == "add" and self._has_bias(i, node, j):
            return
        if node.name in ("mul", "div") and self._is_average(i, node, j):
            return
        kind = "affine" if node.name in ("add", "sub") else "structural"
        self._one(i, node, kind, parent=x if self._is_like(x, node.outs[0]) else None)
        if node.name == "sub" and j == 1 and self._is_one(node.ins[0]):
            self.heads[i] = dataclasses.replace(self.heads[i], name=LEFT)

    def _is_average(self, i: int, node: Node, j: int) -> bool:
        """The sums of windows, scaled."""
        at = self._producer.get(node.ins[j])
        if at is None or self.flat.nodes[at].name != "reduce_window_sum":
            return False
        if not self._only(node.ins[j]):
            return False
        self.inside.add(at)
        self.heads[i] = Head("avg_pool", self.flat.nodes[at].ins, [at, i], name="avg_pool")
        return True

    def _has_bias(self, i: int, node: Node, j: int) -> bool:
        """Whether a sum adds its bias to a linear operation, which it then belongs to."""
        k = node.ins[j]
        between: list[int] = []
        while (at := self._producer.get(k)) is not None and self._only(k):
            if self.flat.nodes[at].name not in SHAPES:
                break
            between.insert(0, at)
            k = self.flat.nodes[at].ins[0]
        head = None if at is None or not self._only(k) else self.heads.get(at)
        if head is None or head.kind not in ("linear", "conv") or head.bias is not None:
            return False
        assert at is not None
        del self.heads[at]
        self.inside.update([at, *between])
        ins, body = [*head.ins, node.ins[1 - j]], [*head.body, *between, i]
        self.heads[i] = Head(head.kind, ins, body, head.weight, len(head.ins), head.name)
        return True

    def _only(self, k: Key) -> bool:
        return len(self._users.get(k, ())) == 1 and k not in self.flat.outputs

    def _is_softmax(self, i: int, node: Node) -> bool:
        known = self._exponentials
        log = node.name == "sub"
        root = known.log_softmax(node) if log else known.softmax(node)
        if root is None:
            return False
        self._fuse(i, "softmax", root, "log_softmax" if log else "softmax")
        self._parent.pop(node.outs[0])
        return True

    def _whole(self, i: int, node: Node, act: Sequence[int]) -> None:
        """A function of one value that says itself what it is."""
        kind = node.kind() if node.kind is not None and len(act) == 1 else "unknown"
        pointwise = kind in ("relu", "pointwise")
        self._one(i, node, kind, parent=node.ins[act[0]] if pointwise else None)

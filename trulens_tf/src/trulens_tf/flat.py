"""What a graph holds between some of its tensors and others, as one list of operations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trulens_core.rules.programs import Flat, Key, Node, Shaped
from trulens_tf.emitted import again, has_own_derivative, spelled_out
from trulens_tf.primitives import KINDS, OF_CONSTANTS, PLAIN, channels, name_of

_LIKE = {"ZerosLike": 0.0, "OnesLike": 1.0}
_TRANSPOSED = frozenset({"Conv2DBackpropInput", "Conv3DBackpropInputV2"})


def flatten(
    sources: Sequence[tf.Tensor],
    targets: Sequence[tf.Tensor],
    layer: Callable[[Any], str],
    whole: bool = False,
) -> Flat:
    """The operations of the graph that is being built which lead from tensors to others.

    Args:
        sources: what the program takes.
        targets: what it gives.
        layer: the name of the layer that an operation is of.
        whole: whether it is to be seen how constants were made.
    """
    builder = _Builder(sources, layer, whole)
    for t in targets:
        builder.walk(t)
    outputs = [builder.key(t) for t in targets]
    return Flat(builder.nodes, range(len(sources)), outputs, builder.constants, static)


class _Builder:
    def __init__(
        self, sources: Sequence[tf.Tensor], layer: Callable[[Any], str], whole: bool
    ) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[Key, Any] = {}
        self._graph = tf.compat.v1.get_default_graph()
        self._layer, self._whole = layer, whole
        self._count: Iterator[Key] = itertools.count()
        self._keys: dict[Any, Key] = {t.ref(): next(self._count) for t in sources}
        self._depends: set[Any] = set(self._keys)
        self._instead: dict[Any, tf.Tensor] = {}  # what stands for a result that is spelled out
        self._layers: dict[str, str] = {}  # of the operations that do
        self._note(self._graph.get_operations())

    def _note(self, operations: Iterable[Any]) -> None:
        """Note what depends on the sources."""
        for op in operations:
            if op.type not in PLAIN and any(t.ref() in self._depends for t in op.inputs):
                self._depends.update(t.ref() for t in op.outputs)

    def _layer_of(self, op: Any) -> str:
        return self._layers[op.name] if op.name in self._layers else self._layer(op)

    # -- what stands for what ------------------------------------------------------------------

    def _resolved(self, t: tf.Tensor) -> tf.Tensor:
        """The tensor that stands for one."""
        while t.ref() in self._depends and t.ref() not in self._keys:
            if t.ref() not in self._instead and not self._spell(t.op):
                return t
            t = self._instead[t.ref()]
        return t

    def _spell(self, op: Any) -> bool:
        """Spell an operation out; whether that is done for its type."""
        before = len(self._graph.get_operations())
        found = spelled_out(op)
        if found is None:
            return False
        new = self._graph.get_operations()[before:]
        self._note(new)
        self._layers.update(dict.fromkeys((x.name for x in new), self._layer_of(op)))
        self._instead.update(zip((t.ref() for t in op.outputs), found, strict=True))
        return True

    # -- the list ------------------------------------------------------------------------------

    def key(self, t: tf.Tensor) -> Key:
        """The key of a tensor; one that does not depend on the sources is a constant."""
        t = self._resolved(t)
        if t.ref() not in self._keys and self._whole and t.op.type in OF_CONSTANTS:
            ins = [self.key(x) for x in t.op.inputs]
            self._keys[t.ref()] = next(self._count)
            outs, avals = [self._keys[t.ref()]], [_shaped(t)]
            self.nodes.append(Node(name_of(t.op), lambda *_: [t], ins, outs, avals))
        elif t.ref() not in self._keys:
            self._keys[t.ref()] = next(self._count)
            self.constants[self._keys[t.ref()]] = t
        return self._keys[t.ref()]

    def walk(self, target: tf.Tensor) -> None:
        """Add the operations before a tensor, each after those that it reads."""
        todo = [target]
        while todo:
            t = self._resolved(todo[-1])
            waits = [] if self._is_known(t) else [x for x in t.op.inputs if not self._is_known(x)]
            if waits:
                todo += waits
                continue
            todo.pop()
            if not self._is_known(t):
                self._add(t.op)

    def _is_known(self, t: tf.Tensor) -> bool:
        t = self._resolved(t)
        return t.ref() in self._keys or t.ref() not in self._depends

    def _add(self, op: Any) -> None:
        name, kind, run = name_of(op), KINDS.get(op.type), again(op)
        given, outputs = list(op.inputs), list(op.outputs)
        if op.type in _TRANSPOSED:
            given, run = given[::-1], _reversed(run)
            name = "conv_general_dilated"
        if op.type.startswith("FusedBatchNorm") and not op.get_attr("is_training"):
            outputs, run = outputs[:1], _first(run)
        elif op.type.startswith("FusedBatchNorm"):
            name, kind = f"{op.type} in training mode", "unknown"
        if has_own_derivative(op):
            name, kind = f"{op.type} with a derivative of its own", "unknown"
        ins = [self.key(t) for t in given]
        self._keys.update({t.ref(): next(self._count) for t in outputs})
        outs = [self._keys[t.ref()] for t in outputs]
        avals = [_shaped(t) for t in outputs]
        says = None if kind is None else (lambda: kind)
        layer = self._layer_of(op)
        found = channels(op)
        self.nodes.append(Node(name, run, ins, outs, avals, None, layer, says, found))


def _reversed(run: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """A transposed convolution, which reads a size, its weights and then what they act on."""
    return lambda *operands: run(*operands[::-1])


def _first(run: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """A normalisation by stored moments, which gives them too."""
    return lambda *operands: run(*operands)[:1]


def _shaped(t: tf.Tensor) -> Shaped:
    shape = None if t.shape.rank is None else tuple(t.shape.as_list())
    carries = t.dtype.is_floating or t.dtype.is_complex or t.dtype in (tf.variant, tf.resource)
    return Shaped(shape, carries)


def static(t: tf.Tensor) -> Any:
    """The value of a constant, of one that is filled with a number this; None: not known."""
    kind, given = t.op.type, t.op.inputs
    if kind in _LIKE:
        return np.asarray(_LIKE[kind])
    return tf.get_static_value(given[1] if kind == "Fill" else t)

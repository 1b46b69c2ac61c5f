"""The operations and tensors of a TensorFlow graph by name.

A layer is an operation, `dense/MatMul`, or one of its tensors, `split:1`. Functions saved with a
model bear the name of their call in front; where it is unique, the rest of the name will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from trulens_core.errors import AmbiguousLayerError, UnknownLayerError
from trulens_core.models import Layer
from trulens_core.passes.names import unknown_layer
from trulens_core.passes.scores import probabilities
from trulens_core.slices import Cut

_NOT_LAYERS = {"Const", "NoOp", "VarHandleOp", "ReadVariableOp", "Assert"}

_UNCHANGING = {"Identity", "StopGradient", "Reshape", "Squeeze", "ExpandDims", "Cast"}
_SQUASHING = {"Softmax", "LogSoftmax", "Sigmoid"}


class Names:
    """The layers of a graph.

    Args:
        graph: a graph.
        owner: what messages call it.
        aliases: tensors, or their names, by names of the caller's own.
    """

    def __init__(self, graph: Any, owner: str, aliases: Mapping[str, Any] | None = None) -> None:
        self._graph, self._owner = graph, owner
        self._operations = {op.name: op for op in graph.get_operations() if op.outputs}
        self._order = {name: i for i, name in enumerate(_sorted(graph))}
        self._aliases = {k: self.tensor(v).name for k, v in (aliases or {}).items()}

    def tensor(self, given: Any) -> Any:
        """The tensor of the graph that a tensor or a name, with or without `:0`, means."""
        name = given if isinstance(given, str) else given.name
        try:
            return self._graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
        except (KeyError, ValueError):
            raise unknown_layer(name, list(self._operations), self._owner) from None

    def listed(self) -> list[Layer]:
        """The caller's own names, then the operations that compute something."""
        own = [Layer(k, "Tensor", _shape(self.tensor(v))) for k, v in self._aliases.items()]
        return own + [
            Layer(name, op.type, _shape(op.outputs[0]))
            for name, op in self._operations.items()
            if op.type not in _NOT_LAYERS
        ]

    def find(self, name: Any) -> str:
        """The canonical name: of the operation, or of the tensor where it has several."""
        if isinstance(name, int):
            return self._by_index(name)
        if not isinstance(name, str):
            name = str(getattr(name, "name", name))
        name = self._aliases.get(name, name)
        operation, _, index = str(name).partition(":")
        if operation not in self._operations:
            operation = self._by_ending(operation)
        outputs = len(self._operations[operation].outputs)
        if not index or outputs == 1:
            return operation
        return str(self.tensor(f"{operation}:{index}").name)

    def _by_index(self, index: int) -> str:
        listed = self.listed()
        if not -len(listed) <= index < len(listed):
            raise UnknownLayerError(
                f"no layer {index} in {self._owner}: it has {len(listed)}, from 0 to "
                f"{len(listed) - 1}"
            )
        return self.find(listed[index].name)

    def _by_ending(self, name: str) -> str:
        fits = [n for n in self._operations if n.endswith(f"/{name}")]
        if len(fits) > 1:
            raise AmbiguousLayerError(
                f"the layer name {name!r} may mean {' or '.join(map(repr, fits[:4]))}; use the "
                "whole name"
            )
        if not fits:
            raise unknown_layer(name, list(self._operations), self._owner)
        return str(fits[0])

    def tensors(self, name: str, anchor: str) -> list[Any]:
        """The tensors at a side of a layer, by its canonical name."""
        operation = self._operations[name.partition(":")[0]]
        if anchor == "in":
            return list(operation.inputs)
        return [self.tensor(name)] if ":" in name else list(operation.outputs)

    def scores(self, cut: Cut) -> Cut:
        """`cut`, unless its layer gives probabilities.

        Raises:
            CutError: where it does; the message names what goes into its softmax.
        """
        tensor = self.tensors(self.find(cut.name), "out")[0]
        while tensor.op.type in _UNCHANGING:
            tensor = tensor.op.inputs[0]
        if tensor.op.type in _SQUASHING:
            raise probabilities(cut.name, tensor.op.inputs[0].op.name)
        return cut

    def channel_axis(self, name: str | None) -> int:
        """The axis of images' channels at a layer, or in general: the last but where one says."""
        here = [] if name is None else [self._operations[name.partition(":")[0]]]
        layouts = (_layout(op) for op in (*here, *self._operations.values()))
        first = next((x for x in layouts if x is not None), "NHWC")
        return 1 if first.startswith("NC") else -1

    def order(self, name: str) -> int:
        """Where a layer stands when every operation follows those that it depends on."""
        return self._order[name.partition(":")[0]]


def _layout(operation: Any) -> str | None:
    """Such as NHWC or NCDHW, of operations on images."""
    held = operation.node_def.attr
    return held["data_format"].s.decode() if "data_format" in held else None


def _shape(tensor: Any) -> tuple[int | None, ...] | None:
    return tuple(tensor.shape[1:]) if tensor.shape.rank else None


def _sorted(graph: Any) -> list[str]:
    """The operations' names, each after those of its inputs, but where there is a loop."""
    done: dict[str, None] = {}
    for first in graph.get_operations():
        stack = [(first, iter(first.inputs))]
        under_way = {first.name}
        while stack:
            operation, inputs = stack[-1]
            following = next(inputs, None)
            if following is None:
                done[operation.name] = None
                stack.pop()
            elif following.op.name not in done and following.op.name not in under_way:
                under_way.add(following.op.name)
                stack.append((following.op, iter(following.op.inputs)))
    return list(done)


def scratch(graph_def: Any) -> Any:
    """A graph of the nodes of a GraphDef."""
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
    return graph

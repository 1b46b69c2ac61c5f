"""The work on a group of records as one graph, which calls steps that were traced before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import optree
import tensorflow as tf

from trulens_core.backends import StepArguments, Unrepeatable
from trulens_tf import rows
from trulens_tf.repeatable import repeatable

_KEPT = 16


class _Graph(NamedTuple):
    """A graph of tensors one after the other, and the structure of what it gives."""

    function: Callable[..., list[tf.Tensor]]
    given: Callable[[list[tf.Tensor]], Any]


class Fused:
    """A program as one graph per kind of its arguments: their types, and shapes without the rows.

    All numbers are arguments, those in NumPy's arrays too.

    Args:
        program: a function of trees of tensors and arrays, written in TensorFlow's operations.

    Raises:
        Unrepeatable: when called, where the graph may give something else the next time.
    """

    def __init__(self, program: Callable[..., Any]) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._graphs: OrderedDict[Hashable, _Graph | None] = OrderedDict()

    def __call__(self, *trees: Any) -> Any:
        leaves: list[Any]
        leaves, structure = optree.tree_flatten(trees)  # type: ignore[arg-type]
        closed = _closed(trees)
        tensors = [tf.convert_to_tensor(x) for x in leaves]
        shapes = [
            (t.dtype, tuple(t.shape) if id(x) in closed else (None, *t.shape[1:])[: t.shape.rank])
            for x, t in zip(leaves, tensors, strict=True)
        ]
        graph = self._graph((structure, *shapes), structure, shapes)
        if graph is None:
            raise Unrepeatable
        with rows.reported():
            return graph.given(graph.function(*tensors))

    def _graph(self, key: Hashable, structure: Any, shapes: list[Any]) -> _Graph | None:
        with self._lock:
            if key not in self._graphs:
                self._graphs[key] = self._traced(structure, shapes)
                if len(self._graphs) > _KEPT:
                    self._graphs.popitem(last=False)
            return self._graphs[key]

    def _traced(self, structure: Any, shapes: list[Any]) -> _Graph | None:
        """The graph; None where what it gives may differ from one time to the next."""
        program, outputs = self._program, list[Any]()

        def traced(*tensors: tf.Tensor) -> list[tf.Tensor]:
            found, given = optree.tree_flatten(program(*structure.unflatten(tensors)))
            outputs.append(given)
            return [tf.identity(t) for t in found]

        specs = [tf.TensorSpec(shape, dtype) for dtype, shape in shapes]
        function = tf.function(traced, autograph=False).get_concrete_function(*specs)
        if not repeatable(function.outputs):
            return None
        return _Graph(function, outputs[-1].unflatten)


def _closed(trees: Any) -> set[int]:
    """The identities of the tensors that belong to all records, whose shapes are part of a graph.

    Of the rest the first axis, that of records or points, is open.
    """
    steps = optree.tree_leaves(trees, is_leaf=lambda x: isinstance(x, StepArguments))
    found = [a for a in steps if isinstance(a, StepArguments)]
    return {id(t) for a in found for t in (*a.shared, *a.scalars)}

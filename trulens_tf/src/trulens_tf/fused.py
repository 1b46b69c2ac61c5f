"""The work on a group of records as one graph, which calls steps that were traced before."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import optree
import tensorflow as tf

from trulens_core.backends import StepArguments, Unrepeatable
from trulens_tf import rows
from trulens_tf.calling import called, looking
from trulens_tf.repeatable import repeatable

_KEPT = 16

_LARGE = 1000
"""Steps of more operations stand in no other graph: TensorFlow would optimise them again, for a
second, and they run for so long that what is around them may as well be done one by one."""

Run = Callable[[list[tf.Tensor]], Any]


class Fused:
    """A program as one graph per kind of its arguments: their types, and shapes without the rows.

    All numbers are arguments, those in NumPy's arrays too. A program whose steps are large is no
    graph, but calls them.

    Args:
        program: a function of trees of tensors and arrays, written in TensorFlow's operations.

    Raises:
        Unrepeatable: when called, where the graph may give something else the next time.
    """

    def __init__(self, program: Callable[..., Any]) -> None:
        self._program = program
        self._lock = threading.Lock()
        self._graphs: OrderedDict[Hashable, Run | None] = OrderedDict()

    def __call__(self, *trees: Any) -> Any:
        leaves: list[Any]
        leaves, structure = optree.tree_flatten(trees)  # type: ignore[arg-type]
        # arrays, and variables of the caller's
        tensors = [x if isinstance(x, tf.Tensor) else tf.convert_to_tensor(x) for x in leaves]
        pairs = zip(tensors, _open(structure), strict=True)
        # the public `shape` makes an object of each length
        kinds = [(t.dtype, len(s := t._shape_tuple()), s[i:]) for t, i in pairs]
        run = self._run((structure, *kinds), structure, tensors)
        if run is None:
            raise Unrepeatable
        with rows.reported():
            return run(tensors)

    def _run(self, key: Hashable, structure: Any, tensors: list[tf.Tensor]) -> Run | None:
        with self._lock:
            if key not in self._graphs:
                self._graphs[key] = self._traced(structure, tensors)
                if len(self._graphs) > _KEPT:
                    self._graphs.popitem(last=False)
            return self._graphs[key]

    def _traced(self, structure: Any, tensors: list[tf.Tensor]) -> Run | None:
        """The graph; None where what it gives may differ from one time to the next."""
        program, outputs = self._program, list[Any]()

        def traced(*tensors: tf.Tensor) -> list[tf.Tensor]:
            found, given = optree.tree_flatten(program(*structure.unflatten(tensors)))
            outputs.append(given)
            return [tf.identity(t) for t in found]

        specs = [
            tf.TensorSpec([None] * len(t.shape[:i]) + t.shape[i:], t.dtype)
            for t, i in zip(tensors, _open(structure), strict=True)
        ]
        try:
            with looking(_refuse_large):
                function = tf.function(traced, autograph=False).get_concrete_function(*specs)
        except _Large:
            return _ByCalls(program, structure)
        if not repeatable(function.outputs):
            return None
        given = outputs[-1].unflatten
        return lambda tensors: given(called(function, tensors))


class _Large(Exception):  # noqa: N818 - it says what was met
    """A step that a program calls is large."""


def _refuse_large(graph: Any) -> None:
    if len(graph.graph.get_operations()) > _LARGE:
        raise _Large


class _ByCalls:
    """A program that is run operation by operation, of which steps are graphs that were traced.

    Raises:
        Unrepeatable: when called first, where one of those may give something else the next time.
    """

    def __init__(self, program: Callable[..., Any], structure: Any) -> None:
        self._program, self._structure, self._repeats = program, structure, False

    def __call__(self, tensors: list[tf.Tensor]) -> Any:
        trees = self._structure.unflatten(tensors)
        if self._repeats:
            return self._program(*trees)
        graphs: list[Any] = []
        with looking(graphs.append):
            found = self._program(*trees)
        if not all(repeatable(graph.outputs) for graph in graphs):
            raise Unrepeatable
        self._repeats = True
        return found


@functools.lru_cache(maxsize=64)
def _open(structure: Any) -> list[int]:
    """How many first axes of each tensor are open: one, that of records or points.

    None of those of tensors that belong to all records, whose shapes are part of a graph.
    """
    trees = structure.unflatten(range(structure.num_leaves))
    steps = optree.tree_leaves(trees, is_leaf=lambda x: isinstance(x, StepArguments))
    found = [a for a in steps if isinstance(a, StepArguments)]
    closed = {i for a in found for i in (*a.shared, *a.scalars)}
    return [int(i not in closed) for i in range(structure.num_leaves)]

"""Steps as TensorFlow runs them best: traced into graphs, once for any number of rows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import errors_impl  # one error is not public

from trulens_core.backends import StepArguments
from trulens_core.errors import NotDifferentiableError
from trulens_tf import rows
from trulens_tf.calling import looked_at

_KEPT = 16


class Compiled:
    """A step as one graph per kind of its arguments: their types, and shapes without the rows.

    Args:
        step: a function of `StepArguments` and of vectors, written in TensorFlow's operations.
        jit_compile: whether XLA compiles the graphs.
        axes: how many axes of the points are open.
    """

    def __init__(self, step: Callable[..., Any], jit_compile: bool, axes: int = 1) -> None:
        self._step, self._jit_compile, self._axes = step, jit_compile, axes
        self._lock = threading.Lock()
        self._graphs: OrderedDict[Hashable, Callable[..., Any]] = OrderedDict()

    def __call__(self, arguments: StepArguments, *vectors: tf.Tensor) -> Any:
        specs = StepArguments(
            (),
            _specs(arguments.points, self._axes),
            _specs(arguments.batched, 1),
            _specs(arguments.shared, 0),
            _specs(arguments.per_record, 1),
            _specs(arguments.scalars, 0),
            _specs(arguments.cotangents, self._axes),
            _specs(arguments.multipliers, 1),
        )
        arguments = arguments._replace(
            cotangents=list(arguments.cotangents), multipliers=list(arguments.multipliers)
        )
        graph = self._graph(specs, _specs(vectors, 1))
        looked_at(graph)
        with rows.reported():
            return graph(arguments, *vectors)

    def _graph(self, specs: StepArguments, vectors: list[tf.TensorSpec]) -> Callable[..., Any]:
        key = (*map(tuple, specs), tuple(vectors))
        with self._lock:
            graph = self._graphs.get(key)
            if graph is None:
                function = tf.function(
                    self._step, autograph=False, jit_compile=self._jit_compile or None
                )
                graph = self._graphs[key] = _traced(function, specs, *vectors)
                if len(self._graphs) > _KEPT:
                    self._graphs.popitem(last=False)
        return graph


def _traced(function: Any, *specs: Any) -> Callable[..., Any]:
    try:
        with tf.init_scope():  # it is kept, also where it is called in another graph
            graph: Callable[..., Any] = function.get_concrete_function(*specs)
    except errors_impl.InaccessibleTensorError as error:
        raise NotDifferentiableError(
            "a value at a cut is computed inside a loop or a branch, and exists only there; build "
            "recurrent layers with unroll=True, or cut at what is around it"
        ) from error
    return graph


def _specs(tensors: Sequence[tf.Tensor], axes: int) -> list[tf.TensorSpec]:
    """The kinds of tensors whose first axes are open."""
    return [tf.TensorSpec([None] * len(t.shape[:axes]) + t.shape[axes:], t.dtype) for t in tensors]

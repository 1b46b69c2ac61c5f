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

_KEPT = 16


class Compiled:
    """A step as one graph per kind of its arguments: their types, and shapes without the rows.

    Args:
        step: a function of `StepArguments`, written in TensorFlow's operations.
        jit_compile: whether XLA compiles the graphs.
    """

    def __init__(self, step: Callable[[StepArguments], Any], jit_compile: bool) -> None:
        self._step, self._jit_compile = step, jit_compile
        self._lock = threading.Lock()
        self._graphs: OrderedDict[Hashable, Callable[[StepArguments], Any]] = OrderedDict()

    def __call__(self, arguments: StepArguments) -> Any:
        specs = StepArguments(
            (),
            _specs(arguments.points, rows=True),
            _specs(arguments.batched, rows=True),
            _specs(arguments.shared, rows=False),
            _specs(arguments.per_record, rows=True),
            _specs(arguments.scalars, rows=False),
        )
        graph = self._graph(specs)
        with rows.reported():
            return graph(arguments)

    def _graph(self, specs: StepArguments) -> Callable[[StepArguments], Any]:
        key = tuple(map(tuple, specs))
        with self._lock:
            graph = self._graphs.get(key)
            if graph is None:
                function = tf.function(
                    self._step, autograph=False, jit_compile=self._jit_compile or None
                )
                graph = self._graphs[key] = _traced(function, specs)
                if len(self._graphs) > _KEPT:
                    self._graphs.popitem(last=False)
        return graph


def _traced(function: Any, specs: StepArguments) -> Callable[[StepArguments], Any]:
    try:
        graph: Callable[[StepArguments], Any] = function.get_concrete_function(specs)
    except errors_impl.InaccessibleTensorError as error:
        raise NotDifferentiableError(
            "a value at a cut is computed inside a loop or a branch, and exists only there; build "
            "recurrent layers with unroll=True, or cut at what is around it"
        ) from error
    return graph


def _specs(tensors: Sequence[tf.Tensor], rows: bool) -> list[tf.TensorSpec]:
    return [
        tf.TensorSpec([None, *t.shape[1:]] if rows and len(t.shape) else t.shape, t.dtype)
        for t in tensors
    ]

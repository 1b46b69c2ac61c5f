"""Plain TensorFlow models: which wrapper serves which object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from trulens_core.errors import UnsupportedModelError
from trulens_core.models import ModelWrapper
from trulens_tf.backend import BACKEND, COMPILED_BY_XLA
from trulens_tf.functions import FunctionModule
from trulens_tf.graphs import FunctionWrapper, GraphWrapper
from trulens_tf.modules import ModuleWrapper
from trulens_tf.names import Names, scratch
from trulens_tf.programs import concrete_function, of_concrete_function, of_graph_def, saved
from trulens_tf.sessions import SessionBackend, SessionWrapper

_VARIABLES = ("VarHandleOp", "VariableV2", "Variable")
_OF_GRAPHS = (
    "input_tensors",
    "output_tensors",
    "internal_tensor_dict",
    "default_feed_dict",
    "session",
)


def wrapper(model: Any, *, jit_compile: bool = False, **options: Any) -> ModelWrapper:
    """The wrapper of a plain TensorFlow model: a module, a function, a graph or a path.

    Raises:
        ValueError: for a graph without what it needs.
        UnsupportedModelError: for anything else.
    """
    backend = COMPILED_BY_XLA if jit_compile else BACKEND
    if isinstance(model, str | Path):
        model = saved(model)
    if isinstance(model, tf.Graph | tf.compat.v1.GraphDef):
        return _graph(model, backend, **options)
    given = [n for n in _OF_GRAPHS if options.pop(n, None) is not None]
    if given:
        raise TypeError(
            f"{', '.join(given)} belong to graphs (tf.Graph, GraphDef), but the model is a "
            f"{type(model).__name__}"
        )
    if isinstance(model, tf.Module):
        return ModuleWrapper(model, backend, **options)
    return _function(model, backend, **options)


def _function(model: Any, backend: Any, layers: Any = None, **options: Any) -> ModelWrapper:
    function = model
    if isinstance(model, tf.types.experimental.PolymorphicFunction):
        try:
            function = model.get_concrete_function()
        except (TypeError, ValueError):  # it has no signature of its own
            return FunctionWrapper(model, backend, **options)
    elif not isinstance(model, tf.types.experimental.ConcreteFunction):
        if not hasattr(model, "signatures") and callable(model) and not isinstance(model, type):
            return ModuleWrapper(FunctionModule(model, layers), backend, **options)
        if not hasattr(model, "signatures"):
            raise UnsupportedModelError(
                f"{type(model).__module__}.{type(model).__qualname__} is no TensorFlow model; give "
                "a tf.Module, a tf.function, a loaded SavedModel, a graph, or the path of one"
            )
        function = concrete_function(model)
    return GraphWrapper(model, of_concrete_function(function), backend, **options)


def _graph(  # noqa: PLR0913 - the documented options
    model: Any,
    backend: Any,
    *,
    input_tensors: Any = None,
    output_tensors: Any = None,
    internal_tensor_dict: Mapping[str, Any] | None = None,
    default_feed_dict: Mapping[Any, Any] | None = None,
    session: Any = None,
    **options: Any,
) -> ModelWrapper:
    for name, value in (("input_tensors", input_tensors), ("output_tensors", output_tensors)):
        if value is None:
            raise ValueError(f"a graph needs {name}=: its tensors, or their names, in order")
    live = isinstance(model, tf.Graph)
    graph = model if live else scratch(model)
    _check(graph, session if live else None)
    named = dict(internal_tensor_dict or {})
    names = Names(graph, type(model).__name__, named)
    inputs, outputs = _tensors(names, input_tensors), _tensors(names, output_tensors)
    by_keyword = {k: names.tensor(v) for k, v in named.items()}
    by_keyword |= {t.name.partition(":")[0]: t for t in inputs}
    defaults = [(names.tensor(k), v) for k, v in (default_feed_dict or {}).items()]
    if live and session is not None:
        fed = SessionBackend(graph, session, {t.name: v for t, v in defaults})
        return SessionWrapper(model, fed, inputs, outputs, names, named=by_keyword, **options)
    graph_def = graph.as_graph_def() if live else model
    program = of_graph_def(graph_def, inputs, outputs, by_keyword, defaults)
    return GraphWrapper(model, program, backend, aliases=named, **options)


def _check(graph: Any, session: Any) -> None:
    if session is None:
        held = [op.name for op in graph.get_operations() if op.type in _VARIABLES]
        if held:
            raise ValueError(
                f"the graph has variables ({held[0]!r}, ...), whose values are in a session: give "
                "session=, or freeze the graph"
            )
        return
    if session.graph is not graph:
        raise ValueError("session= is a session of another graph")
    if graph.finalized:
        raise ValueError(
            "the graph is finalized, and gradients have to be added to it; wrap it before, or "
            "give a copy: tf.compat.v1.train.MonitoredSession finalizes graphs"
        )


def _tensors(names: Names, given: Any) -> list[Any]:
    listed: Sequence[Any] = given if isinstance(given, list | tuple) else [given]
    return [names.tensor(t) for t in listed]

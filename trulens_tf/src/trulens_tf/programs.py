"""What is run of a TensorFlow graph: its nodes, what it is fed, and what comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from trulens_core.errors import UnsupportedModelError
from trulens_core.inputs import ModelInputs

_PREFIX = "trulens"
Feed = Callable[[ModelInputs], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A graph that can be imported with other tensors in place of its own.

    Attributes:
        graph_def: the nodes, without calls of functions as far as they can be inlined.
        feed: the tensors' names and what stands for them, given the model's inputs.
        outputs: the names of the tensors that come out.
        pack: those tensors in the structure that the model returns.
        captures: eager tensors and variables' handles, by the names that stand for them.
        variables: of the model.
        parameters: the names of its parameters.
        dtypes: of the inputs.
    """

    graph_def: Any
    feed: Feed
    outputs: tuple[str, ...]
    pack: Callable[[list[Any]], Any]
    captures: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    variables: tuple[Any, ...] = ()
    parameters: tuple[str, ...] = ()
    dtypes: tuple[Any, ...] = ()

    def evaluated(
        self,
        wanted: Sequence[str],
        known: Mapping[str, Any],
        rewired: Mapping[tuple[str, int], Any],
    ) -> list[Any]:
        """The tensors of these names, imported into the graph that is being built.

        Args:
            wanted: their names.
            known: tensors that stand for those of some names; what is before them is left out.
            rewired: tensors for inputs of single operations, by operation and position.
        """
        asked = [n for n in dict.fromkeys(wanted) if n not in known]
        nodes, holes = _needed(self.graph_def, asked, known, rewired)
        part = tf.compat.v1.GraphDef(
            versions=self.graph_def.versions, library=self.graph_def.library
        )
        part.node.extend(nodes)
        graph = tf.compat.v1.get_default_graph()
        held = {n: graph.capture(t) for n, t in self.captures.items()} | dict(known) | holes
        consumed = {_tensor(i) for node in nodes for i in node.input if not i.startswith("^")}
        found = tf.graph_util.import_graph_def(
            part,
            input_map={n: t for n, t in held.items() if n in consumed},
            return_elements=asked,
            name=_PREFIX,
        )
        by_name = {**known, **dict(zip(asked, found, strict=True))}
        return [by_name[n] for n in wanted]


def imported(op: Any) -> str:
    """What an operation that was imported is called in its own graph; "" for any other."""
    prefix, _, name = str(op.name).partition("/")
    return name if prefix.rstrip("_0123456789") == _PREFIX else ""


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"


def _needed(
    graph_def: Any,
    wanted: Iterable[str],
    known: Mapping[str, Any],
    rewired: Mapping[tuple[str, int], Any],
) -> tuple[list[Any], dict[str, Any]]:
    """The nodes before `wanted`, up to what is known, and tensors for rewired inputs."""
    by_name = {node.name: node for node in graph_def.node}
    stack, found, holes = [w.partition(":")[0] for w in wanted], {}, {}
    while stack:
        name = stack.pop()
        if name in found or name not in by_name:
            continue
        node = found[name] = tf.compat.v1.NodeDef()
        node.CopyFrom(by_name[name])
        node.attr.pop("_class", None)  # beside nodes that may be left out
        for i, given in enumerate(node.input):
            if (name, i) in rewired:
                node.input[i] = hole = f"trulens_hole/{name}/{i}"
                holes[f"{hole}:0"] = rewired[name, i]
            elif given.startswith("^") or _tensor(given) not in known:
                stack.append(given.lstrip("^").partition(":")[0])
    return [found[n.name] for n in graph_def.node if n.name in found], holes


def of_concrete_function(function: Any) -> Program:
    """The program of a ConcreteFunction; variables are read when it runs.

    One that was frozen or pruned has no signature: its inputs are given by their order or names.
    """
    from tensorflow.python.framework import convert_to_constants  # there is no public way

    inline = convert_to_constants._run_inline_graph_optimization
    graph_def = inline(function, False, False)
    held = {node.name for node in graph_def.node}
    captures = {t.name: e for e, t in function.graph.captures if t.op.name in held}
    own = len(function.inputs) - len(function.graph.captures)
    inputs = function.inputs[:own]
    if function.structured_input_signature is None:
        names = tuple(t.op.name for t in inputs)
        positional, keyword = names, {}
    else:
        names = tuple(function.function_type.parameters)
        positional, keyword = function.structured_input_signature

    def feed(given: ModelInputs) -> Mapping[str, Any]:
        by_name = _by_name(given, names, [*names[: len(positional)], *keyword])
        ordered = [by_name[n] for n in names[: len(positional)]], {k: by_name[k] for k in keyword}
        leaves = [t for t in tf.nest.flatten(ordered) if tf.is_tensor(t)]
        return {t.name: tf.cast(x, t.dtype) for t, x in zip(inputs, leaves, strict=True)}

    return Program(
        graph_def,
        feed,
        tuple(t.name for t in function.outputs),
        lambda found: _packed(function, found),
        captures,
        tuple(function.variables),
        names,
        tuple(t.dtype for t in inputs),
    )


def _by_name(given: ModelInputs, names: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
    """The arguments by the names that a function has for them."""
    by_name = {**dict(zip(names, given.args, strict=False)), **given.kwargs}
    missing = [n for n in needed if n not in by_name]
    unknown = [n for n in given.kwargs if n not in names and n not in needed]
    if missing or unknown or len(given.args) > len(names):
        raise TypeError(
            f"the function takes {', '.join(names) or 'nothing'}, by order or name; "
            f"{len(given.args)} inputs were given by order, and {list(given.kwargs)} by name"
        )
    return by_name


def _packed(function: Any, found: list[Any]) -> Any:
    return tf.nest.pack_sequence_as(function.structured_outputs, found)


def of_graph_def(
    graph_def: Any,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    named: Mapping[str, Any],
    defaults: Sequence[tuple[Any, Any]],
) -> Program:
    """The program of a frozen graph, with tensors of a graph made from it.

    Args:
        graph_def: the nodes.
        inputs: the tensors that positional arguments feed.
        outputs: the tensors that come out.
        named: the tensors that keyword arguments feed.
        defaults: tensors that no argument feeds, each with its value.
    """

    def feed(given: ModelInputs) -> Mapping[str, Any]:
        pairs = [(t, tf.convert_to_tensor(v, t.dtype)) for t, v in defaults]
        pairs += paired(given, inputs, named)
        return {t.name: tf.cast(x, t.dtype) for t, x in pairs}

    single = len(outputs) == 1
    return Program(
        graph_def,
        feed,
        tuple(t.name for t in outputs),
        lambda found: found[0] if single else found,
        dtypes=tuple(t.dtype for t in inputs),
    )


def paired(
    given: ModelInputs, inputs: Sequence[Any], named: Mapping[str, Any]
) -> list[tuple[Any, Any]]:
    """The graph's tensors that the model's inputs feed, each with the input."""
    values = [x for a in given.args for x in (a if isinstance(a, list | tuple) else [a])]
    if len(values) > len(inputs):
        raise ValueError(
            f"{len(values)} positional inputs were given, but input_tensors names {len(inputs)}"
        )
    unknown = [name for name in given.kwargs if name not in named]
    if unknown:
        raise ValueError(
            f"the keyword {unknown[0]!r} is no name in internal_tensor_dict; known: "
            f"{', '.join(named) or 'none'}"
        )
    fed = list(zip(inputs, values, strict=False))
    return fed + [(named[name], value) for name, value in given.kwargs.items()]


def saved(path: str | Path) -> Any:
    """What is saved at a path: a loaded SavedModel, or the GraphDef of a frozen graph."""
    path = Path(path)
    if path.is_file() and path.name != "saved_model.pb":
        return tf.compat.v1.GraphDef.FromString(path.read_bytes())
    return tf.saved_model.load(str(path if path.is_dir() else path.parent))


def concrete_function(loaded: Any) -> Any:
    """The function that a loaded SavedModel is explained by."""
    call = type(loaded).__call__ if callable(loaded) else None
    functions = getattr(call, "concrete_functions", [])
    if len(functions) == 1:
        return functions[0]
    signatures = getattr(loaded, "signatures", {})
    if "serving_default" in signatures:
        return signatures["serving_default"]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    raise UnsupportedModelError(
        f"the SavedModel has the signatures {list(signatures)} and {len(functions)} functions of "
        "its own; pass the one to explain: get_model_wrapper(loaded.signatures[name])"
    )

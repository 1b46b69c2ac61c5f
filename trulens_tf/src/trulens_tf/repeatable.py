"""Whether a graph that is evaluated twice gives the same twice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

_CHANGING = re.compile(
    "Random|Rng|Multinomial|TruncatedNormal|StandardNormal|StatefulUniform|NonDeterministic"
    "|CandidateSampler|Distorted|PyFunc|Assign"
)
"""Parts of the types of operations that draw numbers, change variables or run Python."""


def repeatable(values: Sequence[tf.Tensor]) -> bool:
    """Whether nothing that the graph of `values` evaluates may give something else next time.

    A draw from seeds that are given counts as one that may: where they come from cannot be told.
    """
    graph = values[0].graph
    definition = graph.as_graph_def()
    nodes = definition.node  # of a function: all that has an effect is run
    if not graph.building_function:
        nodes = _before({v.op.name for v in values}, nodes)
    return not any(map(_CHANGING.search, _types(nodes, definition.library)))


def _before(names: set[str], nodes: Iterable[Any]) -> list[Any]:
    """The nodes of some names, and those that they depend on."""
    by_name = {node.name: node for node in nodes}
    stack, found = list(names), dict[str, Any]()
    while stack:
        name = stack.pop()
        if name not in found:
            found[name] = by_name[name]
            stack += [given.lstrip("^").partition(":")[0] for given in by_name[name].input]
    return list(found.values())


def _types(nodes: Iterable[Any], library: Any) -> set[str]:
    """The types of the nodes, and of those in all functions that they may call."""
    bodies = {f.signature.name: f.node_def for f in library.function}
    stack, types = list(nodes), set[str]()
    while stack:
        node = stack.pop()
        types.add(node.op)
        called = [f.name for a in node.attr.values() for f in (a.func, *a.list.func)]
        for name in (node.op, *called):
            stack += bodies.pop(name, ())
    return types

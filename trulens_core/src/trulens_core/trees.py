"""Structures of containers: taken apart into leaves and put together again.

The caller's arguments and a layer's outputs are nested containers. Lists, tuples and mappings are
opened here, since the frameworks' own trees sort the keys of dicts and insertion order is meant
everywhere. What else is a container is the framework's to say; a dataclass that it leaves whole
is opened by hand.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple, cast

import optree

from trulens_core import tables
from trulens_core.tables import Unflatten as Unflatten

TreeFlatten = Callable[[Any], tuple[Sequence[Any], Any, Unflatten]]
"""A framework's own flatten: leaves, a hashable description of the structure, its inverse.

What it gives is taken apart further, so that one level at a time is enough, and keeps the order
of the dicts inside.
"""

LEAF: Any = optree.tree_structure(cast(Any, None), none_is_leaf=True)
"""The key of what is no container to Python, as a tensor by itself."""


class Tree(NamedTuple):
    """A structure taken apart: `unflatten(leaves)` rebuilds it; equal keys, equal structures."""

    leaves: list[Any]
    key: Any
    unflatten: Unflatten


def plain(tree: Any) -> tuple[Sequence[Any], Any, Unflatten]:
    """Flatten one level of Python's own containers; None is a leaf."""
    if optree.tree_is_leaf(tree, none_is_leaf=True):
        return (tree,), LEAF, _only
    leaves, spec = optree.tree_flatten(tree, is_leaf=lambda x: x is not tree, none_is_leaf=True)
    return leaves, spec, spec.unflatten


def flatten(tree: Any, base: TreeFlatten = plain) -> Tree:
    """Take `tree` apart: Python's containers, those that `base` knows, and dataclasses.

    Law: `t.unflatten(t.leaves)` equals `tree`, for `t = flatten(tree)`, and the leaves are in the
    order in which a dict's items were inserted.

    Example:
        >>> flatten({"b": [1, 2], "a": None}).leaves
        [1, 2, None]
    """
    members, key, rebuild = _opened(tree) or base(tree)
    if len(members) == 1 and members[0] is tree:
        if not is_dataclass(tree):
            return Tree([tree], key, rebuild)
        members, key, rebuild = _fields(tree)
    parts = [flatten(member, base) for member in members]

    def unflatten(leaves: list[Any]) -> Any:
        rest = iter(leaves)
        return rebuild([t.unflatten([next(rest) for _ in t.leaves]) for t in parts])

    return Tree([x for t in parts for x in t.leaves], (key, *(t.key for t in parts)), unflatten)


def is_dataclass(value: Any) -> bool:
    """Whether `value` is an instance of a dataclass."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _only(leaves: list[Any]) -> Any:
    return leaves[0]


def numbers_of_table(value: Any) -> Any:
    """The array of a pandas DataFrame of numbers; None for everything else."""
    found = tables.opened(value)
    return None if found is None or found[0][0].dtype.hasobject else found[0][0]


def _opened(value: Any) -> tuple[Sequence[Any], Any, Unflatten] | None:
    """One level of a list, tuple or mapping; None for everything else."""
    kind = type(value)
    if kind is list or kind is tuple:
        return value, kind, kind
    if isinstance(value, tuple) and hasattr(kind, "_make"):
        return value, kind, kind._make
    if not isinstance(value, Mapping):
        return tables.opened(value)
    names = list(value.keys())
    put = _filled if isinstance(value, MutableMapping) else _made
    return [value[n] for n in names], (kind, *names), lambda new: put(value, names, new)


def _filled(mapping: Any, names: list[Any], values: list[Any]) -> Any:
    whole = {} if type(mapping) is dict else copy.copy(mapping)
    for name, value in zip(names, values, strict=True):
        whole[name] = value
    return whole


def _made(mapping: Any, names: list[Any], values: list[Any]) -> Any:
    return type(mapping)(dict(zip(names, values, strict=True)))


def _fields(value: Any) -> tuple[Sequence[Any], Any, Unflatten]:
    names = [f.name for f in dataclasses.fields(value) if hasattr(value, f.name)]

    def rebuild(new: list[Any]) -> Any:
        whole = copy.copy(value)
        for name, field in zip(names, new, strict=True):
            object.__setattr__(whole, name, field)
        return whole

    return [getattr(value, n) for n in names], (type(value), *names), rebuild

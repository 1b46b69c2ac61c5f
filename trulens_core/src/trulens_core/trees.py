"""Structures of containers: taken apart into leaves and put together again.

The caller's arguments and a layer's outputs are nested containers. Plain Python containers are
optree's or the framework's; what those leave whole though it holds tensors (a mapping such as a
tokenizer's batch, a dataclass such as a model's output) is opened here by hand.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import optree

Unflatten = Callable[[list[Any]], Any]
TreeFlatten = Callable[[Any], tuple[Sequence[Any], Any, Unflatten]]
"""A framework's own flatten: leaves, a hashable description of the structure, its inverse."""

_LEAF: Any = optree.tree_structure(cast(Any, None), none_is_leaf=True)
_ATOMS = (str, bytes, int, float, complex, bool, type(None))


class Tree(NamedTuple):
    """A structure taken apart: `unflatten(leaves)` rebuilds it; equal keys, equal structures."""

    leaves: list[Any]
    key: Any
    unflatten: Unflatten


def plain(tree: Any) -> tuple[Sequence[Any], Any, Unflatten]:
    """Flatten Python's own containers; None is a leaf."""
    if optree.tree_is_leaf(tree, none_is_leaf=True):
        return (tree,), _LEAF, _only
    leaves, spec = optree.tree_flatten(tree, none_is_leaf=True)
    return leaves, spec, spec.unflatten


def flatten(tree: Any, base: TreeFlatten = plain) -> Tree:
    """Take `tree` apart with `base`, and the mappings and dataclasses that it leaves whole too.

    Law: `t.unflatten(t.leaves)` equals `tree`, for `t = flatten(tree)`.

    Example:
        >>> flatten({"a": [1, 2], "b": None}).leaves
        [1, 2, None]
    """
    tops, spec, rebuild = base(tree)
    inner = [_open(leaf, base) for leaf in tops]
    if all(t is None for t in inner):
        return Tree(list(tops), spec, rebuild)
    parts = [t or Tree([leaf], "*", _only) for t, leaf in zip(inner, tops, strict=True)]

    def unflatten(leaves: list[Any]) -> Any:
        rest = iter(leaves)
        return rebuild([t.unflatten([next(rest) for _ in t.leaves]) for t in parts])

    return Tree(
        [x for t in parts for x in t.leaves], (spec, tuple(t.key for t in parts)), unflatten
    )


def _only(leaves: list[Any]) -> Any:
    return leaves[0]


def _open(leaf: Any, base: TreeFlatten) -> Tree | None:
    """The inside of a mapping or dataclass; None for what really is a leaf."""
    if isinstance(leaf, _ATOMS):
        return None
    if isinstance(leaf, Mapping):
        names = list(leaf.keys())
        inner = flatten([leaf[n] for n in names], base)
        put: Callable[[Any, Any, Any], None] = _put_item
    elif dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
        names = [f.name for f in dataclasses.fields(leaf) if hasattr(leaf, f.name)]
        inner = flatten([getattr(leaf, n) for n in names], base)
        put = object.__setattr__
    else:
        return None

    def unflatten(leaves: list[Any]) -> Any:
        whole = copy.copy(leaf)
        for name, value in zip(names, inner.unflatten(leaves), strict=True):
            put(whole, name, value)
        return whole

    return Tree(inner.leaves, (type(leaf), tuple(names), inner.key), unflatten)


def _put_item(mapping: Any, name: Any, value: Any) -> None:
    mapping[name] = value

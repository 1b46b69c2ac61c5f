"""A model's weights as arguments of compiled steps: the arrays of a tree, and the rest."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import jax
import numpy as np

from trulens_core.value_keys import changeable, contents


@jax.tree_util.register_static
class Skeleton:
    """A tree without its arrays: no data to a compiled step, but part of what it is traced for.

    Args:
        structure: of the tree.
        rest: its leaves, with marks in place of the arrays.
        held: what those of its objects hold now that may change in place, see `contents`.
    """

    def __init__(self, structure: Any, rest: Sequence[Any], held: Hashable = ()) -> None:
        self._structure, self._rest, self._held = structure, tuple(rest), held

    def filled(self, arrays: Sequence[Any]) -> Any:
        """The tree with these arrays."""
        given = iter(arrays)
        return self._structure.unflatten([next(given) if x is _ARRAY else x for x in self._rest])

    def __hash__(self) -> int:
        return hash((len(self._rest), self._structure.num_nodes))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Skeleton) or len(self._rest) != len(other._rest):
            return False
        same = self._held == other._held and all(map(_same, self._rest, other._rest))
        return same and _same(self._structure, other._structure)


class _Array:
    """Marks where an array was."""


_ARRAY = _Array()
Weights = tuple[list[Any], Skeleton]


def split(tree: Any, statics: Sequence[Any] = ()) -> Weights:
    """The arrays of a tree, NumPy's among them, and its skeleton.

    Law: `skeleton.filled(arrays)` equals the tree.

    Args:
        tree: any.
        statics: what its structure holds besides that may change in place.
    """
    leaves, structure = jax.tree.flatten(tree)
    arrays = [x for x in leaves if is_array(x)]
    rest = [_ARRAY if is_array(x) else x for x in leaves]
    if len(arrays) < len(leaves):
        statics = [*statics, *(x for x in rest if x is not _ARRAY and changeable(x))]
    return arrays, Skeleton(structure, rest, contents(statics))


class Splitting:
    """`split` of one tree after the other: the skeleton is the same object while it is equal.

    Skeletons are compared by identity first, and at each call several times.
    """

    def __init__(self) -> None:
        self._last: Skeleton | None = None

    def __reduce__(self) -> tuple[type[Splitting], tuple[()]]:
        return Splitting, ()

    def __call__(self, tree: Any, statics: Sequence[Any] = ()) -> Weights:
        """The arrays of the tree, and its skeleton."""
        arrays, skeleton = split(tree, statics)
        last = self._last
        if last is None or skeleton != last:
            self._last = last = skeleton
        return arrays, last


def is_array(x: object) -> bool:
    """Whether `x` is a JAX or a NumPy array."""
    return isinstance(x, jax.Array | np.ndarray)


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        return type(a) is type(b) and bool(a == b)
    except (TypeError, ValueError):  # of static fields that do not compare, such as arrays
        return False

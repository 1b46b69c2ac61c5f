"""Taps: identities that give a value inside a traced function a name."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from trulens_core import trees
from trulens_core.slices import Anchor
from trulens_jax import _compat

_tap_p = _compat.identity_primitive("trulens_tap")

IsLeaf = Callable[[Any], bool]


class Site(NamedTuple):
    """A tap in a traced function.

    Attributes:
        name: of the layer.
        anchor: "in" or "out" of it.
        kind: the layer's class.
        structure: of the value; None where it is one array.
    """

    name: str
    anchor: Anchor
    kind: str
    structure: Structure | None


@dataclasses.dataclass(frozen=True, eq=False)
class Structure:
    """A value at a site without its arrays. Compared by identity, as parameters must be."""

    tree: trees.Tree
    arrays: tuple[int, ...]

    def value(self, arrays: list[Any]) -> Any:
        """The value with these arrays."""
        leaves = list(self.tree.leaves)
        for i, x in zip(self.arrays, arrays, strict=True):
            leaves[i] = x
        return self.tree.unflatten(leaves)


def flatten(value: Any, is_leaf: IsLeaf | None = None) -> trees.Tree:
    """The leaves of a value by JAX's own tree functions, and what those leave whole."""

    def base(tree: Any) -> tuple[list[Any], Any, trees.Unflatten]:
        def inside(x: Any) -> bool:
            return x is not tree or (is_leaf is not None and is_leaf(x))

        leaves, definition = jax.tree.flatten(tree, is_leaf=inside)
        return leaves, definition, lambda new: jax.tree.unflatten(definition, new)

    return trees.flatten(value, base)


def tap(x: Any, name: str) -> Any:
    """`x`, with its value named, so that `Cut(name)` finds it in a function.

    Works under jit, vmap, scan and checkpoint, and costs nothing in compiled code. Under vmap the
    mapped axis is the first one of the value at the cut; in a scan the time axis is.

    Args:
        x: an array or a tree of arrays.
        name: of the cut.

    Returns:
        `x` itself, in value and structure.

    Raises:
        TypeError: for a name that is no str, or an empty one.

    Example:
        >>> import jax.numpy as jnp
        >>> from trulens_core import InternalInfluence, get_model_wrapper
        >>> def f(w, x):
        ...     return tap(jnp.tanh(x @ w), "hidden") ** 2
        >>> wrapper = get_model_wrapper(f, backend="jax", params=jnp.eye(2))
        >>> units = InternalInfluence(wrapper, "hidden", 0, "point", multiply_activation=False)
        >>> units.attributions(np.ones((1, 2), "float32")).shape
        (1, 2)
    """
    given: object = name
    if not isinstance(given, str) or not given:
        raise TypeError(f"tap needs a name, a str; found {name!r}")
    return emit(x, name, "out", "tap")


def emit(value: Any, name: str, anchor: Anchor, kind: str, is_leaf: IsLeaf | None = None) -> Any:
    """`value`, tapped as one side of a layer; itself where it holds no array."""
    tree = flatten(value, is_leaf)
    at = tuple(i for i, x in enumerate(tree.leaves) if _is_array(x))
    if not at:
        return value
    plain = len(tree.leaves) == 1 and value is tree.leaves[0]
    blank = [None if i in at else _kept(x) for i, x in enumerate(tree.leaves)]
    structure = None if plain else Structure(tree._replace(leaves=blank), at)
    arrays = [jax.numpy.asarray(tree.leaves[i]) for i in at]
    tapped = _tap_p.bind(*arrays, name=name, anchor=anchor, kind=kind, structure=structure)
    if plain:
        return tapped[0]
    leaves = list(tree.leaves)
    for i, x in zip(at, tapped, strict=True):
        leaves[i] = x
    return tree.unflatten(leaves)


@contextlib.contextmanager
def within(layer: str) -> Iterator[None]:
    """The context in which a layer runs, of whose values nothing is tapped."""
    _tap_p.bind(name=layer, anchor="in", kind="layer", structure=None)
    try:
        yield
    finally:
        _tap_p.bind(name=layer, anchor="out", kind="layer", structure=None)


def site_of(eqn: _compat.JaxprEqn) -> Site | None:
    """The site that an equation is, if it is one; `jax.ad_checkpoint.checkpoint_name` counts."""
    if eqn.primitive is _tap_p:
        return Site(**eqn.params)
    if eqn.primitive.name == "name":
        return Site(str(eqn.params["name"]), "out", "checkpoint_name", None)
    return None


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.Array | np.ndarray | np.generic)


def _kept(x: Any) -> Any:
    """A leaf that is no array; objects that could hold one being traced are not kept."""
    return x if isinstance(x, str | bytes | int | float | complex | type(None)) else _OPAQUE


class _Opaque:
    """Stands for an object among a layer's arguments."""

    def __repr__(self) -> str:
        return "<object>"


_OPAQUE = _Opaque()

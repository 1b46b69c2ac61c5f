"""The weights of an NNX module by reference: split once, and read where they are from then on.

`nnx.split` walks through a module in Python, which takes longer than many a network. What it gives
is the same again as long as every attribute of every part of the module is the very object that it
was; what has changed then are the values of its variables, which are read anew at each call.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from flax import nnx

from trulens_core.value_keys import changeable, contents
from trulens_jax.weights import Splitting, Weights, is_array

OBJECT: type = getattr(nnx, "Pytree", None) or nnx.Object
_INTERNAL = ("_pytree__", "_object__")
_RAW = operator.attrgetter("_raw_value")


class _Known(NamedTuple):
    """What was found out about a module when it was split last.

    Attributes:
        weights: as they were read last.
        objects: every object of the module, each once.
        containers: every list and dictionary of it.
        variables: those whose values are among the arrays.
        at: the places of these.
        kinds: the types that the values had.
        statics: what else it holds that may change in place.
        content: of these.
        held: the fingerprint that all this is true for.
    """

    weights: Weights
    objects: Sequence[Any]
    containers: Sequence[Any]
    variables: Sequence[Any]
    at: Sequence[int]
    kinds: frozenset[type]
    statics: Sequence[Any]
    content: Hashable
    held: Sequence[Any] = ()

    def fingerprint(self) -> list[Any]:
        """All that a split depends on but the variables' values; what is kept keeps its identity.

        Attributes, their names and classes; the contents of containers; what variables are told.
        """
        found = [x for o in self.objects for kv in o.__dict__.items() for x in kv]
        found += [o.__class__ for o in self.objects]
        found += [x for v in self.variables for x in v._var_metadata.values()]
        for c in self.containers:
            found += c
            if c.__class__ is dict:
                found += c.values()
        return found


class References:
    """The weights of a module as a compiled step takes them.

    What cannot be followed by reference is split at every call: mutable references, variables of
    several arrays, containers of others' kinds.

    Args:
        module: the module.
    """

    def __init__(self, module: nnx.Module) -> None:
        self._module = module
        self._known: _Known | None = None
        self._split = Splitting()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_known": None}

    def now(self) -> Weights:
        """The weights as they are now; the same object as before where nothing has changed."""
        known = self._known
        if known is None or not _identical(known.fingerprint(), known.held):
            return self._anew()
        if known.statics and contents(known.statics) != known.content:
            return self._anew()
        arrays, skeleton = known.weights
        values = list(map(_RAW, known.variables))
        if all(map(operator.is_, values, map(arrays.__getitem__, known.at))):
            return known.weights
        if not known.kinds.issuperset(map(type, values)):
            return self._anew()
        arrays = list(arrays)
        for i, value in zip(known.at, values, strict=True):
            arrays[i] = value
        weights: Weights = arrays, skeleton
        self._known = known._replace(weights=weights)
        return weights

    def _anew(self) -> Weights:
        found = nnx.split(self._module)
        statics = list(_statics(self._module))
        weights = self._split(found, statics)
        self._known = self._followed(found[1], weights, statics)
        return weights

    def _followed(self, state: Any, weights: Weights, statics: Sequence[Any]) -> _Known | None:
        """Where the arrays are; None where they cannot be read there."""
        try:
            holders = [_holder(self._module, path) for path, _ in nnx.to_flat_state(state)]
            parts = list(_parts(self._module))
            read = [_RAW(h) if isinstance(h, nnx.Variable) else h for h in holders]
        except (AttributeError, LookupError, TypeError, ValueError):
            return None
        if not all(map(is_array, read)) or not _identical(read, weights[0]):
            return None
        at = [i for i, h in enumerate(holders) if isinstance(h, nnx.Variable)]
        known = _Known(
            weights,
            [p for p in parts if type(p) not in (dict, list)],
            [p for p in parts if type(p) in (dict, list)],
            [holders[i] for i in at],
            at,
            frozenset(type(read[i]) for i in at),
            statics,
            contents(statics),
        )
        return known._replace(held=known.fingerprint())


def _identical(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return len(a) == len(b) and all(map(operator.is_, a, b))


def _parts(module: Any) -> Iterator[Any]:
    """All objects and containers of a module, each once.

    Raises:
        TypeError: for one whose contents cannot be followed.
    """
    todo, seen = [module], set()
    while todo:
        part = todo.pop()
        if id(part) in seen or isinstance(part, nnx.Variable):
            continue
        contents = _contents(part)
        if contents is not None:
            seen.add(id(part))
            todo += contents
            if not isinstance(part, tuple):  # which holds what it held
                yield part


def _statics(module: Any) -> Iterator[Any]:
    """What the parts of a module hold that is no part, and may change in place."""
    todo, seen = [module], set()
    while todo:
        part = todo.pop()
        if id(part) in seen or isinstance(part, nnx.Variable) or is_array(part):
            continue
        seen.add(id(part))
        inside = _inside(part)
        if inside is not None:
            todo += inside
        elif changeable(part):
            yield part


def _inside(part: Any) -> list[Any] | None:
    """What a part of a module holds; None where all of it is static."""
    if isinstance(part, OBJECT):
        return [v for k, v in vars(part).items() if not k.startswith(_INTERNAL)]
    if type(part) in (dict, list, tuple):
        return list(_members(part)) if _holds_data(part) else None
    return jax.tree.leaves(part) if _is_tree(part) else None


def _members(part: Any) -> Iterable[Any]:
    return part.values() if isinstance(part, dict) else part


def _holds_data(part: Any) -> bool:
    """Whether a container holds parts of a module or arrays, at any depth."""
    if type(part) in (dict, list, tuple):
        return any(map(_holds_data, _members(part)))
    return isinstance(part, OBJECT | nnx.Variable) or is_array(part)


def _contents(part: Any) -> list[Any] | None:
    """What a part of a module is made of; None where it is no part, but a value."""
    if isinstance(part, OBJECT):
        return [v for k, v in vars(part).items() if not k.startswith("_pytree__")]
    if type(part) is dict:
        return list(part.values())
    if type(part) in (list, tuple):
        return list(part)
    if isinstance(part, Mapping | list | tuple | set) or _is_tree(part):
        raise TypeError(part)
    return None


def _is_tree(value: Any) -> bool:
    """Whether JAX sees other values in this one."""
    return value is not None and not jax.tree_util.all_leaves([value])


def _holder(module: Any, path: Sequence[Any]) -> Any:
    """The variable or array at a path of a module's state."""
    at = module
    for name in path:
        at = at[name] if type(at) in (dict, list, tuple) else vars(at)[str(name)]
    return at

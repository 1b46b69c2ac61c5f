"""Keys by value: what tells whether a traced step may serve another quantity.

Two quantities with equal keys compute the same function of their arrays. Functions are told apart
by code, defaults and closure; containers and arrays by what they hold; anything else that cannot
be hashed by identity.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class _Identity:
    """An object that equals only itself. It is kept, so that its identity is not given again."""

    value: Any

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.value is self.value


def by_value(value: Any, _within: tuple[int, ...] = ()) -> Hashable:
    """A hashable key that equals another's exactly if both values may be used for one another.

    Example:
        >>> by_value([1, {"a": 2}]) == by_value([1, {"a": 2}])
        True
        >>> scale = lambda c: (lambda y: c * y)
        >>> by_value(scale(1)) == by_value(scale(2))
        False
    """
    if id(value) in _within:  # a function that closes over itself
        return "recursion", _within.index(id(value))
    make = _KEYS.get(type(value))
    if make is not None:
        return type(value), make(value, (*_within, id(value)))
    try:
        hash(value)
    except TypeError:
        return _Identity(value)
    return type(value), value


def attributes(instance: Any, leave_out: tuple[str, ...] = ()) -> Hashable:
    """The key of an object's class and attributes."""
    held = {k: v for k, v in vars(instance).items() if k not in leave_out}
    return type(instance), by_value(held)


def snapshot(value: Any, _copies: dict[int, Any] | None = None) -> Any:
    """A copy of `value` that later changes of its containers, arrays or closures do not reach.

    What leads back to itself, as the closures of some frameworks' functions do, does so copied.
    """
    copy = _COPIES.get(type(value))
    if copy is None:
        return value
    copies = {} if _copies is None else _copies
    if id(value) not in copies:
        found = copy(value, copies)
        copies.setdefault(id(value), found)
    return copies[id(value)]


def _function_key(f: types.FunctionType, within: tuple[int, ...]) -> Hashable:
    cells = tuple(_cell(c) for c in f.__closure__ or ())
    parts = (f.__defaults__, f.__kwdefaults__, cells)
    return f.__code__, id(f.__globals__), by_value(parts, within)


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _function_copy(f: types.FunctionType, copies: dict[int, Any]) -> types.FunctionType:
    cells = tuple(types.CellType() for _ in f.__closure__ or ())
    new = types.FunctionType(
        f.__code__, f.__globals__, f.__name__, snapshot(f.__defaults__, copies), cells
    )
    copies[id(f)] = new  # before its closure, which may lead back here
    new.__kwdefaults__ = snapshot(f.__kwdefaults__, copies)
    for cell, old in zip(cells, f.__closure__ or (), strict=True):
        cell.cell_contents = snapshot(_cell(old), copies)
    return new


def _items(d: dict[Any, Any], within: tuple[int, ...]) -> Hashable:
    return tuple((by_value(k), by_value(v, within)) for k, v in d.items())


def _members(values: Any, within: tuple[int, ...]) -> Hashable:
    return tuple(by_value(v, within) for v in values)


_KEYS: dict[type, Callable[[Any, tuple[int, ...]], Hashable]] = {
    list: _members,
    tuple: _members,
    dict: _items,
    set: lambda s, within: frozenset(by_value(v, within) for v in s),
    np.ndarray: lambda a, _: (a.shape, a.dtype.str, a.tobytes()),
    types.FunctionType: _function_key,
    types.MethodType: lambda m, w: (by_value(m.__func__, w), by_value(m.__self__, w)),
    functools.partial: lambda p, w: by_value((p.func, p.args, p.keywords), w),
}

_COPIES: dict[type, Callable[[Any, dict[int, Any]], Any]] = {
    list: lambda v, c: [snapshot(x, c) for x in v],
    tuple: lambda v, c: tuple(snapshot(x, c) for x in v),
    dict: lambda v, c: {k: snapshot(x, c) for k, x in v.items()},
    set: lambda v, _: set(v),
    np.ndarray: lambda v, _: np.copy(v),
    types.FunctionType: _function_copy,
    functools.partial: lambda p, c: functools.partial(
        snapshot(p.func, c), *snapshot(p.args, c), **snapshot(p.keywords, c)
    ),
}

"""Keys by value: what tells whether a traced step may serve another call.

What is equal here has the same type and holds the same: numbers to the bit, so that −0.0 is not
0.0 and nan is itself; containers and objects by all that they hold. What has code of its own,
functions, classes, networks, equals only itself: whoever traces a model knows that its code is
read once.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import types
from collections.abc import Callable, Hashable, Iterable
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
        >>> by_value(0.0) == by_value(-0.0), by_value(1) == by_value(True)
        (False, False)
    """
    kind = type(value)
    if kind in _PLAIN:
        return kind, value
    if kind in _NUMBERS or isinstance(value, np.generic):
        return kind, np.asarray(value).tobytes()
    if id(value) in _within:  # it leads back to itself
        return "recursion", _within.index(id(value))
    if isinstance(value, set | frozenset):
        return kind, frozenset(map(by_value, value))
    held = _held(value)
    if held is None:
        return _Identity(value)
    within = (*_within, id(value))
    # another object that holds the same now may hold something else when a step is traced again
    who = None if kind in _PARTS else _Identity(value)
    parts = [(k, x) if (k := type(x)) in _PLAIN else by_value(x, within) for x in held]
    return kind, who, *parts


def attributes(instance: Any, leave_out: tuple[str, ...] = ()) -> Hashable:
    """The key of an object's class and attributes, in whatever order these were set."""
    held = {k: v for k, v in sorted(vars(instance).items()) if k not in leave_out}
    return type(instance), by_value(held)


def changeable(value: Any) -> bool:
    """Whether what an object holds may change while it stays the same object.

    Tensors are data, and code is read once.
    """
    if isinstance(value, _FIXED):
        return False
    if isinstance(value, tuple | frozenset) and not getattr(value, "__dict__", None):
        return any(map(changeable, value))
    if isinstance(value, functools.partial):
        return any(map(changeable, (value.func, *value.args, *value.keywords.values())))
    return isinstance(value, np.ndarray) or not hasattr(value, "shape")


def contents(values: Iterable[Any]) -> Hashable:
    """A key of all that such objects hold now; one that can be called holds attributes, too.

    Example:
        >>> held = [{"slope": 0.1}]
        >>> before = contents(held)
        >>> held[0]["slope"] = 0.2
        >>> contents(held) == before
        False
    """
    return tuple([_content(x) for x in values])


def _content(x: Any) -> Hashable:
    own = getattr(x, "__dict__", None)
    # what can be called is by `by_value` nothing but itself; here it is an activation with a slope
    return (by_value(x), by_value(own)) if own and callable(x) else by_value(x)


_FIXED = (
    *(type(None), bool, int, float, complex, str, bytes, type(...)),
    *(type, enum.Enum, np.generic, np.dtype, range),
    *(types.FunctionType, types.BuiltinFunctionType, types.ModuleType, np.ufunc),
)
_PLAIN = frozenset({type(None), bool, int, str, bytes, type(...)})
_NUMBERS = frozenset({float, complex})


def _held(value: Any) -> Iterable[Any] | None:
    """All that a value is made of; None where it is not known to be made of anything."""
    made = next((_PARTS[c] for c in type(value).__mro__ if c in _PARTS), None)
    if made is None and hasattr(value, "__wrapped__") and not _is_code(value):
        return (value.__wrapped__,)  # a proxy, as TensorFlow has for containers
    own = getattr(value, "__dict__", None)
    if made is None and (own is None or _is_code(value) or hasattr(value, "shape")):
        return None
    parts = [] if made is None else list(made(value))
    return [*parts, *((k, v) for k, v in own.items())] if own else parts


def _is_code(value: Any) -> bool:
    return callable(value) or isinstance(value, types.ModuleType)


_PARTS: dict[type, Callable[[Any], Iterable[Any]]] = {
    list: iter,
    tuple: iter,
    dict: lambda d: d.items(),
    collections.deque: iter,
    collections.UserDict: lambda d: d.data.items(),
    slice: lambda s: (s.start, s.stop, s.step),
    np.ndarray: lambda a: (a.shape, a.dtype.str, a.tolist() if a.dtype.hasobject else a.tobytes()),
    types.MethodType: lambda m: (m.__func__, m.__self__),
    functools.partial: lambda p: (p.func, p.args, p.keywords),
    types.MappingProxyType: lambda d: d.items(),
}

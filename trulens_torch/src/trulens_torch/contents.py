"""What plain containers hold, and how it is put back."""

from __future__ import annotations

import operator
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from trulens_torch.values import Values

_MANY = 1000
"""Members; larger containers are put back too, but not what is inside their members."""

_DEEP = 4

ATOMS = {int, float, complex, bool, str, bytes, type(None), torch.dtype, torch.device, torch.Size}
"""Types of what holds nothing."""

_FILLED: dict[type, Callable[[Any, Any], object]] = {
    list: lambda x, before: operator.setitem(x, slice(None), before),
    dict: lambda x, before: (x.clear(), x.update(before)),
    OrderedDict: lambda x, before: (x.clear(), x.update(before)),
    defaultdict: lambda x, before: (x.clear(), x.update(before)),
    set: lambda x, before: (x.clear(), x.update(before)),
    deque: lambda x, before: (x.clear(), x.extend(before)),
}
"""By type, exactly: a subclass may have its own idea of what filling it means."""


class Contents:
    """Containers that will hold what they hold now, if it is tensors, or has come to be.

    Those inside them likewise. What else they hold is put back together with the tensors.

    Args:
        values: where the tensors inside them are kept.
    """

    def __init__(self, values: Values) -> None:
        self._values = values
        self._held: dict[int, tuple[Any, Any, int]] = {}
        self._chosen: set[int] = set()

    def keep(self, value: Any, owner: int) -> None:
        """Keep what `value` holds, if it is a tensor or a container."""
        kind = type(value)
        if kind in ATOMS:
            return
        if kind in _FILLED and id(value) not in self._held:
            self._held[id(value)] = value, value.copy(), owner
            if len(value) <= _MANY:
                for member in _members(value):
                    self.keep(member, owner)
        elif isinstance(value, torch.Tensor):
            self._values.copy_small([value], owner)
        elif isinstance(value, tuple):
            for member in value:
                self.keep(member, owner)

    def put_back(self) -> None:
        """Put back what was changed; done twice, it does the same."""
        for x, before, owner in self._held.values():
            if same(x, before):
                continue
            if id(x) in self._chosen or holds_tensors(x) or holds_tensors(before):
                self._chosen.add(id(x))  # an interrupt may leave it empty
                self._values.changed.add(owner)
                _FILLED[type(x)](x, before)


def same(a: Any, b: Any) -> bool:
    """Whether two containers of one type hold the same objects, whatever their names."""
    if len(a) != len(b):
        return False
    if isinstance(a, dict):
        return all(map(operator.is_, a.values(), b.values()))
    return bool(a == b) if isinstance(a, set) else all(map(operator.is_, a, b))


def may_be_kept(value: Any) -> bool:
    """Whether `Contents.keep` may find something in it, now or later."""
    if type(value) in _FILLED:
        return True
    return isinstance(value, torch.Tensor | tuple) and not is_plain(value)


def is_plain(value: Any) -> bool:
    """Whether it is a number, a text or the like, or a tuple of these."""
    return type(value) in ATOMS or (isinstance(value, tuple) and all(map(is_plain, value)))


def holds_tensors(value: Any, depth: int = _DEEP) -> bool:
    """Whether there is a tensor in it: a container, or an object's attributes."""
    if isinstance(value, torch.Tensor):
        return True
    if type(value) in ATOMS or not depth or isinstance(value, type | nn.Module):
        return False
    if isinstance(value, list | tuple | set | deque | dict):
        return any(holds_tensors(x, depth - 1) for x in _members(value))
    held = getattr(value, "__dict__", None)
    return isinstance(held, dict) and holds_tensors(held, depth - 1)


def _members(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container

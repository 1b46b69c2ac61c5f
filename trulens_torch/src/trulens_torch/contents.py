"""What plain containers hold, and how it is put back."""

from __future__ import annotations

import itertools
import operator
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

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


class Attributes:
    """What attributes hold that may be kept, each with its owner; looked through when it changes.

    Attributes:
        pairs: the values, and the owner of each.
    """

    def __init__(self, pairs: Sequence[tuple[Any, int]]) -> None:
        self.pairs: Sequence[tuple[Any, int]] = pairs
        self._seen = _Seen.of(pairs)

    def seen(self) -> _Seen:
        """What they hold now."""
        if not self._seen.holds():
            self._seen = _Seen.of(self.pairs)
        return self._seen


class _Seen(NamedTuple):
    """Containers that hold numbers, texts and the like, and one another, as they were; the rest.

    Attributes:
        plain: such containers.
        copies: of them.
        owners: of them.
        sizes: of them.
        inside: of all, what gives their members, with the names that they have.
        members: what that gave.
        others: all else, which is looked at in every call.
    """

    plain: list[Any]
    copies: list[Any]
    owners: list[int]
    sizes: list[int]
    inside: list[Iterable[Any]]
    members: list[Any]
    others: list[tuple[Any, int]]

    @staticmethod
    def of(pairs: Sequence[tuple[Any, int]]) -> _Seen:
        plain: dict[int, tuple[Any, int]] = {}
        others: list[tuple[Any, int]] = []
        for value, owner in pairs:
            found: dict[int, Any] = {}
            if _holds_atoms(value, found):
                for i, x in found.items():
                    plain.setdefault(i, (x, owner))
            else:
                others.append((value, owner))
        held = [x for x, _ in plain.values()]
        inside = [*held, *[dict.values(x) for x in held if isinstance(x, dict)]]
        return _Seen(
            held,
            [x.copy() for x in held],
            [owner for _, owner in plain.values()],
            list(map(len, held)),
            inside,
            list(itertools.chain.from_iterable(inside)),
            others,
        )

    def holds(self) -> bool:
        """Whether the plain ones hold the very objects that they held."""
        return list(map(len, self.plain)) == self.sizes and all(
            map(operator.is_, itertools.chain.from_iterable(self.inside), self.members)
        )


def _holds_atoms(value: Any, found: dict[int, Any]) -> bool:
    """Whether a value has nothing else inside; the containers among it, each once, are `found`."""
    kind = type(value)
    if kind in ATOMS or id(value) in found:
        return True
    if kind is not tuple:
        if kind not in _FILLED or len(value) > _MANY or len(found) > _MANY:
            return False
        found[id(value)] = value
    return all([_holds_atoms(x, found) for x in _members(value)])


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
        self._seen: list[_Seen] = []

    def keep_all(self, attributes: Attributes, owner: int = 0) -> None:
        """Keep what many attributes hold."""
        del owner
        seen = attributes.seen()
        self._seen.append(seen)
        for value, of in seen.others:
            self.keep(value, of)

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
        for seen in self._seen:
            if not seen.holds():
                for x, copy, owner in zip(seen.plain, seen.copies, seen.owners, strict=True):
                    self._held.setdefault(id(x), (x, copy, owner))
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

"""The structure of a call's inputs: its leaves, their roles, and how arguments are put together."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from trulens_core import trees, value_keys

Name = str | int
Role = str
AT_CUT, BATCHED, SHARED, STATIC = "cut", "batched", "shared", "static"
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Leaf(NamedTuple):
    """One leaf of one argument: its value, the argument's name or position, and its role."""

    value: Any
    name: Name
    role: Role


class Part(NamedTuple):
    """The structure of one argument."""

    key: Any
    size: int
    unflatten: trees.Unflatten


class Structure(NamedTuple):
    """The structure of a call's inputs without their tensors.

    Attributes:
        names: positions and names of the arguments.
        parts: the structure of each.
        roles: of every leaf; set by `ModelInputs.split`.
        static: the values of the leaves that are no tensors.
        axes: of every leaf, the axis of the records as the model takes it; empty: all the first.
    """

    names: tuple[Name, ...]
    parts: tuple[Part, ...]
    roles: tuple[Role, ...] = ()
    static: tuple[Any, ...] = ()
    axes: tuple[int, ...] = ()

    def build(self, values: list[Any]) -> Arguments:
        """The arguments with these leaves."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        start = 0
        for name, part in zip(self.names, self.parts, strict=True):
            value = part.unflatten(values[start : start + part.size])
            start += part.size
            if isinstance(name, int):
                args.append(value)
            else:
                kwargs[name] = value
        return tuple(args), kwargs

    def key(self) -> Hashable:
        """The key by value: equal for calls that differ in their tensors alone."""
        parts = tuple([(p.key, p.size) for p in self.parts])
        return self.names, parts, self.roles, value_keys.by_value(self.static), self.axes

    def arranged(self, positions: Sequence[int], values: Sequence[Any]) -> Any:
        """`values` of some leaves in the caller's own structure, all other leaves left out.

        One positional argument gives its own structure, several a list; keyword arguments a dict.
        """
        if self.names == (0,) and self.parts[0].size == len(positions) == 1:
            return self.parts[0].unflatten(list(values))
        held = dict(zip(positions, values, strict=True))
        found: dict[Name, Any] = {}
        start = 0
        for name, part in zip(self.names, self.parts, strict=True):
            inside = range(start, start + part.size)
            start += part.size
            if any(i in held for i in inside):
                filled = part.unflatten([held.get(i, _ABSENT) for i in inside])
                found[name] = _pruned(filled)
        if all(isinstance(n, int) for n in found):
            values = list(found.values())
            return values[0] if len(values) == 1 else values
        return found


_ABSENT = object()


def _pruned(value: Any) -> Any:
    """A container without its absent leaves; empty containers become absent too."""
    if isinstance(value, Mapping):
        items = {k: p for k, v in value.items() if (p := _pruned(v)) is not _ABSENT}
        return items or _ABSENT
    if isinstance(value, list | tuple):
        kept = [p for v in value if (p := _pruned(v)) is not _ABSENT]
        return kept or _ABSENT
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _pruned({f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    return value

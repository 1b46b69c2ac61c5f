"""The structure of a call's inputs: its leaves, their roles, and how arguments are put together."""

from __future__ import annotations

from typing import Any, NamedTuple

from trulens_core import trees

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


class Layout(NamedTuple):
    """The structure of a call's inputs without their tensors.

    Attributes:
        names: positions and names of the arguments.
        parts: the structure of each.
        roles: of every leaf; set by `ModelInputs.split`.
        static: the values of the leaves that are no tensors.
    """

    names: tuple[Name, ...]
    parts: tuple[Part, ...]
    roles: tuple[Role, ...] = ()
    static: tuple[Any, ...] = ()

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

"""Groups of columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from trulens_core.segments.axes import Value
from trulens_core.segments.recipe import Recipe
from trulens_core.segments.regions import Regions
from trulens_core.slices import is_index

Column = int | str
Group = Column | Sequence[Column]


@final
@dataclass(frozen=True)
class Columns(Recipe):
    """What `Segments.columns` makes: groups of indices, their names, and those of all columns."""

    groups: tuple[tuple[int, ...], ...]
    titles: tuple[str, ...]
    names: tuple[str, ...] | None

    @classmethod
    def read(
        cls, groups: Mapping[str, Group] | Sequence[Group], names: Sequence[str] | None
    ) -> Columns:
        """The groups with every column as its index."""
        columns = None if names is None else tuple(str(name) for name in names)
        named = isinstance(groups, Mapping)
        given = list(groups.values()) if isinstance(groups, Mapping) else list(groups)
        found = [_indices(group, columns) for group in given]
        flat = [i for group in found for i in group]
        twice = sorted({i for i in flat if flat.count(i) > 1})
        if twice:
            raise ValueError(f"Column {twice[0]} is in two groups, or twice in one")
        titles = [", ".join(_name(i, columns) for i in group) for group in found]
        return cls(tuple(found), tuple(map(str, groups)) if named else tuple(titles), columns)

    def regions(self, value: Value) -> tuple[Regions, ...]:
        if not value.shape:
            raise ValueError("A value of shape (records,) has no columns")
        width = value.shape[-1]
        if self.names is not None and len(self.names) != width:
            raise ValueError(f"names has {len(self.names)} names, but there are {width} columns")
        labels = np.full(width, -1)
        for number, group in enumerate(self.groups):
            if max(group) >= width:
                raise ValueError(f"There is no column {max(group)}: there are {width}, from 0 on")
            labels[list(group)] = number
        alone = np.flatnonzero(labels < 0)
        labels[alone] = len(self.groups) + np.arange(len(alone))
        names = [*self.titles, *(_name(int(i), self.names) for i in alone)]
        along = (1,) * (len(value.shape) - 1)
        regions = Regions.of_labels(labels.reshape(*along, width), value.shape, names)
        return (regions,) * value.records


def _indices(group: Group, names: tuple[str, ...] | None) -> tuple[int, ...]:
    """The columns of one group; a single column is a group too."""
    columns: Any = [group] if isinstance(group, str) or is_index(group) else group
    found = tuple(_index(column, names) for column in columns)
    if not found:
        raise ValueError("A group of columns is empty; leave it out")
    return found


def _index(column: Column, names: tuple[str, ...] | None) -> int:
    if isinstance(column, str):
        if names is None:
            raise ValueError(
                f"Column {column!r} is given by name; say all columns' names in order: names="
            )
        if names.count(column) != 1:
            raise ValueError(f"{column!r} is {names.count(column)} times among the names {names}")
        return names.index(column)
    if not is_index(column) or column < 0:
        raise ValueError(f"A column is its name or its place, counted from 0; found {column!r}")
    return int(column)


def _name(column: int, names: tuple[str, ...] | None) -> str:
    return str(column) if names is None or column >= len(names) else names[column]

"""Patches of one size, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from trulens_core.segments.axes import Size, Value, checked_size
from trulens_core.segments.recipe import Recipe
from trulens_core.segments.regions import Regions


@final
@dataclass(frozen=True)
class Grid(Recipe):
    """What `Segments.grid` makes."""

    size: Size
    channel_axis: int | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checked_size(self.size, "size"))

    def regions(self, value: Value) -> tuple[Regions, ...]:
        labels = np.zeros((1,) * len(value.shape), int)
        for axis, length, size in value.sized(self.size, self.channel_axis):
            along = [-1 if a == axis else 1 for a in range(labels.ndim)]
            labels = labels * -(-length // size) + (np.arange(length) // size).reshape(along)
        return (Regions.of_labels(labels, value.shape),) * value.records

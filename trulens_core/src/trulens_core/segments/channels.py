"""Channels, or units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from trulens_core.segments.axes import Value
from trulens_core.segments.recipe import Recipe
from trulens_core.segments.regions import Regions


@final
@dataclass(frozen=True)
class Channels(Recipe):
    """What `Segments.channels` makes."""

    axis: int | None

    def regions(self, value: Value) -> tuple[Regions, ...]:
        channels = value.channels(self.axis)
        along = [-1 if a == channels else 1 for a in range(len(value.shape))]
        labels = np.arange(value.shape[channels]).reshape(along)
        return (Regions.of_labels(labels, value.shape),) * value.records

"""Windows that slide over space or time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from trulens_core.segments.axes import Size, Value, checked_size
from trulens_core.segments.grid import Grid
from trulens_core.segments.recipe import Recipe
from trulens_core.segments.regions import Regions


@final
@dataclass(frozen=True)
class Windows(Recipe):
    """What `Segments.windows` makes."""

    size: Size
    stride: Size
    channel_axis: int | None

    def __post_init__(self) -> None:
        size, stride = checked_size(self.size, "size"), checked_size(self.stride, "stride")
        sizes = size if isinstance(size, tuple) else (size,)
        strides = stride if isinstance(stride, tuple) else (stride,) * len(sizes)
        if len(sizes) == 1:
            sizes = sizes * len(strides)
        if len(sizes) != len(strides) or any(t > s for t, s in zip(strides, sizes, strict=True)):
            raise ValueError(
                f"stride {self.stride!r} does not fit size {self.size!r}: one per axis each, and "
                "no longer than the window, or what lies between two windows is never removed"
            )
        one = not isinstance(size, tuple) and not isinstance(stride, tuple)
        object.__setattr__(self, "size", sizes[0] if one else sizes)
        object.__setattr__(self, "stride", strides[0] if one else strides)

    def regions(self, value: Value) -> tuple[Regions, ...]:
        if self.size == self.stride:
            return Grid(self.size, self.channel_axis).regions(value)
        sized = value.sized(self.size, self.channel_axis)
        strides = self.stride if isinstance(self.stride, tuple) else (self.stride,) * len(sized)
        members = np.ones((1,) * (len(value.shape) + 1), bool)
        for (axis, length, size), stride in zip(sized, strides, strict=True):
            starts = np.arange(-(-(length - size) // stride) + 1)[:, np.newaxis] * stride
            inside = (np.arange(length) >= starts) & (np.arange(length) < starts + size)
            along = [-1 if a == axis else 1 for a in range(len(value.shape))]
            both = members[:, np.newaxis] & inside.reshape(len(starts), *along)
            members = both.reshape(-1, *both.shape[2:])
        return (Regions.of_members(members, value.shape),) * value.records

"""The axes of a value at a cut: records, then channels and space in some order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trulens_core.plugins import get_backend
from trulens_core.slices import is_index

COLOR_COUNTS = (1, 3, 4)
"""Channels that a picture can have: grey, RGB, RGB with opacity."""


@dataclass(frozen=True, eq=False)
class Value:
    """One tensor, records first, and what its shape does not say.

    Attributes:
        tensor: of any framework; its numbers are read only by what segments by them.
        channel_axis: the backend's, of images (rank 4 and 5); None where it is not known.
        first: the place of its first record among all records of the call.
        total: how many records the call has.
    """

    tensor: Any
    channel_axis: int | None
    first: int
    total: int

    @property
    def records(self) -> int:
        """How many there are."""
        return int(self.tensor.shape[0])

    @property
    def shape(self) -> tuple[int, ...]:
        """That of one record."""
        return tuple(int(n) for n in self.tensor.shape[1:])

    @property
    def described(self) -> str:
        """Its shape, for messages."""
        return f"({', '.join(['records', *map(str, self.shape)])})"

    def numbers(self) -> npt.NDArray[Any]:
        """All records, on the host."""
        if isinstance(self.tensor, np.ndarray):
            return self.tensor
        return np.asarray(get_backend(self.tensor).to_numpy(self.tensor))

    def rows(self, data: Any, what: str) -> Any:
        """Of data with a row for each record of the call, the rows of these records."""
        if len(data) != self.total:
            raise ValueError(f"{what} has {len(data)} records, but there are {self.total}")
        return data[self.first : self.first + self.records]

    def channels(self, chosen: int | None) -> int:
        """Which axis of a record holds channels, or units.

        Args:
            chosen: an axis of the tensor, so from 1; None is the last of rank 2 and 3, that of
                the backend or else of the visualizers for images.
        """
        rank = len(self.shape) + 1
        axis = chosen
        if axis is None and rank in (2, 3):
            axis = rank - 1
        if axis is None and rank > 3:
            axis = self.channel_axis
        if axis is None and rank == 4:
            axis = find_channel_axis((self.records, *self.shape), "the value")
        if axis is None:
            raise ValueError(
                f"Which axis of a value of shape {self.described} holds the channels "
                "cannot be told; give channel_axis="
            )
        if not -rank <= axis < rank or axis % rank == 0:
            raise ValueError(
                f"channel_axis={axis} is no axis of channels of a value of shape "
                f"{self.described}; axis 0 is that of the records"
            )
        return axis % rank - 1

    def space(self, chosen: int | None, count: int | None = None) -> tuple[int, ...]:
        """The axes of a record that are space or time.

        Args:
            chosen: the axis of channels, as in `channels`.
            count: how many there should be. As many as a record has axes: none holds channels.
        """
        rank = len(self.shape)
        bare = chosen is None and (rank == 1 or rank == count)
        channels = None if bare else self.channels(chosen)
        found = tuple(a for a in range(rank) if a != channels)
        if not found or count not in (None, len(found)):
            raise ValueError(
                f"A value of shape {self.described} has {len(found)} axes of space or "
                f"time beside the channels, but there are {count} sizes"
            )
        return found

    def sized(self, size: Size, chosen: int | None) -> list[tuple[int, int, int]]:
        """Of each axis of space: which it is, how long, and the size along it."""
        axes = self.space(chosen, None if isinstance(size, int) else len(size))
        sizes = (size,) * len(axes) if isinstance(size, int) else size
        found = [(a, self.shape[a], s) for a, s in zip(axes, sizes, strict=True)]
        for axis, length, own in found:
            if own > length:
                raise ValueError(
                    f"size {own} is larger than axis {axis + 1} of a value of shape "
                    f"{self.described}, which has {length}"
                )
        return found


Size = int | tuple[int, ...]


def checked_size(size: int | Sequence[int], name: str) -> Size:
    """A size, or one for each axis of space."""
    several = isinstance(size, Sequence)
    sizes = tuple(size) if isinstance(size, Sequence) else (size,)
    if not sizes or not all(is_index(s) and s > 0 for s in sizes):
        raise ValueError(f"{name} must be a whole number from 1, or one per axis, found {size!r}")
    return tuple(int(s) for s in sizes) if several else int(sizes[0])


def find_channel_axis(shape: tuple[int, ...], name: str) -> int:
    """The one of axes 1 and 3 that holds 1, 3 or 4 channels, by the other two axes if both do."""
    fits = [axis for axis in (1, 3) if shape[axis] in COLOR_COUNTS]
    found = "neither axis 1 nor axis 3 has"
    if len(fits) == 2:
        fits = [axis for axis in fits if shape[2] == shape[4 - axis]]
        found = "both axis 1 and axis 3 have"
    if len(fits) != 1:
        raise ValueError(
            f"The channels of {name} of shape {shape} could not be found: {found} size 1, 3 or 4. "
            "Pass channel_axis=1 or channel_axis=3."
        )
    return fits[0]

"""Batches of images, read from any layout and any framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trulens_core.errors import NoBackendError
from trulens_core.plugins import get_backend
from trulens_core.segments.axes import COLOR_COUNTS as COLOR_COUNTS
from trulens_core.segments.axes import find_channel_axis as find_channel_axis

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Images:
    """A batch as (records, height, width, channels), and the layout that it came in.

    Law: `images.in_layout(images.values)` equals what was read.

    Attributes:
        values: The caller's numbers, never written to.
        channel_axis: 1 or 3, where the caller has the channels; None for (records, height, width).
    """

    values: Array
    channel_axis: int | None

    @classmethod
    def read(cls, array: Any, name: str, channel_axis: int | None = None) -> Images:
        """Takes an array or a tensor of rank 4, or of rank 3 where that can only be grey images.

        Args:
            array: The batch.
            name: What the caller calls it, for messages.
            channel_axis: Where rank 4 has its channels; None finds it.
        """
        values = as_array(array, name)
        if 0 in values.shape:
            raise ValueError(f"{name} of shape {values.shape} holds no pixel.")
        if values.ndim == 3:
            _check_grey(values.shape, name)
            return cls(values[..., np.newaxis], None)
        if values.ndim != 4:
            raise ValueError(
                f"{name} has rank {values.ndim} (shape {values.shape}); images are (records, "
                "channels, height, width), (records, height, width, channels) or, grey, "
                "(records, height, width)."
            )
        axis = find_channel_axis(values.shape, name) if channel_axis is None else channel_axis % 4
        return cls(np.moveaxis(values, axis, 3), axis)

    @property
    def dtype(self) -> np.dtype[Any]:
        """What results have: float64 stays, everything else becomes float32."""
        return np.dtype(np.float64 if self.values.dtype == np.float64 else np.float32)

    def floats(self) -> Array:
        """A float64 copy in which whatever is not finite is NaN."""
        values = self.values.astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        return values

    def in_layout(self, values: Array) -> Array:
        """Values, channels last, as a new array laid out as the caller's."""
        if self.channel_axis is None:
            return values[..., 0].astype(self.dtype)
        return np.array(np.moveaxis(values, 3, self.channel_axis), dtype=self.dtype, order="C")


def as_array(array: Any, name: str) -> Array:
    """A NumPy array of real numbers, from a tensor of any framework."""
    if isinstance(array, np.ndarray | list | tuple):
        values = np.asarray(array)
    else:
        values = _from_tensor(array, name)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, found {values.dtype}.")
    return values


def _from_tensor(tensor: Any, name: str) -> Array:
    try:
        return np.asarray(get_backend(tensor).to_numpy(tensor))
    except (NoBackendError, TypeError) as error:
        if hasattr(tensor, "__array__"):
            return np.asarray(tensor)
        kind = type(tensor).__name__
        raise ValueError(f"{name} must be an array or a tensor, found {kind}.") from error


def _check_grey(shape: tuple[int, ...], name: str) -> None:
    if shape[0] in (3, 4) or shape[2] in COLOR_COUNTS:
        raise ValueError(
            f"{name} of shape {shape} may be several grey images or one image in colour. Add the "
            "missing axis: a[:, None] for grey images, a[None] for one image."
        )

"""Batches laid out as one picture."""

from dataclasses import dataclass
from math import isqrt
from typing import Any, final

import numpy as np

from trulens_core.visualizations.images import Array, Images
from trulens_core.visualizations.options import check_channel_axis


@final
@dataclass(frozen=True)
class Tiler:
    """Places the images of a batch in a grid as square as possible, row by row.

    Args:
        channel_axis: 1 or 3, where a batch of rank 4 has its channels. None: the one of the two
            with size 1, 3 or 4; if both have, the one whose other two axes are equal.

    Raises:
        ValueError: for another axis; when used, where the axis cannot be found.

    Example:
        >>> Tiler().tile(np.zeros((5, 3, 8, 8))).shape  # two rows of three, the last one empty
        (16, 24, 3)
    """

    channel_axis: int | None = None

    def __post_init__(self) -> None:
        check_channel_axis(self.channel_axis)

    def tile(self, a: Any, *, channel_axis: int | None = None) -> Array:
        """One picture of the batch, in a grid.

        Args:
            a: Array or tensor, (records, channels, height, width), (records, height, width,
                channels) or (records, height, width). The result has its dtype.
            channel_axis: In place of the Tiler's own.

        Returns:
            (height, width, channels), or (height, width) if grey.
        """
        check_channel_axis(channel_axis)
        axis = self.channel_axis if channel_axis is None else channel_axis
        return squeezed(tiled(Images.read(a, "a", axis).values))


def tiled(values: Array, empty: float = 0.0) -> Array:
    """(records, height, width, channels) as a new array (rows, columns, channels).

    Args:
        values: The images.
        empty: What fills the grid after the last image.
    """
    records, height, width, channels = values.shape
    columns = isqrt(records - 1) + 1
    rows = -(-records // columns)
    cells = np.full((rows * columns, height, width, channels), empty, dtype=values.dtype)
    cells[:records] = values
    grid = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)


def squeezed(picture: Array) -> Array:
    """The picture, without the channel axis if it is grey."""
    return picture[..., 0] if picture.shape[-1] == 1 else picture

"""Attributions and the images that they belong to."""

from typing import Any

from trulens_core.visualizations.colors import check_drawable
from trulens_core.visualizations.images import Images


def read_pair(attributions: Any, x: Any, channel_axis: int | None) -> tuple[Images, Images]:
    """Both, read; they must have the same records, height and width, in whichever layouts."""
    maps = Images.read(attributions, "attributions", channel_axis)
    images = Images.read(x, "x", channel_axis)
    if maps.values.shape[:3] != images.values.shape[:3]:
        raise ValueError(
            f"x does not fit the attributions: {_described(images)}, but {_described(maps)}."
        )
    check_drawable(images.values.shape[3], "x")
    return maps, images


def _described(images: Images) -> str:
    records, height, width, channels = images.values.shape
    return f"{records} records of {height} x {width} pixels with {channels} channels"

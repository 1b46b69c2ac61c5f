"""Outlines of segments over the images that they divide."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from trulens_core.optional import require
from trulens_core.visualizations.canvas import arranged
from trulens_core.visualizations.colors import check_drawable, displayable, on_white
from trulens_core.visualizations.images import Array, Images
from trulens_core.visualizations.pictures import painted
from trulens_core.visualizations.result_plots import chosen_records

if TYPE_CHECKING:
    from trulens_core.segments import Regions, Segments

PALE = 0.75
"""How white an element is that is in no segment."""


def plot_segments(
    segments: Segments,
    x: Any,
    *,
    records: Sequence[int] | None = None,
    channel_axis: int | None = None,
    fig: Any = None,
) -> None:
    """Draw the outlines of segments over images (extra `viz`); what is in none is pale.

    Args:
        segments: what belongs together.
        x: the images that are segmented, (records, …).
        records: which to draw; None is the first four.
        channel_axis: 1 or 3; None finds it, as visualizers do.
        fig: a figure of matplotlib; None is the current one.

    Raises:
        ValueError: for what is no batch of images, or where the channels of a pixel belong to
            different segments.
        IndexError: for a record that is not there.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from trulens_core.segments import Segments
        >>> figure = Figure()
        >>> plot_segments(Segments.grid(4), np.zeros((2, 8, 8, 3)), fig=figure)
        >>> [axes.get_title() for axes in figure.axes]
        ['record 0: 4 segments', 'record 1: 4 segments']
    """
    images = Images.read(x, "x", channel_axis)
    check_drawable(images.values.shape[3], "x")
    chosen = chosen_records(records, images.values)
    found = segments.resolved(x, channel_axis=images.channel_axis)
    layers = [_layers(found[r], images.channel_axis) for r in chosen]
    shown = on_white(displayable(Images(images.values[chosen], images.channel_axis)))
    require("matplotlib", "viz")

    def paint(figure: Any) -> None:
        arranged(figure.figure)
        columns = isqrt(max(len(chosen) - 1, 0)) + 1
        every = figure.subplots(-(-len(chosen) // columns), columns, squeeze=False).reshape(-1)
        for axes in every:
            axes.set_axis_off()
        for axes, record, own, image in zip(every, chosen, layers, shown, strict=False):
            n = found[record].n
            axes.set_title(f"record {record}: {n} segment{'s' * (n != 1)}", fontsize="medium")
            _draw(axes, own, image)

    painted(paint, fig)


def outlines(layers: Array) -> Array:
    """The edges between neighbouring pixels that differ in a layer, as lines in pixels.

    Args:
        layers: (layers, height, width).

    Returns:
        (lines, 2, 2): of each line its two ends, (x, y); a pixel's centre is at whole numbers.
    """
    across = np.argwhere((layers[:, :, 1:] != layers[:, :, :-1]).any(axis=0))[:, ::-1] + 0.5
    along = np.argwhere((layers[:, 1:] != layers[:, :-1]).any(axis=0))[:, ::-1] + 0.5
    upright = np.stack([across - [0, 1], across], axis=1)
    level = np.stack([along - [1, 0], along], axis=1)
    return np.concatenate([upright, level])


def _layers(regions: Regions, channel_axis: int | None) -> Array:
    """Numbers of segments where they share nothing, else a layer of booleans for each."""
    found = regions.labels if regions.labels is not None else regions.members
    assert found is not None
    stack = found[np.newaxis] if regions.labels is not None else found
    if channel_axis is not None:
        if stack.shape[channel_axis] > 1:
            raise ValueError(
                "Only segments that hold all channels of a pixel can be drawn over an image; "
                f"these differ along axis {channel_axis}"
            )
        stack = stack.squeeze(channel_axis)
    space = [s for a, s in enumerate(regions.shape, 1) if a != channel_axis]
    return np.broadcast_to(stack, (len(stack), *space))


def _draw(axes: Any, layers: Array, image: Array) -> None:
    inside = layers if layers.dtype == bool else layers >= 0
    covered = np.any(inside, axis=0, keepdims=True).reshape(*image.shape[:2], 1)
    axes.imshow(np.where(covered, image, PALE + (1 - PALE) * image))
    collection = require("matplotlib.collections", "viz").LineCollection
    lines = outlines(layers)
    for color, width in (("#111111", 2.2), ("#ffffff", 0.9)):  # seen on dark and on light
        drawn = collection(lines, colors=color, linewidths=width, capstyle="projecting", snap=False)
        axes.add_collection(drawn, autolim=False)

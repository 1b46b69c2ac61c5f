"""The strongest channels of a layer, a map each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.results.upsampling import upsampled
from trulens_core.visualizations.canvas import arranged
from trulens_core.visualizations.image_panels import Map, bar, heading, panel
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.look import limit


@dataclasses.dataclass(frozen=True)
class Channels:
    """A layer's strongest channels for some records, a row for each.

    Attributes:
        maps: (records, channels, rows, columns).
        titles: of the rows.
        x: what the model was given, as RGB, or None.
        most: how many channels.
        clip: the percentile of sizes that gets full colour, of all channels of a record.
    """

    maps: Array
    titles: Sequence[str]
    x: Array | None
    most: int
    clip: float

    @property
    def panels(self) -> int:
        """How many a row has."""
        return min(self.most, int(self.maps.shape[1])) + (self.x is not None)

    def draw(self, figure: Any) -> None:
        """Draw them all."""
        arranged(figure.figure)
        n = len(self.titles)
        every = figure.subplots(n, self.panels, squeeze=False)
        images = [None] * n if self.x is None else self.x
        for panels, maps, said, x in zip(every, self.maps, self.titles, images, strict=True):
            heading(panels[0], said)
            self._row(panels, maps.astype("float64"), x)

    def _row(self, panels: Any, maps: Array, x: Array | None) -> None:
        top = limit(maps, self.clip)
        clipped = bool(np.nanmax(np.abs(maps), initial=0.0) > top)
        order = np.argsort(-np.abs(np.nan_to_num(maps)).sum(axis=(1, 2)), kind="stable")
        if x is not None:
            panel(panels[0], x, "input")
        for axes, channel in zip(panels[x is not None :], order, strict=False):
            picture = _over(Map(maps[channel], top, clipped), x)
            panel(axes, picture, f"channel {channel}\nsum {maps[channel].sum():+.2g}")
        bar(Map(maps.reshape(len(maps), -1), top, clipped), panels[-1])


def channels_first(values: Array, axis: int | None) -> Array:
    """A layer's maps as (records, channels, rows, columns)."""
    if values.ndim != 4 or axis is None:
        raise ValueError(
            f"kind='channels' shows a layer's maps, (records, channels, rows, columns), and these "
            f"attributions have shape {values.shape}; channel_axis= says where channels are"
        )
    return np.moveaxis(values, axis, 1)


def _over(picture: Map, image: Array | None) -> Array:
    if image is None:
        return picture.colors()
    size = np.empty((1, *image.shape[:2], 1))
    large = upsampled(picture.values[None, :, :, None], size, -1)[0, :, :, 0]
    return picture._replace(values=large).over(image)

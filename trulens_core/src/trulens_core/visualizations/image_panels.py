"""Images: what was explained, the attributions over it, their map and its scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from trulens_core.optional import require
from trulens_core.results.fields import ResultFields
from trulens_core.results.upsampling import upsampled
from trulens_core.segments.axes import COLOR_COUNTS
from trulens_core.visualizations.canvas import WIDEST, arranged
from trulens_core.visualizations.colors import check_drawable, displayable, on_white, over
from trulens_core.visualizations.images import Array, Images
from trulens_core.visualizations.look import GREY, SMALL, limit, signed_map, size_map, title

PANEL, NARROWEST = 2.5, 1.5
"""The width of a panel, in inches: of a few, and of many."""
_COMFORTABLE = 10.5
"""The width of a figure whose letters can be read on a page."""
_LEAST, _MOST = 0.25, 1.6
_COVER = 0.9
"""How much the strongest attributions cover of what they lie over."""


class Map(NamedTuple):
    """One record's attributions as (height, width), and the number that has full colour."""

    values: Array
    limit: float
    clipped: bool

    @property
    def signed(self) -> bool:
        """Whether something lowers."""
        return bool(np.any(self.values < 0))

    def mappable(self) -> Any:
        """What a bar of colours is drawn of."""
        low = -self.limit if self.signed else 0.0
        norm = require("matplotlib.colors", "viz").Normalize(low, self.limit)
        chosen = signed_map() if self.signed else size_map()
        return require("matplotlib.cm", "viz").ScalarMappable(norm, chosen)

    def colors(self) -> Array:
        """RGB, white where a number is missing."""
        rgba = self.mappable().to_rgba(np.nan_to_num(self.values))[..., :3]
        return np.where(np.isnan(self.values)[..., None], 1.0, rgba)

    def over(self, image: Array) -> Array:
        """RGB over a pale grey of the image: the stronger, the less of it is seen."""
        grey = image @ np.array([0.299, 0.587, 0.114])
        ground = np.repeat((0.45 + 0.55 * grey)[..., None], 3, axis=-1)
        part = np.clip(np.abs(np.nan_to_num(self.values)) / self.limit, 0.0, 1.0)
        strong = self.mappable().to_rgba(np.sign(np.nan_to_num(self.values)) * self.limit)[..., :3]
        return over(strong, _COVER * part[..., None], ground)


def maps_of(values: Array, x: Array | None, axis: int | None, clip: float) -> list[Map]:
    """The maps of some records: channels added up, in the size of x where it is larger."""
    images = Images.read(values, "attributions", axis)
    found = images.floats().sum(axis=-1)
    if x is not None:
        size = x.shape[1:3]
        if found.shape[1:] != size:
            shape = np.empty((*x.shape[:3], 1))
            found = upsampled(found[..., None], shape, -1)[..., 0]
    made = []
    for record in found:
        top = limit(record, clip)
        made.append(Map(record, top, bool(np.nanmax(np.abs(record), initial=0.0) > top)))
    return made


def map_axis(values: Array, known: int | None) -> int | None:
    """Where maps have their channels: found for as many as images have, else as it is known."""
    if values.ndim != 4 or any(values.shape[a] in COLOR_COUNTS for a in (1, 3)):
        return None
    return known


def pictures_of(x: Any, axis: int | None) -> Array:
    """Images as RGB, (records, height, width, 3), from 0 to 1."""
    images = Images.read(x, "x", axis)
    check_drawable(images.values.shape[-1], "x")
    return on_white(displayable(images))


def size_of(rows: int, panels: int, ratio: float) -> tuple[float, float]:
    """The figure's size for rows of panels whose height is `ratio` of their width."""
    width = min(PANEL, max(NARROWEST, (_COMFORTABLE - 1.1) / panels), (WIDEST - 1.1) / panels)
    height = width * min(max(ratio, _LEAST), _MOST)
    return panels * width + 1.1, max(1.6, rows * (height + 0.62) + 0.2)


def rows(
    figure: Any,
    result: ResultFields,
    records: Sequence[int],
    maps: Sequence[Map],
    x: Array | None,
) -> None:
    """A row for each record, on one grid: the image, its overlay, the map and its scale."""
    arranged(figure.figure)
    count = 1 if x is None else 3
    every = figure.subplots(len(records), count, squeeze=False)
    for place, (record, shown) in enumerate(zip(records, maps, strict=True)):
        panels = [("attributions", shown.colors())]
        if x is not None:
            image = x[place]
            panels = [("input", image), ("overlay", shown.over(image)), *panels]
        heading(every[place, 0], title(result, record, 22 + 22 * count))
        for axes, (name, picture) in zip(every[place], panels, strict=True):
            panel(axes, picture, name)
        bar(shown, every[place, -1])


def heading(axes: Any, said: str) -> None:
    """Words above a row that begin with its first panel, and move no panel aside."""
    axes.set_title(" ", fontsize=SMALL + 1, loc="left")  # keeps a line free, as wide as nothing
    at = (0, 6)  # points above the corner
    own = axes.annotate(said, (0, 1), at, "axes fraction", "offset points", fontsize=SMALL + 1)
    own.set_in_layout(False)


def panel(axes: Any, picture: Array, name: str) -> None:
    """A picture with what it is below."""
    axes.imshow(picture, origin="upper")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("0.7")
    if name:
        axes.set_xlabel(name, fontsize=SMALL, color=GREY)


def bar(shown: Map, axes: Any) -> None:
    """The scale beside a panel; its ends are pointed where numbers go on beyond."""
    extend = ("both" if shown.signed else "max") if shown.clipped else "neither"
    rows, columns = axes.images[0].get_array().shape[:2]
    # no narrower beside a tall picture, nor lower beside a wide one, than can be read
    wide, high = 0.05 * max(1.0, rows / columns / _MOST), max(1.0, 0.3 * columns / rows)
    beside = axes.inset_axes((1.0 + 0.8 * wide, 0.5 - high / 2, wide, high))
    drawn = axes.figure.colorbar(shown.mappable(), cax=beside, extend=extend)
    drawn.outline.set_edgecolor("0.7")
    ticks = 4 if rows > 0.4 * columns else 2
    drawn.locator = require("matplotlib.ticker", "viz").MaxNLocator(ticks)
    drawn.formatter.set_powerlimits((-2, 4))
    drawn.update_ticks()
    beside.tick_params(labelsize=SMALL - 1)
    beside.yaxis.get_offset_text().set_fontsize(SMALL - 1)

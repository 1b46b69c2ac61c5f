"""Panels of one record's image as HTML: what was explained, the attributions over it, their map."""

from __future__ import annotations

import base64
from typing import NamedTuple

import numpy as np

from trulens_core.results.fields import ResultFields
from trulens_core.visualizations import image_panels
from trulens_core.visualizations.image_panels import Map
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.pictures import encoded
from trulens_core.visualizations.result_plots import explained_image

_SMALL = 160
"""Images narrower than this are shown with their pixels."""


class Panels(NamedTuple):
    """One record's pictures, RGB by name, and the map that they show."""

    shown: Map
    pictures: dict[str, Array]

    def figures(self, style: str = "", widest: int | None = None) -> str:
        """The pictures as figures of HTML, in ASCII.

        Args:
            style: of each figure.
            widest: leave out rows and columns of wider ones; None: none.
        """
        width = self.shown.values.shape[1]
        step = 1 if widest is None else -(-width // widest)
        small = width < _SMALL
        return "".join(
            f'<figure style="{style}"><img style="{_PIXELS if small else _SIZE}" alt="{name}" '
            f'src="{source(picture[::step, ::step])}"><figcaption>{name}</figcaption></figure>'
            for name, picture in self.pictures.items()
        )


_SIZE = "width:100%;display:block;border:1px solid #bbb"
_PIXELS = f"{_SIZE};image-rendering:pixelated"


def panels_of(result: ResultFields, values: Array, record: int, clip: float) -> Panels:
    """The pictures of one record.

    Args:
        result: which knows what was explained.
        values: its attributions, of all records.
        record: which.
        clip: the percentile of sizes that gets full colour.
    """
    x = explained_image(result)
    shown = None if x is None else image_panels.pictures_of(x[record : record + 1], None)
    axis = image_panels.map_axis(values, (result.method or {}).get("channel_axis"))
    (found,) = image_panels.maps_of(values[record : record + 1], shown, axis, clip)
    pictures = {"attributions": found.colors()}
    if shown is not None:
        pictures = {"input": shown[0], "overlay": found.over(shown[0]), **pictures}
    return Panels(found, pictures)


def source(picture: Array) -> str:
    """RGB from 0 to 1 as the source of an image."""
    pixels = np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    return f"data:image/png;base64,{base64.b64encode(encoded(pixels, 'png')).decode('ascii')}"

"""Attributions laid over the images that they explain."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np  # noqa: F401 - for the example

from trulens_core.visualizations.colors import ColorMap, check_cmap, displayable, on_white, over
from trulens_core.visualizations.images import Array, Images
from trulens_core.visualizations.maps import AttributionMap
from trulens_core.visualizations.normalization import check_normalization
from trulens_core.visualizations.options import (
    check_blur,
    check_channel_axis,
    check_fraction,
    overridden,
)
from trulens_core.visualizations.overlays import read_pair
from trulens_core.visualizations.pictures import deliver


@final
@dataclass(frozen=True)
class HeatmapVisualizer:
    """Lays a heat map of the attributions over the images.

    A call returns the numbers of the heat map, as Visualizer does. Where they are NaN the image
    shows as it is.

    Args:
        overlay_opacity: How much the heat map covers the image, from 0 to 1.
        normalization_type: As in Visualizer.
        blur: As in Visualizer.
        cmap: As in Visualizer.
        combine_channels: As in Visualizer. If not, several channels are laid over as colours.
        channel_axis: As in Tiler, for the attributions and for the images.

    Raises:
        ValueError: for an option out of its range; in a call, for images that do not fit.

    Example:
        >>> attributions, images = np.ones((2, 3, 8, 8)), np.zeros((2, 3, 8, 8))
        >>> HeatmapVisualizer(blur=0)(attributions, images, imshow=False).shape
        (2, 1, 8, 8)
    """

    overlay_opacity: float = 0.5
    normalization_type: str | None = None
    blur: float | None = 10.0
    cmap: ColorMap | None = "jet"
    combine_channels: bool = field(default=True, kw_only=True)
    channel_axis: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_fraction("overlay_opacity", self.overlay_opacity)
        check_normalization(self.normalization_type)
        check_blur(self.blur)
        check_cmap(self.cmap)
        check_channel_axis(self.channel_axis)

    def __call__(  # noqa: PLR0913  # the documented signature
        self,
        attributions: Any,
        x: Any,
        output_file: str | Path | None = None,
        imshow: bool = True,
        fig: Any = None,
        return_tiled: bool = False,
        overlay_opacity: float | None = None,
        normalization_type: str | None = None,
        blur: float | None = None,
        cmap: ColorMap | None = None,
        *,
        combine_channels: bool | None = None,
        channel_axis: int | None = None,
    ) -> Array:
        """Draws the heat map; options that are None are the visualizer's own.

        Args:
            attributions: As in Visualizer.
            x: The images, as many and as large: uint8, or numbers from 0 to 1. Other records
                are stretched to that range.
            output_file: As in Visualizer.
            imshow: As in Visualizer.
            fig: As in Visualizer.
            return_tiled: As in Visualizer.
            overlay_opacity: As in the class.
            normalization_type: As in the class.
            blur: As in the class.
            cmap: As in the class, and an error if there are several channels left.
            combine_channels: As in the class.
            channel_axis: As in the class.

        Returns:
            The numbers of the heat map, (records, …) in the layout of the attributions, or tiled.

        Raises:
            ValueError: for images that do not fit the attributions, or an option that has no use.
        """
        options = overridden(
            self,
            combine_channels=combine_channels,
            normalization_type=normalization_type,
            blur=blur,
            cmap=cmap,
            overlay_opacity=overlay_opacity,
            channel_axis=channel_axis,
        )
        maps, images = read_pair(attributions, x, options.channel_axis)
        shown = AttributionMap.of(
            maps, options.combine_channels, options.normalization_type, options.blur
        )
        shown.check_used(cmap)
        deliver(_heatmap(shown, images, options), output_file, imshow, fig)
        return shown.result(return_tiled)


def _heatmap(shown: AttributionMap, images: Images, options: HeatmapVisualizer) -> Array:
    colors = shown.colors(options.cmap)
    opacity = options.overlay_opacity * colors[..., 3:]
    return over(colors[..., :3], opacity, on_white(displayable(images)))

"""Attributions shown directly."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from trulens_core.visualizations.colors import ColorMap, check_cmap, colored, on_white
from trulens_core.visualizations.images import Array, Images
from trulens_core.visualizations.normalization import (
    check_normalization,
    default_normalization,
    normalized,
)
from trulens_core.visualizations.options import check_blur, check_channel_axis, overridden
from trulens_core.visualizations.pictures import deliver
from trulens_core.visualizations.smoothing import smoothed
from trulens_core.visualizations.tiling import squeezed, tiled


@dataclass(frozen=True, eq=False)
class AttributionMap:
    """Attributions, combined, blurred and normalised, as (records, height, width, channels)."""

    images: Images
    values: Array
    normalization_type: str

    @classmethod
    def of(
        cls,
        images: Images,
        combine_channels: bool,
        normalization_type: str | None,
        blur: float | None,
    ) -> AttributionMap:
        """The map of these options; no normalisation type means the one for the channels left."""
        values = smoothed(images.floats(), combine_channels=combine_channels, blur=blur)
        name = normalization_type or default_normalization(values.shape[-1])
        return cls(images, normalized(values, name), name)

    def colors(self, cmap: ColorMap | None) -> Array:
        """RGBA of the map."""
        white = 255.0 if self.images.values.dtype == np.uint8 else 1.0
        return colored(self.values, self.normalization_type, cmap, white)

    def result(self, return_tiled: bool) -> Array:
        """The numbers for the caller: a record each in the given layout, or all of them tiled."""
        if return_tiled:
            return squeezed(tiled(self.values.astype(self.images.dtype)))
        return self.images.in_layout(self.values)

    def check_used(self, cmap: ColorMap | None) -> None:
        """Refuses a colour map that was asked for in a call and could colour nothing."""
        channels = self.values.shape[-1]
        if cmap is not None and channels != 1:
            raise ValueError(
                f"cmap colours attributions of one channel and these have {channels}; pass "
                "combine_channels=True with it."
            )


@final
@dataclass(frozen=True)
class Visualizer:
    """Shows attributions, or images, as they are.

    What a call returns are the numbers shown, combined, blurred and normalised, before they get
    colours: an array in the layout of the attributions (one channel if combined), or with
    `return_tiled` the same as `Tiler().tile` makes of it. float64 gives float64, anything
    else float32. Numbers that are not finite are NaN in the result and white in the picture.

    Args:
        combine_channels: Whether to average over the channels.
        normalization_type: `unsigned_max` (by the largest magnitude, to [-1, 1]),
            `magnitude_max` (magnitudes, to [0, 1]), `magnitude_sum` (magnitudes, to sum 1),
            `signed_max` (above and below zero by themselves, to [-1, 1]), `signed_sum` (the
            same, to sums 1 and -1), `01` (smallest to 0, largest to 1), `unnormalized`, and
            `unsigned_max_positive_centered`, `signed_max_positive_centered` (moved to
            [0, 1], 0.5 being zero). Each record by itself, for the sums each channel. None is
            `unsigned_max` for one channel, else `unsigned_max_positive_centered`.
        blur: Standard deviation of a Gaussian blur, in pixels; 0 or None is no blur.
        cmap: Colours of one channel: the name of a matplotlib colour map, a map, or a function
            from an array in [0, 1] to RGB or RGBA. None is a map with white at zero where
            attributions have a sign, and one that gets brighter where they have none.
        channel_axis: 1 or 3, as in Tiler.

    Raises:
        ValueError: for an option out of its range; in a call, for an array that is no batch of
            images.

    Example:
        >>> attributions = np.array([[[[0.0, 2.0], [-1.0, 0.0]]]])
        >>> Visualizer()(attributions, imshow=False).tolist()
        [[[[0.0, 1.0], [-0.5, 0.0]]]]
    """

    combine_channels: bool = False
    normalization_type: str | None = None
    blur: float | None = 0.0
    cmap: ColorMap | None = None
    channel_axis: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_normalization(self.normalization_type)
        check_blur(self.blur)
        check_cmap(self.cmap)
        check_channel_axis(self.channel_axis)

    def __call__(  # noqa: PLR0913  # the documented signature
        self,
        attributions: Any,
        output_file: str | Path | None = None,
        imshow: bool = True,
        fig: Any = None,
        return_tiled: bool = False,
        combine_channels: bool | None = None,
        normalization_type: str | None = None,
        blur: float | None = None,
        cmap: ColorMap | None = None,
        *,
        channel_axis: int | None = None,
    ) -> Array:
        """Draws the attributions; options that are None are the visualizer's own.

        Args:
            attributions: Array or tensor, (records, channels, height, width), (records, height,
                width, channels) or (records, height, width).
            output_file: Where to write the picture, one pixel per pixel, whole or not at all; the
                ending says the format.
            imshow: Whether to draw it, on `fig` or else the current figure. A call never waits
                for a window: `matplotlib.pyplot.show()` does.
            fig: The figure to draw on.
            return_tiled: Whether the result is one array tiled as in the picture.
            combine_channels: As in the class.
            normalization_type: As in the class.
            blur: As in the class.
            cmap: As in the class, and an error if there are several channels left.
            channel_axis: As in the class.

        Returns:
            The numbers shown, (records, …) in the layout of the attributions, or tiled.

        Raises:
            ValueError: for an array that is no batch of images, or a `cmap` that has no use.
        """
        options = overridden(
            self,
            combine_channels=combine_channels,
            normalization_type=normalization_type,
            blur=blur,
            cmap=cmap,
            channel_axis=channel_axis,
        )
        shown = AttributionMap.of(
            Images.read(attributions, "attributions", options.channel_axis),
            options.combine_channels,
            options.normalization_type,
            options.blur,
        )
        shown.check_used(cmap)
        deliver(on_white(shown.colors(options.cmap)), output_file, imshow, fig)
        return shown.result(return_tiled)

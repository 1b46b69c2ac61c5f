"""Images of which only the attributed parts are seen."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from trulens_core.visualizations.colors import displayable, on_white
from trulens_core.visualizations.images import Array, Images
from trulens_core.visualizations.normalization import normalized
from trulens_core.visualizations.options import (
    check_blur,
    check_channel_axis,
    check_fraction,
    overridden,
)
from trulens_core.visualizations.overlays import read_pair
from trulens_core.visualizations.pictures import deliver
from trulens_core.visualizations.smoothing import smoothed
from trulens_core.visualizations.tiling import squeezed, tiled


@final
@dataclass(frozen=True)
class MaskVisualizer:
    """Darkens the images where the attributions are low.

    A call returns the masked images, with numbers from 0 to 1, tiled as in the picture or, with
    `return_tiled=False`, in the layout of `x`.

    Args:
        blur: Standard deviation of a Gaussian blur of the attributions, in pixels; 0 or None is no
            blur.
        threshold: A quantile of each record's blurred attributions, from 0 to 1: pixels at it or
            below are masked.
        masked_opacity: The share of its brightness that a masked pixel keeps.
        combine_channels: Whether the attributions are averaged over the channels. If not, each
            channel of the image is masked by its own.
        use_attr_as_opacity: Whether each pixel keeps the share that its attribution has on the
            scale `01`, instead of threshold and masked_opacity.
        positive_only: Whether attributions below zero count as zero, so that no such pixel is
            ever seen in full.
        channel_axis: As in Tiler, for the attributions and for the images.

    Raises:
        ValueError: for an option out of its range; in a call, for images that do not fit.

    Example:
        >>> attributions = np.array([[[[0.0, 2.0], [-1.0, 0.0]]]])
        >>> MaskVisualizer(blur=0)(attributions, np.ones((1, 1, 2, 2)), imshow=False).tolist()
        [[0.2, 1.0], [0.2, 0.2]]
    """

    blur: float | None = 5.0
    threshold: float = 0.5
    masked_opacity: float = 0.2
    combine_channels: bool = True
    use_attr_as_opacity: bool = False
    positive_only: bool = True
    channel_axis: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_blur(self.blur)
        check_fraction("threshold", self.threshold)
        check_fraction("masked_opacity", self.masked_opacity)
        check_channel_axis(self.channel_axis)

    def __call__(  # noqa: PLR0913  # the documented signature
        self,
        attributions: Any,
        x: Any,
        output_file: str | Path | None = None,
        imshow: bool = True,
        fig: Any = None,
        return_tiled: bool = True,
        blur: float | None = None,
        threshold: float | None = None,
        masked_opacity: float | None = None,
        combine_channels: bool | None = None,
        use_attr_as_opacity: bool | None = None,
        positive_only: bool | None = None,
        *,
        channel_axis: int | None = None,
    ) -> Array:
        """Draws the masked images; options that are None are the visualizer's own.

        Args:
            attributions: As in Visualizer. Numbers that are not finite count as the lowest.
            x: The images, as in HeatmapVisualizer. A fourth channel is opacity and is kept.
            output_file: As in Visualizer.
            imshow: As in Visualizer.
            fig: As in Visualizer.
            return_tiled: Whether the result is tiled as in the picture.
            blur: As in the class.
            threshold: As in the class, and an error if the attributions are the opacity.
            masked_opacity: As in the class, and an error if the attributions are the opacity.
            combine_channels: As in the class.
            use_attr_as_opacity: As in the class.
            positive_only: As in the class.
            channel_axis: As in the class.

        Returns:
            The masked images, with numbers from 0 to 1: tiled, or (records, …) in the layout of
            `x`.

        Raises:
            ValueError: for images that do not fit the attributions, or an option that has no use.
        """
        options = overridden(
            self,
            blur=blur,
            threshold=threshold,
            masked_opacity=masked_opacity,
            combine_channels=combine_channels,
            use_attr_as_opacity=use_attr_as_opacity,
            positive_only=positive_only,
            channel_axis=channel_axis,
        )
        if options.use_attr_as_opacity and (threshold, masked_opacity) != (None, None):
            raise ValueError("use_attr_as_opacity leaves no use for threshold and masked_opacity.")
        maps, images = read_pair(attributions, x, options.channel_axis)
        masked = _masked(displayable(images), _opacity(maps, options))
        deliver(on_white(masked), output_file, imshow, fig)
        if return_tiled:
            return squeezed(tiled(masked.astype(images.dtype)))
        return images.in_layout(masked)


def _opacity(maps: Images, options: MaskVisualizer) -> Array:
    """The share of its brightness that each pixel keeps."""
    values = smoothed(maps.floats(), combine_channels=options.combine_channels, blur=options.blur)
    if options.positive_only:
        values = np.maximum(values, 0.0)
    fractions = np.nan_to_num(normalized(values, "01"))
    if options.use_attr_as_opacity:
        return fractions
    highest_masked = np.quantile(fractions, options.threshold, axis=(1, 2, 3), keepdims=True)
    return np.where(fractions > highest_masked, 1.0, options.masked_opacity)


def _masked(x: Array, opacity: Array) -> Array:
    if opacity.shape[-1] not in (1, x.shape[-1]):
        raise ValueError(
            f"Attributions of {opacity.shape[-1]} channels cannot mask each channel of an x of "
            f"{x.shape[-1]}; pass combine_channels=True."
        )
    return np.concatenate([x[..., :3] * opacity[..., :3], x[..., 3:]], axis=-1)

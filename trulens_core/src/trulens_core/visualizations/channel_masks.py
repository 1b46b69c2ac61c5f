"""Images of which only what a channel of the network looks at is seen."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from trulens_core.attribution import InternalInfluence
from trulens_core.quantities import InternalChannelQoI
from trulens_core.slices import InputCut
from trulens_core.visualizations.images import COLOR_COUNTS, Array
from trulens_core.visualizations.masks import MaskVisualizer
from trulens_core.visualizations.options import overridden

_RANK = 4


@final
@dataclass(frozen=True, eq=False)
class ChannelMaskVisualizer:
    """Darkens the images where they have little influence on a channel of a layer.

    Law: a call is that of MaskVisualizer with the attributions of
    `InternalInfluence(model, (InputCut(), layer), InternalChannelQoI(channel), doi)`.

    Args:
        model: The wrapped model.
        layer: The cut that has the channel, or a short form of one.
        channel: The channel or channels, as in InternalChannelQoI.
        channel_axis: The layer's channel axis, as in InternalChannelQoI.
        agg_fn: As in InternalChannelQoI.
        doi: The distribution of interest; None is `"point"`.
        blur: As in MaskVisualizer, and so are the others; None is its default, 0 no blur.
        threshold: As in MaskVisualizer.
        masked_opacity: As in MaskVisualizer.
        combine_channels: As in MaskVisualizer.
        use_attr_as_opacity: As in MaskVisualizer.
        positive_only: As in MaskVisualizer.

    Raises:
        ValueError: for an option out of its range; in a call, for images that do not fit.
        UnknownLayerError: for a cut that names no layer of the model.
        IndexError: when called, for a channel that the layer does not have.

    Example:
        >>> from trulens_core.testing import ZOO, ReferenceModel, register_reference
        >>> register_reference()
        >>> (images,), _ = ZOO["cnn"].inputs(1)
        >>> show = ChannelMaskVisualizer(ReferenceModel(ZOO["cnn"]), "conv1", 0, blur=0)
        >>> grey = images.mean(1, keepdims=True)
        >>> show(grey, images, imshow=False).shape == images.shape[2:]
        True
    """

    model: Any
    layer: Any
    channel: int | list[int]
    channel_axis: int | None = None
    agg_fn: Callable[..., Any] | None = None
    doi: Any = None
    blur: float | None = None
    threshold: float | None = 0.5
    masked_opacity: float | None = 0.2
    combine_channels: bool | None = True
    use_attr_as_opacity: bool | None = None
    positive_only: bool | None = None
    _influence: InternalInfluence = field(init=False, repr=False)
    _masks: MaskVisualizer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        quantity = InternalChannelQoI(self.channel, self.channel_axis, self.agg_fn)
        doi = "point" if self.doi is None else self.doi
        influence = InternalInfluence(self.model, (InputCut(), self.layer), quantity, doi)
        object.__setattr__(self, "_influence", influence)
        masks = overridden(
            MaskVisualizer(),
            blur=self.blur,
            threshold=self.threshold,
            masked_opacity=self.masked_opacity,
            combine_channels=self.combine_channels,
            use_attr_as_opacity=self.use_attr_as_opacity,
            positive_only=self.positive_only,
        )
        object.__setattr__(self, "_masks", masks)

    def __call__(  # noqa: PLR0913  # the documented signature
        self,
        x: Any,
        x_preprocessed: Any = None,
        output_file: str | Path | None = None,
        blur: float | None = None,
        threshold: float | None = None,
        masked_opacity: float | None = None,
        combine_channels: bool | None = None,
        *,
        imshow: bool = True,
        fig: Any = None,
        return_tiled: bool = True,
        use_attr_as_opacity: bool | None = None,
        positive_only: bool | None = None,
        channel_axis: int | None = None,
    ) -> Array:
        """Draws the masked images; options that are None are the visualizer's own.

        Args:
            x: The images to show, as in MaskVisualizer, and to explain.
            x_preprocessed: What to explain instead, as the model takes it: as many records, as
                large, in any layout.
            output_file: As in MaskVisualizer.
            blur: As in MaskVisualizer.
            threshold: As in MaskVisualizer.
            masked_opacity: As in MaskVisualizer.
            combine_channels: As in MaskVisualizer.
            imshow: As in MaskVisualizer.
            fig: As in MaskVisualizer.
            return_tiled: As in MaskVisualizer.
            use_attr_as_opacity: As in MaskVisualizer.
            positive_only: As in MaskVisualizer.
            channel_axis: That of the images, not the layer's. None is that of the model, unless
                `x` is laid out otherwise than what is explained; then as in MaskVisualizer.

        Returns:
            As MaskVisualizer.

        Raises:
            ValueError: as MaskVisualizer.
        """
        explained = x if x_preprocessed is None else x_preprocessed
        attributions = self._influence.attributions(explained)
        if channel_axis is None:
            channel_axis = self._axis(x, explained)
        return self._masks(
            attributions,
            x,
            output_file,
            imshow,
            fig,
            return_tiled,
            blur,
            threshold,
            masked_opacity,
            combine_channels,
            use_attr_as_opacity,
            positive_only,
            channel_axis=channel_axis,
        )

    def _axis(self, x: Any, explained: Any) -> int | None:
        """The images' channel axis as the model has it, where `x` has the layout of its input."""
        axis = self._influence.model.channel_axis(InputCut())
        shapes = [tuple(getattr(a, "shape", ())) for a in (x, explained)]
        if axis is None or any(len(shape) != _RANK for shape in shapes):
            return None
        axis %= _RANK
        shown, given = (shape[:axis] + shape[axis + 1 :] for shape in shapes)
        return axis if shown == given and shapes[0][axis] in COLOR_COUNTS else None

"""Pictures of attributions, as documented: names of `trulens_core.visualizations`."""

from trulens_core.visualizations import (
    ChannelMaskVisualizer,
    HeatmapVisualizer,
    MaskVisualizer,
    Tiler,
    Visualizer,
)

__all__ = [
    "Tiler",
    "Visualizer",
    "HeatmapVisualizer",
    "MaskVisualizer",
    "ChannelMaskVisualizer",
]

"""Attributions shown, as documented: names of `trulens_core.visualizations`."""

from trulens_core.visualizations import (
    HTML,
    NLP,
    ChannelMaskVisualizer,
    HeatmapVisualizer,
    IPython,
    MaskVisualizer,
    PlainText,
    Tiler,
    Visualizer,
)

__all__ = [
    "Tiler",
    "Visualizer",
    "HeatmapVisualizer",
    "MaskVisualizer",
    "ChannelMaskVisualizer",
    "PlainText",
    "HTML",
    "IPython",
    "NLP",
]

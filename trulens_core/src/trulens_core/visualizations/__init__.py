"""Pictures of attributions. Needs the extra `viz`: `pip install 'trulens-nn[viz]'`."""

from trulens_core.visualizations.channel_masks import ChannelMaskVisualizer
from trulens_core.visualizations.heatmaps import HeatmapVisualizer
from trulens_core.visualizations.maps import Visualizer
from trulens_core.visualizations.masks import MaskVisualizer
from trulens_core.visualizations.tiling import Tiler

__all__ = [
    "Tiler",
    "Visualizer",
    "HeatmapVisualizer",
    "MaskVisualizer",
    "ChannelMaskVisualizer",
]

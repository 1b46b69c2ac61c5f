"""Attributions shown: images, and texts.

Images need the extra `viz` (`pip install 'trulens-nn[viz]'`), which is asked for when something is
drawn. Texts need nothing, and colours in terminals the extra `text`.
"""

from trulens_core.visualizations.channel_masks import ChannelMaskVisualizer
from trulens_core.visualizations.heatmaps import HeatmapVisualizer
from trulens_core.visualizations.maps import Visualizer
from trulens_core.visualizations.masks import MaskVisualizer
from trulens_core.visualizations.segment_plots import plot_segments
from trulens_core.visualizations.text import NLP
from trulens_core.visualizations.text_outputs import HTML, IPython, PlainText
from trulens_core.visualizations.tiling import Tiler

__all__ = [
    "Tiler",
    "Visualizer",
    "HeatmapVisualizer",
    "MaskVisualizer",
    "ChannelMaskVisualizer",
    "plot_segments",
    "PlainText",
    "HTML",
    "IPython",
    "NLP",
]

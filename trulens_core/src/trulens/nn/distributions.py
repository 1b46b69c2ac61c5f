"""Distributions of interest, as documented: names of `trulens_core`."""

from trulens_core import (
    Baselines,
    Blurred,
    ChannelMean,
    DataDoi,
    DoI,
    DoiCutSupportError,
    GaussianDoi,
    LinearDoi,
    Marginal,
    MaskDoi,
    PathDoi,
    PointDoi,
    Points,
)

__all__ = [
    "DoI",
    "PointDoi",
    "LinearDoi",
    "GaussianDoi",
    "PathDoi",
    "DataDoi",
    "MaskDoi",
    "Baselines",
    "Marginal",
    "ChannelMean",
    "Blurred",
    "Points",
    "DoiCutSupportError",
]

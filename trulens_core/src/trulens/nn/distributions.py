"""Distributions of interest, as documented: names of `trulens_core`."""

from trulens_core import (
    Baselines,
    DataDoi,
    DoI,
    DoiCutSupportError,
    GaussianDoi,
    LinearDoi,
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
    "Baselines",
    "Points",
    "DoiCutSupportError",
]

"""Distributions of interest, as documented: names of `trulens_core`."""

from trulens_core import DoI, DoiCutSupportError, GaussianDoi, LinearDoi, PointDoi, Points

__all__ = ["DoI", "PointDoi", "LinearDoi", "GaussianDoi", "Points", "DoiCutSupportError"]

"""Distributions of interest, as documented: names of `trulens_core`."""

from trulens_core.distributions import DoI, GaussianDoi, LinearDoi, PointDoi, Points
from trulens_core.errors import DoiCutSupportError

__all__ = ["DoI", "PointDoi", "LinearDoi", "GaussianDoi", "Points", "DoiCutSupportError"]

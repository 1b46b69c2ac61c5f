"""Attribution methods and their results, as documented: names of `trulens_core`."""

from trulens_core.attribution import (
    AttributionMethod,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
)
from trulens_core.results import AttributionResult

__all__ = [
    "AttributionMethod",
    "InternalInfluence",
    "InputAttribution",
    "IntegratedGradients",
    "AttributionResult",
]

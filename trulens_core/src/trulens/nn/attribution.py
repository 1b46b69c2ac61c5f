"""Attribution methods and their results, as documented: names of `trulens_core`."""

from trulens_core import (
    AttributionMethod,
    AttributionResult,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
)

__all__ = [
    "AttributionMethod",
    "InternalInfluence",
    "InputAttribution",
    "IntegratedGradients",
    "AttributionResult",
]

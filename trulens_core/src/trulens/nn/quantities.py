"""Quantities of interest, as documented: names of `trulens_core`."""

from trulens_core.errors import QoiCutSupportError
from trulens_core.quantities import (
    ClassQoI,
    ClassSeqQoI,
    ComparativeQoI,
    InternalChannelQoI,
    LambdaQoI,
    MaxClassQoI,
    PredictedClassQoI,
    QoI,
    ThresholdQoI,
)

__all__ = [
    "QoI",
    "MaxClassQoI",
    "PredictedClassQoI",
    "ClassQoI",
    "ComparativeQoI",
    "InternalChannelQoI",
    "LambdaQoI",
    "ThresholdQoI",
    "ClassSeqQoI",
    "QoiCutSupportError",
]

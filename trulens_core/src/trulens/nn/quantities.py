"""Quantities of interest, as documented: names of `trulens_core`."""

from trulens_core import (
    ClassQoI,
    ClassSeqQoI,
    ComparativeQoI,
    InternalChannelQoI,
    LambdaQoI,
    MaxClassQoI,
    PredictedClassQoI,
    QoI,
    QoiCutSupportError,
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

"""Quantities of interest: which behaviour of the network is explained."""

from trulens_core.quantities.base import CombinedQoI as CombinedQoI
from trulens_core.quantities.base import QoI as QoI
from trulens_core.quantities.classes import ClassQoI as ClassQoI
from trulens_core.quantities.classes import ClassSeqQoI as ClassSeqQoI
from trulens_core.quantities.classes import ComparativeQoI as ComparativeQoI
from trulens_core.quantities.classes import MaxClassQoI as MaxClassQoI
from trulens_core.quantities.classes import PredictedClassQoI as PredictedClassQoI
from trulens_core.quantities.evaluation import evaluate as evaluate
from trulens_core.quantities.short_forms import as_qoi as as_qoi
from trulens_core.quantities.units import InternalChannelQoI as InternalChannelQoI
from trulens_core.quantities.units import LambdaQoI as LambdaQoI
from trulens_core.quantities.units import ThresholdQoI as ThresholdQoI

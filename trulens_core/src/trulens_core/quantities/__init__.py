"""Quantities of interest: which behaviour of the network is explained."""

from trulens_core.quantities.base import CombinedQoI as CombinedQoI
from trulens_core.quantities.base import QoI as QoI
from trulens_core.quantities.boxes import BoxQoI as BoxQoI
from trulens_core.quantities.classes import ClassQoI as ClassQoI
from trulens_core.quantities.classes import ClassSeqQoI as ClassSeqQoI
from trulens_core.quantities.classes import ComparativeQoI as ComparativeQoI
from trulens_core.quantities.classes import MaxClassQoI as MaxClassQoI
from trulens_core.quantities.classes import PredictedClassQoI as PredictedClassQoI
from trulens_core.quantities.evaluation import evaluate as evaluate
from trulens_core.quantities.losses import DistanceQoI as DistanceQoI
from trulens_core.quantities.losses import LossQoI as LossQoI
from trulens_core.quantities.probabilities import EntropyQoI as EntropyQoI
from trulens_core.quantities.probabilities import LogProbQoI as LogProbQoI
from trulens_core.quantities.short_forms import as_qoi as as_qoi
from trulens_core.quantities.single import BinaryQoI as BinaryQoI
from trulens_core.quantities.single import RegressionQoI as RegressionQoI
from trulens_core.quantities.tokens import TokenQoI as TokenQoI
from trulens_core.quantities.units import InternalChannelQoI as InternalChannelQoI
from trulens_core.quantities.units import LambdaQoI as LambdaQoI
from trulens_core.quantities.units import ThresholdQoI as ThresholdQoI

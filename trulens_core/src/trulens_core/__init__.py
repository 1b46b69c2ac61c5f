"""Explain deep networks with one algebra: slice, quantity of interest, distribution of interest.

    from trulens_core import IntegratedGradients

    attributions = IntegratedGradients(model).attributions(x)

A network f is cut in two, f = g ∘ h. An explanation is the expected gradient

    influence(g ∘ h, q, D)(x) = E over z ~ D(h(x)) of ∂q(g(z)) / ∂z

for a slice (which cut the variables live at, which the behaviour is read at), a quantity of
interest q and a distribution of interest D.
"""

from trulens_core._version import __version__ as __version__
from trulens_core.attribution import AttributionMethod as AttributionMethod
from trulens_core.attribution import InputAttribution as InputAttribution
from trulens_core.attribution import IntegratedGradients as IntegratedGradients
from trulens_core.attribution import InternalInfluence as InternalInfluence
from trulens_core.backends import Backend as Backend
from trulens_core.distributions import DoI as DoI
from trulens_core.distributions import GaussianDoi as GaussianDoi
from trulens_core.distributions import LinearDoi as LinearDoi
from trulens_core.distributions import PointDoi as PointDoi
from trulens_core.distributions.points import Points as Points
from trulens_core.errors import AmbiguousBackendError as AmbiguousBackendError
from trulens_core.errors import AmbiguousLayerError as AmbiguousLayerError
from trulens_core.errors import BackendError as BackendError
from trulens_core.errors import BrokenBackendError as BrokenBackendError
from trulens_core.errors import CalledSeveralTimesError as CalledSeveralTimesError
from trulens_core.errors import CutError as CutError
from trulens_core.errors import DoiCutSupportError as DoiCutSupportError
from trulens_core.errors import DoiError as DoiError
from trulens_core.errors import InterventionError as InterventionError
from trulens_core.errors import LayerNotReachedError as LayerNotReachedError
from trulens_core.errors import NoBackendError as NoBackendError
from trulens_core.errors import NotConnectedError as NotConnectedError
from trulens_core.errors import NotDifferentiableError as NotDifferentiableError
from trulens_core.errors import QoiCutSupportError as QoiCutSupportError
from trulens_core.errors import QoiError as QoiError
from trulens_core.errors import TrulensError as TrulensError
from trulens_core.errors import TrulensWarning as TrulensWarning
from trulens_core.errors import UnknownLayerError as UnknownLayerError
from trulens_core.errors import UnsupportedModelError as UnsupportedModelError
from trulens_core.inputs import ModelInputs as ModelInputs
from trulens_core.models import ModelWrapper as ModelWrapper
from trulens_core.models.opening import get_model_wrapper as get_model_wrapper
from trulens_core.plugins import BackendDescription as BackendDescription
from trulens_core.plugins import get_backend as get_backend
from trulens_core.plugins import list_backends as list_backends
from trulens_core.plugins import register_backend as register_backend
from trulens_core.quantities import ClassQoI as ClassQoI
from trulens_core.quantities import ClassSeqQoI as ClassSeqQoI
from trulens_core.quantities import ComparativeQoI as ComparativeQoI
from trulens_core.quantities import InternalChannelQoI as InternalChannelQoI
from trulens_core.quantities import LambdaQoI as LambdaQoI
from trulens_core.quantities import MaxClassQoI as MaxClassQoI
from trulens_core.quantities import PredictedClassQoI as PredictedClassQoI
from trulens_core.quantities import QoI as QoI
from trulens_core.quantities import ThresholdQoI as ThresholdQoI
from trulens_core.results import AttributionResult as AttributionResult
from trulens_core.slices import Cut as Cut
from trulens_core.slices import InputCut as InputCut
from trulens_core.slices import LogitCut as LogitCut
from trulens_core.slices import OutputCut as OutputCut
from trulens_core.slices import Slice as Slice

__path__.append(f"{__path__[0]}/_moved")  # what 0.1 called otherwise

"""Attribution methods: recipes of slice, quantity and distribution, a family to a file."""

from trulens_core.attribution.cam import GradCAM as GradCAM
from trulens_core.attribution.conductance import Conductance as Conductance
from trulens_core.attribution.conductance import NeuronConductance as NeuronConductance
from trulens_core.attribution.deep_lift import DeepLIFT as DeepLIFT
from trulens_core.attribution.deep_lift import DeepSHAP as DeepSHAP
from trulens_core.attribution.expected import ExpectedGradients as ExpectedGradients
from trulens_core.attribution.gradients import InputAttribution as InputAttribution
from trulens_core.attribution.gradients import InternalInfluence as InternalInfluence
from trulens_core.attribution.guided import Deconvolution as Deconvolution
from trulens_core.attribution.guided import GuidedBackprop as GuidedBackprop
from trulens_core.attribution.integrated import IntegratedGradients as IntegratedGradients
from trulens_core.attribution.lrp import LRP as LRP
from trulens_core.attribution.lrp import AttnLRP as AttnLRP
from trulens_core.attribution.method import AttributionMethod as AttributionMethod
from trulens_core.attribution.questions import as_question as as_question
from trulens_core.attribution.saliency import Saliency as Saliency
from trulens_core.attribution.smoothgrad import SmoothGrad as SmoothGrad
from trulens_core.attribution.smoothgrad import VarGrad as VarGrad

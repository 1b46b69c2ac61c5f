"""Attribution methods and their results, as documented: names of `trulens_core`."""

from trulens_core import (
    LIME,
    LRP,
    RISE,
    Ablation,
    AttnLRP,
    AttributionMethod,
    AttributionResult,
    Conductance,
    Deconvolution,
    DeepLIFT,
    DeepSHAP,
    ExpectedGradients,
    GradCAM,
    GuidedBackprop,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    KernelSHAP,
    NeuronConductance,
    Occlusion,
    Parts,
    Perturbation,
    Rule,
    RuleSet,
    Running,
    Saliency,
    ScoreCAM,
    ShapleyValues,
    SmoothGrad,
    Sobol,
    Statistic,
    VarGrad,
)

__all__ = [
    "AttributionMethod",
    "InternalInfluence",
    "InputAttribution",
    "IntegratedGradients",
    "Saliency",
    "SmoothGrad",
    "VarGrad",
    "ExpectedGradients",
    "Conductance",
    "NeuronConductance",
    "GradCAM",
    "Perturbation",
    "Ablation",
    "Occlusion",
    "ShapleyValues",
    "KernelSHAP",
    "LIME",
    "RISE",
    "Sobol",
    "ScoreCAM",
    "GuidedBackprop",
    "Deconvolution",
    "LRP",
    "AttnLRP",
    "DeepLIFT",
    "DeepSHAP",
    "Rule",
    "RuleSet",
    "Statistic",
    "Running",
    "Parts",
    "AttributionResult",
]

# not documented here, but where old notebooks import them from
from trulens_core import ComparativeQoI as ComparativeQoI
from trulens_core import Cut as Cut
from trulens_core import DoI as DoI
from trulens_core import InputCut as InputCut
from trulens_core import InternalChannelQoI as InternalChannelQoI
from trulens_core import LambdaQoI as LambdaQoI
from trulens_core import LinearDoi as LinearDoi
from trulens_core import MaxClassQoI as MaxClassQoI
from trulens_core import ModelInputs as ModelInputs
from trulens_core import ModelWrapper as ModelWrapper
from trulens_core import OutputCut as OutputCut
from trulens_core import PointDoi as PointDoi
from trulens_core import QoI as QoI
from trulens_core import Slice as Slice
from trulens_core import get_backend as get_backend

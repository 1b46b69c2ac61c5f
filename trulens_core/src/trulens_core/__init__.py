"""Explain deep networks with one algebra: slice, quantity of interest, distribution of interest.

    from trulens_core import IntegratedGradients

    attributions = IntegratedGradients(model).attributions(x)

A network f is cut in two, f = g ∘ h. An explanation is the expected gradient

    influence(g ∘ h, q, D)(x) = E over z ~ D(h(x)) of ∂q(g(z)) / ∂z

for a slice (which cut the variables live at, which the behaviour is read at), a quantity of
interest q and a distribution of interest D.
"""

import importlib
from typing import TYPE_CHECKING, Any

from trulens_core._version import __version__ as __version__
from trulens_core.backends import Backend
from trulens_core.distributions import DoI, GaussianDoi, LinearDoi, PointDoi
from trulens_core.distributions.points import Points
from trulens_core.errors import (
    AmbiguousBackendError,
    AmbiguousLayerError,
    BackendError,
    BrokenBackendError,
    CalledSeveralTimesError,
    CutError,
    DoiCutSupportError,
    DoiError,
    InterventionError,
    LayerNotReachedError,
    NoBackendError,
    NotConnectedError,
    NotDifferentiableError,
    QoiCutSupportError,
    QoiError,
    ResultFileError,
    ResumeError,
    SpecError,
    TrulensError,
    TrulensWarning,
    UncoveredOperationError,
    UnknownLayerError,
    UnsupportedModelError,
)
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.plugins import BackendDescription, get_backend, list_backends, register_backend
from trulens_core.quantities import (
    BinaryQoI,
    BoxQoI,
    ClassQoI,
    ClassSeqQoI,
    ComparativeQoI,
    DistanceQoI,
    EntropyQoI,
    InternalChannelQoI,
    LambdaQoI,
    LogProbQoI,
    LossQoI,
    MaxClassQoI,
    PredictedClassQoI,
    QoI,
    RegressionQoI,
    ThresholdQoI,
    TokenQoI,
)
from trulens_core.results import AttributionResult
from trulens_core.slices import Cut, InputCut, LogitCut, OutputCut, Slice

if TYPE_CHECKING:
    from trulens_core.attribution import (
        LRP,
        AttnLRP,
        AttributionMethod,
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
        NeuronConductance,
        Saliency,
        SmoothGrad,
        VarGrad,
    )
    from trulens_core.datasets import Keep, RayEngine, Run, explain_dataset, open_run
    from trulens_core.distributions import (
        Baselines,
        Blurred,
        ChannelMean,
        DataDoi,
        Marginal,
        MaskDoi,
        PathDoi,
    )
    from trulens_core.influence.statistics import Parts, Running, Statistic
    from trulens_core.metrics import (
        ROAD,
        Agreement,
        Completeness,
        Complexity,
        DataRandomization,
        Deletion,
        Evaluation,
        FaithfulnessCorrelation,
        Infidelity,
        Insertion,
        Localization,
        Metric,
        Monotonicity,
        PointingGame,
        Randomization,
        RelevanceMass,
        RelevanceRank,
        Score,
        Sensitivity,
        Sparseness,
        evaluate,
    )
    from trulens_core.perturbation import (
        LIME,
        RISE,
        Ablation,
        KernelSHAP,
        Occlusion,
        Perturbation,
        ScoreCAM,
        ShapleyValues,
        Sobol,
    )
    from trulens_core.recipes import explain
    from trulens_core.results.reading import load_result
    from trulens_core.results.replaying import Replay
    from trulens_core.rules import Rule, RuleSet
    from trulens_core.segments import Segments
    from trulens_core.text import (
        GenerationResult,
        PatchingResult,
        SegmentsResult,
        explain_generation,
        explain_segments,
        patch_attributions,
    )
    from trulens_core.visualizations.comparing import compare

__all__ = [
    "explain",
    "explain_generation",
    "explain_segments",
    "patch_attributions",
    "get_model_wrapper",
    "ModelWrapper",
    "ModelInputs",
    "Cut",
    "InputCut",
    "OutputCut",
    "LogitCut",
    "Slice",
    "QoI",
    "MaxClassQoI",
    "PredictedClassQoI",
    "ClassQoI",
    "ClassSeqQoI",
    "ComparativeQoI",
    "InternalChannelQoI",
    "LambdaQoI",
    "ThresholdQoI",
    "BinaryQoI",
    "RegressionQoI",
    "LogProbQoI",
    "EntropyQoI",
    "LossQoI",
    "DistanceQoI",
    "TokenQoI",
    "BoxQoI",
    "DoI",
    "PointDoi",
    "LinearDoi",
    "GaussianDoi",
    "PathDoi",
    "DataDoi",
    "MaskDoi",
    "Baselines",
    "Marginal",
    "ChannelMean",
    "Blurred",
    "Points",
    "Segments",
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
    "GenerationResult",
    "PatchingResult",
    "SegmentsResult",
    "Replay",
    "load_result",
    "compare",
    "evaluate",
    "Evaluation",
    "Metric",
    "Score",
    "Deletion",
    "Insertion",
    "Monotonicity",
    "ROAD",
    "Infidelity",
    "FaithfulnessCorrelation",
    "Completeness",
    "Sensitivity",
    "Randomization",
    "DataRandomization",
    "Agreement",
    "Complexity",
    "Sparseness",
    "PointingGame",
    "RelevanceMass",
    "RelevanceRank",
    "Localization",
    "explain_dataset",
    "open_run",
    "Run",
    "Keep",
    "RayEngine",
    "Backend",
    "BackendDescription",
    "get_backend",
    "list_backends",
    "register_backend",
    "AmbiguousBackendError",
    "AmbiguousLayerError",
    "BackendError",
    "BrokenBackendError",
    "CalledSeveralTimesError",
    "CutError",
    "DoiCutSupportError",
    "DoiError",
    "InterventionError",
    "LayerNotReachedError",
    "NoBackendError",
    "NotConnectedError",
    "NotDifferentiableError",
    "QoiCutSupportError",
    "QoiError",
    "ResultFileError",
    "ResumeError",
    "SpecError",
    "TrulensError",
    "TrulensWarning",
    "UncoveredOperationError",
    "UnknownLayerError",
    "UnsupportedModelError",
]

_ON_USE = {
    "trulens_core.attribution": (
        "LRP",
        "AttnLRP",
        "AttributionMethod",
        "Conductance",
        "Deconvolution",
        "DeepLIFT",
        "DeepSHAP",
        "ExpectedGradients",
        "GradCAM",
        "GuidedBackprop",
        "InputAttribution",
        "IntegratedGradients",
        "InternalInfluence",
        "NeuronConductance",
        "Saliency",
        "SmoothGrad",
        "VarGrad",
    ),
    "trulens_core.datasets": ("Keep", "RayEngine", "Run", "explain_dataset", "open_run"),
    "trulens_core.distributions": (
        "Baselines",
        "Blurred",
        "ChannelMean",
        "DataDoi",
        "Marginal",
        "MaskDoi",
        "PathDoi",
    ),
    "trulens_core.influence.statistics": ("Parts", "Running", "Statistic"),
    "trulens_core.metrics": (
        "ROAD",
        "Agreement",
        "Completeness",
        "Complexity",
        "DataRandomization",
        "Deletion",
        "Evaluation",
        "FaithfulnessCorrelation",
        "Infidelity",
        "Insertion",
        "Localization",
        "Metric",
        "Monotonicity",
        "PointingGame",
        "Randomization",
        "RelevanceMass",
        "RelevanceRank",
        "Score",
        "Sensitivity",
        "Sparseness",
        "evaluate",
    ),
    "trulens_core.perturbation": (
        "Ablation",
        "KernelSHAP",
        "LIME",
        "Occlusion",
        "Perturbation",
        "RISE",
        "ScoreCAM",
        "ShapleyValues",
        "Sobol",
    ),
    "trulens_core.rules": ("Rule", "RuleSet"),
    "trulens_core.recipes": ("explain",),
    "trulens_core.results.reading": ("load_result",),
    "trulens_core.results.replaying": ("Replay",),
    "trulens_core.segments": ("Segments",),
    "trulens_core.text": (
        "GenerationResult",
        "PatchingResult",
        "SegmentsResult",
        "explain_generation",
        "explain_segments",
        "patch_attributions",
    ),
    "trulens_core.visualizations.comparing": ("compare",),
}
"""The names that are loaded on use: most of what there is, and few of what one call needs."""

__path__.append(f"{__path__[0]}/_moved")  # what 0.1 called otherwise


if not TYPE_CHECKING:  # or a checker would believe that every name is here

    def __getattr__(name: str) -> Any:
        for module, names in _ON_USE.items():
            if name in names:
                return getattr(importlib.import_module(module), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

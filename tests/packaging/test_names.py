"""Each documented import path holds the documented names, and they are those of core."""

import importlib

import pytest

import trulens_core

DOCUMENTED = {
    "trulens.nn.models": ["get_model_wrapper", "ModelWrapper", "ModelInputs"],
    "trulens.nn.slices": ["Cut", "InputCut", "OutputCut", "LogitCut", "Slice"],
    "trulens.nn.quantities": [
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
    ],
    "trulens.nn.distributions": [
        "DoI",
        "PointDoi",
        "LinearDoi",
        "GaussianDoi",
        "Points",
        "DoiCutSupportError",
    ],
    "trulens.nn.attribution": [
        "AttributionMethod",
        "InternalInfluence",
        "InputAttribution",
        "IntegratedGradients",
        "AttributionResult",
    ],
    "trulens.nn.backend": ["get_backend"],
    "trulens.utils.typing": ["ModelInputs"],
}
PICTURES = [
    "Tiler",
    "Visualizer",
    "HeatmapVisualizer",
    "MaskVisualizer",
    "ChannelMaskVisualizer",
    "PlainText",
    "HTML",
    "IPython",
    "NLP",
]


@pytest.mark.parametrize("path", DOCUMENTED)
def test_a_path_re_exports_core(path):
    module = importlib.import_module(path)
    assert module.__all__ == DOCUMENTED[path]
    for name in module.__all__:
        assert getattr(module, name) is getattr(trulens_core, name)


def test_the_path_of_the_visualizations_re_exports_core():
    ours = importlib.import_module("trulens_core.visualizations")
    documented = importlib.import_module("trulens.visualizations")
    assert documented.__all__ == PICTURES
    for name in PICTURES:
        assert getattr(documented, name) is getattr(ours, name)


def test_the_path_of_the_token_baselines_re_exports_core():
    ours = importlib.import_module("trulens_core.text")
    documented = importlib.import_module("trulens.utils.nlp")
    assert documented.__all__ == ["token_baseline", "token_baseline_swap"]
    for name in documented.__all__:
        assert getattr(documented, name) is getattr(ours, name)

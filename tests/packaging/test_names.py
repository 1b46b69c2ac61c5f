"""Each documented import path holds the documented names, and they are those of core."""

import importlib
import re
import subprocess
import sys

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
        "BinaryQoI",
        "RegressionQoI",
        "LogProbQoI",
        "EntropyQoI",
        "LossQoI",
        "DistanceQoI",
        "TokenQoI",
        "BoxQoI",
        "QoiCutSupportError",
    ],
    "trulens.nn.distributions": [
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
        "DoiCutSupportError",
    ],
    "trulens.nn.attribution": [
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
        *["GuidedBackprop", "Deconvolution", "LRP", "AttnLRP", "DeepLIFT", "DeepSHAP"],
        *["Rule", "RuleSet"],
        "Statistic",
        "Running",
        "Parts",
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


# Dotted paths of 0.1 as its documents, its examples and other people's plug-ins use them.
STAY = {
    "trulens_core.attribution": ["AttributionMethod", "InternalInfluence", "InputAttribution"],
    "trulens_core.backends": ["Backend", "Gradients", "Halves", "LoopTap", "Tap", "Tensor"],
    "trulens_core.distributions": ["DoI", "GaussianDoi", "LinearDoi", "PointDoi", "as_doi"],
    "trulens_core.errors": ["CutError", "TrulensError", "UnsupportedModelError"],
    "trulens_core.inputs": ["ModelInputs"],
    "trulens_core.models": ["Layer", "ModelWrapper", "get_model_wrapper"],
    "trulens_core.passes": ["Pass", "Place"],
    "trulens_core.plugins": [
        "BackendDescription",
        "BackendInfo",
        "LoadedBackend",
        "get_backend",
        "hookimpl",
        "list_backends",
        "register_backend",
        "registry",
    ],
    "trulens_core.quantities": ["ClassQoI", "CombinedQoI", "QoI", "as_qoi", "evaluate"],
    "trulens_core.results": ["AttributionResult"],
    "trulens_core.slices": ["Cut", "InputCut", "LogitCut", "OutputCut", "Slice"],
    "trulens_core.trees": ["Tree", "flatten"],
}
MOVED = {
    "trulens_core.detection": ["framework", "qualified_names", "roots"],
    "trulens_core.naming": ["Layer", "suggestions"],
    "trulens_core.nlp": ["token_baseline", "token_baseline_swap"],
    "trulens_core.options": ["get_model_wrapper"],
    "trulens_core.points": ["LazyPoints", "Points"],
    "trulens_core.quadrature": ["EQUAL", "nodes"],
}


@pytest.mark.parametrize("path", STAY)
def test_a_path_of_before_is_there(path):
    module = importlib.import_module(path)
    assert [name for name in STAY[path] if not hasattr(module, name)] == []


@pytest.mark.parametrize("path", MOVED)
def test_a_path_that_moved_says_where_to(path):
    module = importlib.import_module(path)
    for name in MOVED[path]:
        with pytest.warns(DeprecationWarning, match=rf"{path} is (.+) since 0.2.*{name}") as said:
            found = getattr(module, name)
        (new,) = re.findall(r" is (\S+) since", str(said[0].message))
        assert found is getattr(importlib.import_module(new), name)
        assert said[0].filename == __file__
    with pytest.raises(AttributeError):
        module.no_such_name  # noqa: B018 - it is asked for


def test_public_names_are_listed_and_shown():
    names = trulens_core.__all__
    assert len(set(names)) == len(names)
    assert dir(trulens_core) == sorted(names)
    assert all(getattr(trulens_core, name).__module__.startswith("trulens_core.") for name in names)
    everything: dict = {}
    exec("from trulens_core import *", everything)
    assert set(names) <= everything.keys()
    with pytest.raises(AttributeError, match="no attribute 'Typo'"):
        trulens_core.Typo  # noqa: B018 - it is asked for


def test_methods_are_loaded_on_use():
    code = (
        "import sys, trulens_core; loaded = 'trulens_core.attribution' in sys.modules; "
        "trulens_core.InputAttribution; print(loaded, 'trulens_core.attribution' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_all_public_names_are_at_the_path_of_the_parts():
    code = """
import sys
import trulens.nn
assert "trulens_core.attribution" not in sys.modules
from trulens.nn import IntegratedGradients, explain
import trulens_core
assert all(getattr(trulens.nn, n) is getattr(trulens_core, n) for n in trulens_core.__all__)
assert dir(trulens.nn) == sorted(trulens_core.__all__)
assert not hasattr(trulens.nn, "trees")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)

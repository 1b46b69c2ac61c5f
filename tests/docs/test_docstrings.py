"""Every public name says what it is, its shapes, errors and source, and has an example that runs.

That the examples run is tested in tests/core/test_doctests.py, and for JAX below.
"""

import doctest
import importlib
import inspect
import re
import runpy
from pathlib import Path

import griffe
import pytest

import trulens_core

ROOT = Path(__file__).parents[2]
papers = runpy.run_path(str(ROOT / "docs" / "hooks" / "citations.py"))["papers"]
MODULES = {
    "trulens_core": trulens_core.__all__,
    "trulens_core.segments": None,
    "trulens_core.visualizations": None,
    "trulens_core.text": {"token_baseline", "token_baseline_swap"},
    "trulens_core.testing": None,
    "trulens_jax.taps": {"tap"},
}
# what users call of a class, beside its constructor
CALLED = {
    "AttributionMethod": ["attributions", "explain"],
    "AttributionResult": ["plot"],
    "ModelWrapper": ["fprop"],
    "QoI": ["__call__"],
    "DoI": ["__call__"],
    "Segments": [
        *["of", "grid", "windows", "superpixels", "channels", "columns", "words"],
        "resolved",
    ],
    "Regions": ["mask", "spread"],
    "Tiler": ["tile"],
    "Visualizer": ["__call__"],
    "HeatmapVisualizer": ["__call__"],
    "MaskVisualizer": ["__call__"],
    "ChannelMaskVisualizer": ["__call__"],
    "NLP": ["token_attribution"],
}
# what has tensors to speak of, and so shapes
SHAPED = [
    *["AttributionMethod", "InternalInfluence", "AttributionResult", "ModelWrapper", "Gradients"],
    *["QoI", "MaxClassQoI", "PredictedClassQoI", "ClassQoI", "ComparativeQoI", "ClassSeqQoI"],
    *["LogProbQoI", "EntropyQoI", "BinaryQoI", "RegressionQoI", "LossQoI", "DistanceQoI"],
    *["TokenQoI", "BoxQoI"],
    *["InternalChannelQoI", "ThresholdQoI", "LambdaQoI", "DoI", "LinearDoi", "GaussianDoi"],
    *[
        "Segments",
        "Regions",
        "resolved",
        "token_baseline",
        "Visualizer",
        "HeatmapVisualizer",
        "MaskVisualizer",
        "Tiler",
    ],
]
SHAPE = re.compile(r"\((?:records|rows|points|b|k|t)\b[^)]*\)|shaped like|shape")
SOURCES = {
    "InternalInfluence": "Leino et al., 2018",
    "DoI": "Leino et al., 2018",
    "InputAttribution": "Simonyan et al., 2014",
    "PointDoi": "Simonyan et al., 2014",
    "IntegratedGradients": "Sundararajan et al., 2017",
    "LinearDoi": "Sundararajan et al., 2017",
    "GaussianDoi": "Smilkov et al., 2017",
    "BoxQoI": "Everingham et al., 2010",
    "Saliency": "Simonyan et al., 2014",
    "SmoothGrad": "Smilkov et al., 2017",
    "VarGrad": "Adebayo et al., 2018",
    "ExpectedGradients": "Erion et al., 2021",
    "Conductance": "Dhamdhere et al., 2019",
    "NeuronConductance": "Shrikumar et al., 2018",
    "GuidedBackprop": "Springenberg et al., 2015",
    "Deconvolution": "Zeiler and Fergus, 2014",
    "LRP": "Bach et al., 2015",
    "AttnLRP": "Achtibat et al., 2024",
    "DeepLIFT": "Shrikumar et al., 2017",
    "DeepSHAP": "Lundberg and Lee, 2017",
    "GradCAM": "Selvaraju et al., 2017",
    "PathDoi": "Friedman, 2004",
}
CITATION = re.compile(r"\b[A-Z][a-z]+(?:-[A-Z][a-z]+)?(?: et al\.| and [A-Z][a-z]+)?, \d{4}")


def public():
    for path, names in MODULES.items():
        module = importlib.import_module(path)
        listed = names or getattr(module, "__all__", None) or vars(module)
        for name in sorted(listed):
            found = getattr(module, name)
            ours = getattr(found, "__module__", "").startswith(("trulens_core", "trulens_jax"))
            if not name.startswith("_") and ours:
                yield name, found


NAMES = dict(public())
ERRORS = {n for n, x in NAMES.items() if inspect.isclass(x) and issubclass(x, Exception)}
ERRORS |= {"TrulensWarning"}
CALLS = [(n, NAMES[n]) for n in sorted(NAMES.keys() - ERRORS)]
CALLS += [(f"{c}.{m}", getattr(NAMES[c], m)) for c, called in CALLED.items() for m in called]
each = pytest.mark.parametrize(("name", "found"), CALLS, ids=[n for n, _ in CALLS])


def sections(found):
    """The parts of a docstring by kind, as the site reads them."""
    text = inspect.cleandoc(found.__doc__).replace("\nExample:\n", "\nExamples:\n")
    parsed = griffe.parse_google(griffe.Docstring(text), warnings=False)
    return {section.kind.value: section.value for section in parsed}


def test_all_public_names_are_seen():
    assert {"Cut", "IntegratedGradients", "Visualizer", "token_baseline", "tap"} <= NAMES.keys()
    assert CALLED.keys() | SOURCES.keys() <= NAMES.keys()
    assert "CutError" in ERRORS


@each
def test_what_it_is(name, found):
    assert len(sections(found)["text"].split()) >= 4


@each
def test_every_argument(name, found):
    # of a protocol the constructor is typing's
    own = {} if getattr(found, "_is_protocol", False) else inspect.signature(found).parameters
    parameters = [p for p in own.values() if p.name != "self"]
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    given = [stars.get(p.kind, "") + p.name for p in parameters]
    said = sections(found)
    described = [a.name for kind in ("parameters", "attributes") for a in said.get(kind, ())]
    assert set(given) <= set(described)
    assert {a.name for a in said.get("parameters", ())} <= set(given)


@each
def test_what_comes_back(name, found):
    if inspect.isfunction(found) and inspect.signature(found).return_annotation not in (
        None,
        "None",
    ):
        assert "returns" in sections(found)


@each
def test_what_it_raises(name, found):
    raised = re.findall(r"raise (\w+Error)\b", _own_source(found))
    described = [r.annotation for r in sections(found).get("raises", ())]
    assert not raised or described
    known = {**vars(importlib.import_module("builtins")), **NAMES}
    assert all(issubclass(known[str(error)], Exception) for error in described)


def _own_source(found):
    """Of a function, or of a class's constructor and call."""
    if inspect.isfunction(found):
        return inspect.getsource(found)
    if getattr(found, "_is_protocol", False):
        return ""
    own = [vars(found).get(m) for m in ("__init__", "__post_init__", "__call__", "bind")]
    written = [m for m in own if inspect.isfunction(m) and m.__code__.co_filename != "<string>"]
    return "".join(map(inspect.getsource, written))  # a dataclass has a constructor without source


@pytest.mark.parametrize("name", sorted(NAMES.keys() - ERRORS))
def test_an_example(name):
    assert any(doctest.DocTestFinder(recurse=False).find(NAMES[name], name)[0].examples)


@pytest.mark.parametrize("name", SHAPED)
def test_shapes(name):
    found = NAMES.get(name) or getattr(importlib.import_module("trulens_core.backends"), name)
    called = [getattr(found, m).__doc__ for m in CALLED.get(name, ())]
    assert SHAPE.search("\n".join([found.__doc__, *called]))


@pytest.mark.parametrize("name", SOURCES)
def test_the_source(name):
    assert SOURCES[name] in " ".join(NAMES[name].__doc__.split())


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_an_error_says_what_to_do(name):
    paragraphs = inspect.cleandoc(NAMES[name].__doc__).split("\n\n")
    assert len(paragraphs) >= (1 if name == "TrulensError" else 2)


def test_every_paper_is_cited_and_every_citation_is_a_paper():
    labels = {paper.label for paper in papers()}
    texts = [p.read_text() for p in (ROOT / "docs").rglob("*.md")]
    texts += [p.read_text() for p in ROOT.glob("trulens_*/src/**/*.py")]
    cited = {" ".join(c.split()) for t in texts for c in CITATION.findall(" ".join(t.split()))}
    assert cited == labels


def test_the_example_of_tap_runs():
    assert doctest.testmod(importlib.import_module("trulens_jax.taps")).failed == 0

"""The examples in docstrings, run on the reference backend."""

import doctest
import importlib
import pkgutil

import pytest

import trulens_core
from trulens_core.testing import register_reference

MODULES = [
    m.name
    for m in pkgutil.walk_packages(trulens_core.__path__, "trulens_core.")
    if "conformance" not in m.name and not m.name.endswith("__main__")
]
EXAMPLES = {
    "trulens_core.attribution.gradients",
    "trulens_core.attribution.integrated",
    "trulens_core.attribution.method",
    "trulens_core.attribution.questions",
    "trulens_core.distributions.base",
    "trulens_core.distributions.noise",
    "trulens_core.distributions.paths",
    "trulens_core.inputs.model_inputs",
    "trulens_core.models.opening",
    "trulens_core.distributions.quadrature",
    "trulens_core.quantities.classes",
    "trulens_core.segments.regions",
    "trulens_core.segments.segments",
    "trulens_core.segments.several",
    "trulens_core.slices",
    "trulens_core.testing.measure",
}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    register_reference()
    module = importlib.import_module(name)
    found = doctest.testmod(module, extraglobs={"__name__": name})
    assert found.failed == 0
    assert found.attempted > 0 or name not in EXAMPLES

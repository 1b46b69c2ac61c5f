"""The tests of the conformance suite that must find the defects, as pytest collects them.

pytest is given this file by `test_plugin.py`, in a process of its own, with the frameworks in
TRULENS_MUTATED. For each there is a class with every such test and no defect, and one for each
defect with the test that must fail. TRULENS_MUTATED_WHOLE=1: with the whole suite.
"""

import importlib
import os
import runpy
from pathlib import Path

import pytest

from trulens_core import register_backend
from trulens_core.plugins import BackendDescription, LoadedBackend, registry
from trulens_core.testing import ReferenceBackend, register_reference
from trulens_core.testing.conformance import Conformance, Harness
from trulens_core.testing.plugin import Reference
from trulens_core.testing.reference import ReferenceWrapper

MUTANTS = runpy.run_path(str(Path(__file__).with_name("mutants") / "every.py"))
DEFECTS, SOUND = MUTANTS["DEFECTS"], MUTANTS["Defect"]
TORCH = Path(__file__).parents[1] / "torch" / "test_conformance_torch.py"
WHOLE = os.environ.get("TRULENS_MUTATED_WHOLE")
register_reference()


def base(framework):
    """The backend's class, the wrapper's, and the harness of a framework."""
    if framework == "reference":
        return ReferenceBackend, ReferenceWrapper, Reference
    backend = importlib.import_module("trulens_torch.backend").TorchBackend
    wrapper = importlib.import_module("trulens_torch.models").TorchModelWrapper
    return backend, wrapper, runpy.run_path(str(TORCH))["Torch"]


class Mutant(Harness):
    """A backend with a defect, registered while its tests run."""

    backend_name = "mutant"

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _registered(cls):
        backend = type("Backend", (cls.defect.Backend, cls.sound_backend), {"name": "mutant"})()
        wrapper = type("Wrapper", (cls.defect.Wrapper, cls.sound_wrapper), {"backend": backend})
        register_backend(
            BackendDescription(
                name="mutant",
                claims=lambda _: True,
                claims_tensor=backend.is_tensor,
                load=lambda: LoadedBackend(backend, wrapper),
                options=("logit_layer", "batched"),
                before=("reference", "torch"),
            )
        )
        yield
        registry().unregister("mutant")


def parts(tests):
    """The parts of the suite that have some tests, each part once."""
    owners = [next(c for c in Conformance.__mro__ if t in vars(c)) for t in tests]
    return tuple(c for c in Conformance.__mro__ if c in owners and c is not Harness)


def made(framework, defect, tests):
    """A class of the tests alone."""
    backend, wrapper, harness = base(framework)
    own = {"defect": defect, "sound_backend": backend, "sound_wrapper": wrapper}
    bases = (Mutant, harness, *((Conformance,) if WHOLE else parts(tests)))
    kind = type(f"Test_{framework}_{defect.__name__}", bases, {**own, "backend_name": "mutant"})
    for name in () if WHOLE else dir(kind):
        if name.startswith("test_") and name not in tests:
            setattr(kind, name, None)
    return kind


def named(defect):
    return defect.test.partition("[")[0]


FRAMEWORKS = os.environ.get("TRULENS_MUTATED", "reference").split(",")
for _framework in FRAMEWORKS:
    _defects = [d for d in DEFECTS.values() if _framework in d.frameworks]
    for _defect, _tests in (
        (SOUND, sorted({named(d) for d in _defects})),
        *((d, [named(d)]) for d in _defects),
    ):
        _made = made(_framework, _defect, _tests)
        globals()[_made.__name__] = _made

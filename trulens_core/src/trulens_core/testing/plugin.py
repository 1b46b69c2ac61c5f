"""The conformance suite as a pytest plug-in that prints a certificate.

    pytest -p trulens_core.testing.plugin --trulens-backend NAME

The backend's description says where its `Harness` is (`BackendDescription.conformance`): how it
builds the models of the zoo, and what a call must leave as it was. `--trulens-harness
FILE.py:CLASS`, or `MODULE:CLASS`, gives another one. Nothing but the suite is run. A backend that
is not installed, or broken, is an error, and never skipped. `--trulens-quick` runs one case of each
test, while a backend is written; it certifies nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import types
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from trulens_core.errors import BackendError, TrulensWarning
from trulens_core.plugins import BackendDescription, list_backends, registry
from trulens_core.testing.certificate import certificate, tried, versions
from trulens_core.testing.conformance import Conformance, Harness
from trulens_core.testing.reference import ReferenceModel, register_reference
from trulens_core.testing.zoo import LAYERED, Architecture

_HERE = Path(__file__)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, as `pytest --help` shows them."""
    group = parser.getgroup("trulens")
    group.addoption("--trulens-backend", metavar="NAME", help="certify this backend")
    group.addoption(
        "--trulens-harness",
        metavar="FILE.py:CLASS",
        help="its Harness, where it is not the one that the backend ships",
    )
    group.addoption(
        "--trulens-quick", action="store_true", help="one case of each test; certifies nothing"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the suite for the backend that is asked for, and nothing else."""
    name = config.getoption("--trulens-backend")
    if name is None:
        for option in ("--trulens-harness", "--trulens-quick"):
            if config.getoption(option):
                raise pytest.UsageError(f"{option} needs --trulens-backend NAME, which it is of")
        return
    tests = suite(name, config.getoption("--trulens-harness"))
    config.args[:] = [str(_HERE)]
    quick = config.getoption("--trulens-quick")
    config.pluginmanager.register(Certificate(tests, quick=quick), "trulens-certificate")


class Certificate:
    """Collects the suite of a backend and tells how it went.

    Args:
        tests: the suite.
        quick: whether one case of each test is run.
    """

    def __init__(self, tests: type[Harness], *, quick: bool = False) -> None:
        self.tests: type[Harness] = tests
        self._quick = quick

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> Any:
        """The suite, in place of this file."""
        if file_path != _HERE:
            return None
        name = self.tests.backend_name
        module = types.ModuleType(f"conformance of {name}")
        setattr(module, f"Test{name.title()}", self.tests)
        found = _Suite.from_parent(parent, path=file_path)
        found.made = module
        return found

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Leave what applies; where quick, one case of each test, of float64 where there is one.

        What is not tried, since the harness builds no such model, is told in a line of its own.
        """
        items[:] = [i for i in items if self.tests.applies(getattr(i, "function", None))]
        if not self._quick:
            return
        cases: dict[str, list[pytest.Item]] = {}
        for item in items:
            cases.setdefault(item.name.partition("[")[0], []).append(item)
        one = [next((i for i in c if "float64" in i.name), c[0]) for c in cases.values()]
        config.hook.pytest_deselected(items=[item for item in items if item not in one])
        items[:] = one

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the certificate."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrulensWarning)  # other backends may be broken
            infos = list_backends()
        head = versions(infos[self.tests.backend_name], self.tests.frameworks)
        head += tried(self.tests)
        terminalreporter.section("certificate")
        for line in certificate(terminalreporter.stats, head):
            terminalreporter.write_line(line)


class _Suite(pytest.Module):
    """A module that is made, not imported."""

    made: types.ModuleType

    def _getobj(self) -> types.ModuleType:
        return self.made


class Reference(Harness):
    """The reference backend."""

    backend_name = "reference"
    layered: ClassVar[Collection[str]] = tuple(LAYERED)

    def build(self, architecture: Architecture, dtype: str) -> ReferenceModel:
        """The model, in training mode, as a user may have left it."""
        model = ReferenceModel(architecture, dtype)
        model.training = True
        return model

    def trained(self, model: ReferenceModel, factor: float) -> None:
        for name in model.weights:
            model.weights[name] *= factor

    def state(self, model: ReferenceModel) -> Mapping[str, Any]:
        random = model.random.bit_generator.state
        return {**model.weights, "training": model.training, "random": random}


def suite(name: str, harness: str | None = None) -> type[Harness]:
    """The tests of a backend.

    Args:
        name: of the backend, or an alias.
        harness: where its harness is, `FILE.py:CLASS` or `MODULE:CLASS`; None: where the
            backend's description says.

    Raises:
        UsageError: where the backend is not installed or broken, or has no harness that fits.
    """
    register_reference()
    kind = None if harness is None else _loaded(harness)  # it may register its backend
    description = _described(name)
    if kind is None and not description.conformance:
        raise pytest.UsageError(
            f"the backend {name!r} ships no conformance harness: give --trulens-harness "
            "FILE.py:CLASS, a class that inherits trulens_core.testing.conformance.Harness"
        )
    kind = kind or _loaded(description.conformance)
    if kind.backend_name != description.name:
        raise pytest.UsageError(
            f"the harness {kind.__name__} is of the backend {kind.backend_name!r}, not {name!r}"
        )
    return kind if issubclass(kind, Conformance) else type("Suite", (kind, Conformance), {})


def _described(name: str) -> BackendDescription:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrulensWarning)
        try:
            return registry().named(name)
        except BackendError as error:
            raise pytest.UsageError(f"--trulens-backend {name}: {error}") from error


def _loaded(harness: str) -> type[Harness]:
    where, _, name = harness.rpartition(":")
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        if spec is None or spec.loader is None or not Path(where).is_file():
            raise pytest.UsageError(f"--trulens-harness: there is no file {where!r}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        try:
            module = importlib.import_module(where)
        except ImportError as error:
            raise pytest.UsageError(f"{harness!r} cannot be imported: {error}") from error
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Harness)):
        raise pytest.UsageError(f"--trulens-harness: {where!r} has no Harness called {name!r}")
    return found

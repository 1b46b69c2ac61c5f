"""The conformance suite as a pytest plug-in that prints a certificate.

    pytest -p trulens_core.testing.plugin --trulens-backend NAME --trulens-harness FILE.py:CLASS

The class is a `trulens_core.testing.conformance.Harness`: how the backend builds the models of the
zoo, and what a call must leave as it was. FILE.py may be a module's name instead. The backend
`reference` needs none. Nothing but the suite is run.
"""

from __future__ import annotations

import importlib
import importlib.util
import types
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trulens_core
from trulens_core.testing.conformance import Conformance, Harness
from trulens_core.testing.conformance.parity import DEVIATIONS
from trulens_core.testing.reference import ReferenceModel, register_reference
from trulens_core.testing.zoo import Architecture

_HERE = Path(__file__)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, as `pytest --help` shows them."""
    group = parser.getgroup("trulens")
    group.addoption("--trulens-backend", metavar="NAME", help="certify this backend")
    group.addoption(
        "--trulens-harness",
        metavar="FILE.py:CLASS",
        help="the Harness with which the backend builds the models of the zoo",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the suite for the backend that is asked for, and nothing else."""
    name = config.getoption("--trulens-backend")
    if name is None:
        return
    tests = suite(name, config.getoption("--trulens-harness"))
    config.args[:] = [str(_HERE)]
    config.pluginmanager.register(Certificate(name, tests), "trulens-certificate")


class Certificate:
    """Collects the suite of a backend and tells how it went.

    Args:
        name: of the backend.
        tests: its suite.
    """

    def __init__(self, name: str, tests: type) -> None:
        self.name, self.tests = name, tests

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> Any:
        """The suite, in place of this file."""
        if file_path != _HERE:
            return None
        module = types.ModuleType(f"conformance of {self.name}")
        setattr(module, f"Test{self.name.title()}", self.tests)
        found = _Suite.from_parent(parent, path=file_path)
        found.made = module
        return found

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the certificate."""
        counted = Counter({k: len(v) for k, v in terminalreporter.stats.items() if k})
        failed = counted["failed"] + counted["error"]
        passed, left_out = counted["passed"], counted["deselected"]
        write = terminalreporter.write_line
        terminalreporter.section("certificate")
        write(f"backend {self.name}, trulens-nn {trulens_core.__version__}, NumPy {np.__version__}")
        write(
            f"passed {passed}, failed {failed}, expected to fail {counted['xfailed']}, "
            f"not run {counted['skipped'] + left_out}"
        )
        for report in terminalreporter.stats.get("xfailed", []):
            write(f"  {report.nodeid.partition('::')[2]}: {report.wasxfail}")
        for dtype, (error, model) in sorted(_worst(terminalreporter.stats).items()):
            write(f"largest relative error in {dtype}: {error:.1e} ({model})")
        write("CERTIFIED" if passed and not failed and not left_out else "NOT CERTIFIED")


class _Suite(pytest.Module):
    """A module that is made, not imported."""

    made: types.ModuleType

    def _getobj(self) -> types.ModuleType:
        return self.made


def _worst(stats: Mapping[str, Any]) -> dict[str, tuple[float, str]]:
    """The largest deviation from the reference backend per dtype, and the model it is of."""
    found: dict[str, tuple[float, str]] = {}
    for report in (*stats.get("passed", []), *stats.get("failed", [])):
        for dtype, model, error in dict(report.user_properties).get(DEVIATIONS, []):
            found[dtype] = max(found.get(dtype, (0.0, "")), (error, model))
    return found


class Reference(Harness):
    """The reference backend."""

    backend_name = "reference"

    def build(self, architecture: Architecture, dtype: str) -> ReferenceModel:
        register_reference()
        return ReferenceModel(architecture, dtype)

    def state(self, model: ReferenceModel) -> Mapping[str, Any]:
        return model.weights


def suite(name: str, harness: str | None) -> type[Harness]:
    """The tests of a backend.

    Args:
        name: of the backend.
        harness: where its harness is, `FILE.py:CLASS` or `MODULE:CLASS`.

    Raises:
        UsageError: where there is none, or one of another backend.
    """
    if harness is None and name != "reference":
        raise pytest.UsageError(
            f"say how {name!r} builds the models of the zoo: --trulens-harness FILE.py:CLASS, a "
            "class that inherits trulens_core.testing.conformance.Harness"
        )
    kind = Reference if harness is None else _loaded(harness)
    if kind.backend_name != name:
        raise pytest.UsageError(f"the harness {harness} is of the backend {kind.backend_name!r}")
    return kind if issubclass(kind, Conformance) else type("Suite", (kind, Conformance), {})


def _loaded(harness: str) -> type[Harness]:
    where, _, name = harness.rpartition(":")
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(where).stem, where)
        if spec is None or spec.loader is None or not Path(where).is_file():
            raise pytest.UsageError(f"--trulens-harness: there is no file {where!r}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Harness)):
        raise pytest.UsageError(f"--trulens-harness: {where!r} has no Harness called {name!r}")
    return found

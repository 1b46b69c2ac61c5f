"""The oldest JAX that the package admits. All other tests run on the one of constraints.txt."""

import json
import re
from email import message_from_string
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
JAX = "trulens-nn-jax"
TESTS = ("test_interpreter.py", "test_results.py")  # of plain functions: they need JAX alone


@pytest.fixture(scope="module")
def oldest(wheels):
    """The version at the lower end of the range."""
    asked = message_from_string(wheels[JAX].read(".dist-info/METADATA")).get_all("Requires-Dist")
    (jax,) = [one for one in map(Requirement, asked) if one.name == "jax"]
    (lower,) = [one.version for one in jax.specifier if one.operator == ">="]
    return lower


@pytest.fixture(scope="module")
def environment(new_environment, wheels, oldest, tmp_path_factory):
    """Our wheels, the oldest JAX and pytest, nothing more."""
    others = tmp_path_factory.mktemp("constraints") / "constraints.txt"
    others.write_text(re.sub(r"(?m)^jax==.*$", "", (ROOT / "constraints.txt").read_text()))
    environment = new_environment("oldest-jax")
    ours = [wheels[name].path for name in ("trulens-nn", JAX)]
    environment.install("-c", others, *ours, f"jax=={oldest}", "pytest")
    return environment


def test_the_interpreter_works_on_the_oldest_jax(environment, oldest):
    code = """
import importlib.metadata, json
print(json.dumps({d.name.lower(): d.version for d in importlib.metadata.distributions()}))
"""
    found = json.loads(environment.python("-c", code))
    assert found["jax"].removesuffix(".0") == oldest.removesuffix(".0")
    assert not {"torch", "tensorflow", "keras", "flax", "equinox", "dm-haiku"} & set(found)
    options = ("-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT)
    tests = [ROOT / "tests" / "jax" / name for name in TESTS]
    said = environment.python("-m", "pytest", *options, *tests).splitlines()
    assert re.search(r"\d+ passed", said[-1])
    assert not re.search(r"skipped|failed", said[-1])

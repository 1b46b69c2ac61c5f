"""The kit as a pytest plug-in: its certificate, and the defects that it finds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trulens_core.testing.conformance import Conformance
from trulens_core.testing.plugin import suite

MUTANTS = Path(__file__).with_name("mutants.py")
FINDS = {
    "SilentZeros": "test_a_quantity_that_does_not_depend_on_the_source",
    "LastOfTies": "test_ties_go_to_the_first",
    "RecordByRecord": "test_data_of_records_survive_rebatching",
    "FirstCall": "test_calls_are_told_apart",
    "LeftBehind": "test_after_an_error",
    "LessExact": "test_gradients_at_a_call",
}


def run(*arguments):
    command = [sys.executable, "-m", "pytest", "-p", "trulens_core.testing.plugin", *arguments]
    options = ["-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize("mutant", FINDS)
def test_every_defect_is_found(mutant):
    harness = ("--trulens-harness", f"{MUTANTS}:{mutant}")
    result = run("--trulens-backend", "mutant", *harness, "-k", FINDS[mutant])
    lines = result.stdout.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    assert result.returncode == 1, result.stdout + result.stderr
    assert failed
    assert all(FINDS[mutant] in line for line in failed)
    assert "NOT CERTIFIED" in lines


def test_nothing_is_found_without_a_defect():
    harness = ("--trulens-harness", f"{MUTANTS}:Sound")
    result = run("--trulens-backend", "mutant", *harness, "-k", " or ".join(FINDS.values()))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "failed 0" in result.stdout


def test_the_certificate():
    """What was compared, with the largest deviation; certified only as a whole."""
    numbers = run("--trulens-backend", "reference", "-k", "test_numbers_for_distributions and mlp")
    assert numbers.returncode == 0
    assert "backend reference, trulens-nn 0." in numbers.stdout
    assert "largest relative error in float32:" in numbers.stdout
    assert "largest relative error in float64: 0.0e+00" in numbers.stdout
    assert "passed 4, failed 0, expected to fail 0" in numbers.stdout
    assert "\nNOT CERTIFIED" in numbers.stdout


@pytest.mark.parametrize(
    ("harness", "message"),
    [
        (None, "--trulens-harness FILE.py:CLASS"),
        ("nowhere.py:Mine", "no file 'nowhere.py'"),
        (f"{MUTANTS}:Mine", "no Harness called 'Mine'"),
        (f"{MUTANTS}:Sound", "of the backend 'mutant'"),
    ],
    ids=["none", "file", "class", "backend"],
)
def test_a_harness_that_does_not_fit(harness, message):
    with pytest.raises(pytest.UsageError, match=re.escape(message)):
        suite("mine", harness)


def test_a_harness_of_a_module():
    found = suite("reference", "trulens_core.testing.plugin:Reference")
    assert issubclass(found, Conformance)
    assert found.backend_name == "reference"


def test_without_a_backend_nothing_changes():
    result = run("--collect-only", __file__)
    assert "test_without_a_backend_nothing_changes" in result.stdout
    assert "certificate" not in result.stdout.replace("test_the_certificate", "")

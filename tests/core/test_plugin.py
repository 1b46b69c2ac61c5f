"""The kit as a pytest plug-in: its certificate, and the defects that it finds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trulens_core.errors import NoBackendError
from trulens_core.testing.conformance import Conformance
from trulens_core.testing.plugin import suite

MUTANTS = Path(__file__).with_name("mutants.py")
FINDS = {
    "GradientScaled": (
        "test_gradients_are_differences[inner-mlp]",
        r"the gradients at .*'second'.* are, per record, 2, 2, 2 times the difference quotients",
    ),
    "BatchMixed": (
        "test_any_rebatch_size_gives_the_same[mlp]",
        r"records one by one, against one batch: does a record see the others\?: relative error",
    ),
    "SecondCallIgnored": (
        "test_a_path_at_a_call",
        r"the value put in at Cut\('cell'.*call=1.*\), as the model goes on with it",
    ),
    "SecondEvaluationIgnored": (
        "test_replaced_again",
        r"what follows the second value put in at Cut\('hidden'\): relative error",
    ),
    "EvalLeft": (
        "test_after_the_first_call[mlp]",
        r"a call left changed: training \(True before, False after\)",
    ),
    "LastOfTies": (
        "test_ties_go_to_the_first",
        r"`max` of equal scores, where the first counts: relative error 1,",
    ),
    "DtypeWidened": (
        "test_arrays_and_tensors[float32]",
        r"float32 made a tensor, and that an array, is float64",
    ),
    # beyond the six
    "SilentZeros": (
        "test_a_quantity_that_does_not_depend_on_the_source",
        r"zero everywhere|DID NOT RAISE .*NotConnectedError",
    ),
    "RecordByRecord": (
        "test_rows_and_points",
        r"copies of all rows, point by point: relative error",
    ),
    "FirstCall": ("test_calls_are_told_apart", r"at Cut\('cell', anchor='in'.*call=1.*relative"),
    "LeftBehind": (
        "test_after_an_error[quantity-FailedError]",
        r"a call left changed: opened \(None before, array\(\[1\.\]\) after\)",
    ),
    "KeysSorted": (
        "test_outputs_by_names_of_their_own",
        r"all tensors of an output, in the order of insertion: relative error inf",
    ),
    "LessExact": (
        "test_gradients_at_a_call",
        r"the gradient at call 2: relative error .*e-0[5-9], allowed 1e-10",
    ),
    "OthersHeldFixed": (
        "test_layers_that_depend_on_each_other[mlp-layers0]",
        r"the gradient at 'hidden' in Cut\(\['hidden', 'second'\]\): relative error 1,",
    ),
    "WeightsIgnored": (
        "test_rows_and_points",
        r"a sum over points, with their weights: relative error",
    ),
    "SumsNarrow": ("test_numbers_for_distributions[float64-mlp]", r"[1-9.]+e-0[78] from InputCut"),
    "QuantitiesTurned": (
        "test_several_quantities_are_columns_of_each_other",
        r"one quantity among several, in their order, and by itself: relative error",
    ),
    "AllButTheFirstLost": ("test_contracting_is_summing_afterwards[text]", r"Not equal to tol"),
    "CapturedBefore": (
        "test_values_at_two_cuts",
        r"a value put in at a cut, as the same pass shows it: relative error",
    ),
    "NothingPulled": ("test_through_pulls", r"a cotangent that was pulled: relative error"),
    "EachUserPulled": (
        "test_through_pulls_the_sum_over_its_users",
        r"the cotangents of two users, summed and then pulled: relative error",
    ),
}


def run(*arguments):
    command = [sys.executable, "-m", "pytest", "-p", "trulens_core.testing.plugin", *arguments]
    options = ["-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def chosen(test):
    """An expression for `-k`: the test, and of its cases that one."""
    name, _, case = test.rstrip("]").partition("[")
    return f"{name} and {case.replace('-', ' and ')}" if case else name


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What the suite prints for each mutant; one process imports everything, and is forked."""
    folder = tmp_path_factory.mktemp("mutants")
    every = " or ".join(f"({chosen(test)})" for test, _ in FINDS.values())
    asked = [
        ("Sound", every),
        ("NoThrough", "test_through or test_sensitivity"),
        *((name, chosen(test)) for name, (test, _) in FINDS.items()),
    ]
    command = [
        sys.executable,
        str(MUTANTS),
        str(folder),
        *(word for pair in asked for word in pair),
    ]
    subprocess.run(command, check=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return {name: (folder / name).read_text() for name, _ in asked}


@pytest.mark.parametrize("name", FINDS)
def test_every_defect_is_found(outcomes, name):
    test, message = FINDS[name]
    lines = outcomes[name].splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    assert lines[-1] == "exit code 1", outcomes[name]
    assert any(f"::{test}" in line for line in failed), outcomes[name]
    assert re.search(message, outcomes[name]), outcomes[name]
    assert "NOT CERTIFIED" in lines


def test_nothing_is_found_without_a_defect(outcomes):
    assert outcomes["Sound"].splitlines()[-1] == "exit code 0", outcomes["Sound"]
    assert "failed 0" in outcomes["Sound"]


def test_a_backend_without_through_is_certified_and_says_so(outcomes):
    """As those of 0.1 are, which run unchanged; nothing that was asked for fails."""
    text = outcomes["NoThrough"]
    reason = r"does not apply: rules of the backward pass: not served: (test_through_\w+.*)$"
    (tests,) = re.findall(rf"(?m)^  {reason}", text)
    assert (
        len(tests.split(", "))
        == sum(name.startswith("test_through") for name in dir(Conformance)) + 2
    )  # cases
    assert "failed 0" in text
    assert text.splitlines()[-1] == "exit code 0"
    assert "`through` pulls" not in text


def test_the_certificate():
    """What was compared, with the largest deviation of each law; certified only as a whole."""
    tests = "(test_numbers_for_distributions and mlp) or test_sensitivity or test_rows_per_pass"
    text = run("--trulens-backend", "reference", "-k", tests).stdout
    assert "backend reference: registered in process" in text
    assert re.search(r"with: trulens-nn 0\.\S+, numpy 2\.\S+, Python 3\.\S+, ", text)
    assert re.search(r"(?m)^law +passed +failed +expected +worst float64 +worst float32 +in$", text)
    assert re.search(r"(?m)^framework independence +4 +0 +0 +0\.0e\+00 +\d\.\de-0[78]", text)
    assert re.search(r"(?m)^sensitivity +1 +0 +0 +\d\.\de-1\d +test_sensitivity$", text)
    assert "not supported: nothing" in text
    assert re.search(r"passed 6, failed 0, expected to fail 0, .*not run \d\d\d", text)
    assert "\nNOT CERTIFIED" in text


def test_what_is_not_supported_is_told_with_its_reason(tmp_path):
    """An expected failure that passes after all fails."""
    harness = tmp_path / "some.py"
    harness.write_text(
        "from trulens_core.testing.plugin import Reference\n"
        "class Some(Reference):\n"
        "    frameworks = ('pluggy', 'no-such-framework')\n"
        "    expected_failures = {'test_sensitivity': 'it does not feel', "
        "'test_expected_failures_are_of_tests_that_exist': 'a test of the test'}\n"
        "    def build(self, architecture, dtype):\n"
        "        model = super().build(architecture, dtype)\n"
        "        model.weights['hidden.weight'][:] = 0\n"
        "        return model\n"
    )
    options = ("--trulens-backend", "reference", "--trulens-harness", f"{harness}:Some")
    text = run(*options, "-k", "test_sensitivity or test_expected").stdout
    assert re.search(r"framework: pluggy 1\.\S+, no-such-framework \(not installed\)", text)
    assert "not supported:\n  it does not feel: test_sensitivity\n" in text
    assert re.search(r"(?m)^sensitivity +0 +0 +1$", text)
    assert "passed 0, failed 1, expected to fail 1" in text
    assert "[XPASS(strict)] a test of the test" in text


@pytest.mark.parametrize(
    ("harness", "message"),
    [
        ("nowhere.py:Mine", "no file 'nowhere.py'"),
        (
            "nowhere.at_all:Mine",
            "cannot be imported: No module named 'nowhere'",
        ),
        (f"{MUTANTS}:Mine", "no Harness called 'Mine'"),
        (f"{MUTANTS}:Sound", "the harness Sound is of the backend 'mutant', not 'reference'"),
    ],
    ids=["file", "module", "class", "backend"],
)
def test_a_harness_that_does_not_fit(harness, message):
    with pytest.raises(pytest.UsageError, match=re.escape(message)):
        suite("reference", harness)


def test_a_backend_that_is_not_installed_is_an_error():
    """Also where there is a harness for it."""
    for harness in (None, "trulens_core.testing.plugin:Reference"):
        with pytest.raises(pytest.UsageError, match="there is no backend 'mine'") as info:
            suite("mine", harness)
        assert isinstance(info.value.__cause__, NoBackendError)
    result = run("--trulens-backend", "mine")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no backend 'mine'; installed: " in result.stderr
    assert "certificate" not in result.stdout


def test_a_backend_without_a_harness_needs_one(strict):
    with pytest.raises(pytest.UsageError, match=r"ships no conformance harness.*FILE\.py:CLASS"):
        suite("strict")


def test_the_harness_of_the_description():
    found = suite("reference")
    assert issubclass(found, Conformance)
    assert found.backend_name == "reference"


def test_without_a_backend_nothing_changes():
    result = run("--collect-only", __file__)
    assert "test_without_a_backend_nothing_changes" in result.stdout
    assert "certificate" not in result.stdout.replace("test_the_certificate", "")


@pytest.mark.parametrize("option", [["--trulens-harness", "x.py:X"], ["--trulens-quick"]])
def test_options_of_the_suite_need_a_backend(option):
    found = run(*option)
    assert found.returncode == 4
    assert f"{option[0]} needs --trulens-backend NAME" in found.stderr


def test_one_case_of_each_test():
    """While a backend is written; it is no certificate."""
    found = run("--trulens-backend", "reference", "--trulens-quick", "-k", "numbers or Laws")
    (passed,) = re.findall(r"passed (\d+), failed 0", found.stdout)
    assert int(passed) == len({n for n in dir(Conformance) if n.startswith("test_numbers")})
    assert "\nNOT CERTIFIED" in found.stdout

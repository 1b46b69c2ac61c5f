"""The kit as a pytest plug-in: its certificate, and the defects that it finds."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from trulens_core.errors import NoBackendError
from trulens_core.plugins import registry
from trulens_core.testing.conformance import Conformance
from trulens_core.testing.plugin import suite

SUITE = Path(__file__).with_name("mutated_suite.py")
HARNESSES = Path(__file__).with_name("mutant_harnesses.py")
DEFECTS = runpy.run_path(str(SUITE.with_name("mutants") / "every.py"))["DEFECTS"]
FRAMEWORKS = "reference", "torch"
DUTIES = """
evaluation mode · eval restored · hooks removed, also after errors · order replace, tap, capture ·
looking changes nothing · layer keyword arguments · nested layers listed · nested layers cut · a
layer called several times · rows point by point · repeat order of per-record data · shared inputs
not repeated · weights of points · dtype kept · float64 sums · device kept · random state restored ·
gradients None where unconnected · total derivative of several layers · quantities in order ·
per-record arrays of a quantity · seeds equal to other backends' · `through` pulls · caller's code
not kept · buffers restored · errors named · gradients of sums over rows · ties go to the first ·
containers in order · weights read at every call · arguments of every call · both sides of a layer ·
masks applied to the right segment
"""


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


def found(framework, folder, **environment):
    """What each test of the mutated suite says, by class and name; None where it passes."""
    report = folder / f"{framework}.xml"
    defects = [d for d in DEFECTS.values() if framework in d.frameworks]
    asked = [(d.__name__, d.test) for d in defects] + [("Defect", d.test) for d in defects]
    nodes = [f"{SUITE}::Test_{framework}_{kind}::{test}" for kind, test in asked]
    options = ("-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore")
    command = [sys.executable, "-m", "pytest", *options, f"--junitxml={report}"]
    done = subprocess.run(
        [*command, *(nodes if not environment else [SUITE])],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TRULENS_MUTATED": framework, **environment},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    said = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kind = case.get("classname").rpartition(f"Test_{framework}_")[2]
        texts = [f"{x.get('message')}\n{x.text}" for x in case if x.tag in ("failure", "error")]
        said[kind, case.get("name")] = "\n".join(texts) or None
    return said


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutants")
    return {framework: found(framework, folder) for framework in FRAMEWORKS}


@pytest.mark.parametrize(
    ("framework", "name"), [(f, n) for n, d in DEFECTS.items() for f in d.frameworks]
)
def test_every_defect_is_found(outcomes, framework, name):
    defect = DEFECTS[name]
    said = outcomes[framework][name, defect.test]
    assert said is not None, f"{name}, which neglects {defect.duty!r}, is certified"
    assert re.search(defect.message, said), said


def test_every_duty_has_a_defect_on_two_backends():
    """But for that of devices, of which the reference has one."""
    duties = [" ".join(d.split()) for d in DUTIES.split("·")]
    assert sorted(set(duties)) == sorted({d.duty for d in DEFECTS.values()})
    both = {d.duty for d in DEFECTS.values() if d.frameworks == FRAMEWORKS}
    assert set(duties) - both == {"device kept"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_nothing_is_found_without_a_defect(outcomes, framework):
    said = {name: text for (kind, name), text in outcomes[framework].items() if kind == "Defect"}
    assert len(said) > 25
    assert {name: text for name, text in said.items() if text} == {}


@pytest.mark.skipif(not os.environ.get("TRULENS_EVERY"), reason="each against the whole suite")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_defect_against_the_whole_suite(framework, tmp_path):
    """Each is found there too, and nothing is without a defect."""
    said = found(framework, tmp_path, TRULENS_MUTATED_WHOLE="1")
    failed = {kind for (kind, _), text in said.items() if text}
    assert failed == {n for n, d in DEFECTS.items() if framework in d.frameworks}


@pytest.mark.parametrize("harness", ["RunsThrice", "OwnBits"])
def test_what_a_backend_may_do(harness):
    """`run` called as often as it likes; other bits at each evaluation, where it says so."""
    options = ("--trulens-backend", "allowed", "--trulens-harness", f"{HARNESSES}:{harness}")
    text = run(*options, "--trulens-quick").stdout
    assert re.search(r"passed \d\d\d, failed 0, ", text), text
    assert ("bits: not repeated; compared to rounding" in text) == (harness == "OwnBits")


def test_the_certificate_of_a_defect():
    options = ("--trulens-backend", "allowed", "--trulens-harness", f"{HARNESSES}:Scaled")
    text = run(*options, "-k", "test_gradients_are_differences and inner and mlp").stdout
    assert "2, 2, 2 times the difference quotients" in text
    assert "\nNOT CERTIFIED" in text


def test_a_backend_without_through_is_certified_and_says_so():
    """As those of 0.1 are, which run unchanged; nothing that was asked for fails."""
    options = ("--trulens-backend", "allowed", "--trulens-harness", f"{HARNESSES}:NoThrough")
    text = run(*options, "-k", "test_through or test_sensitivity").stdout
    reason = r"does not apply: rules of the backward pass: not served: (test_through_\w+.*)$"
    (tests,) = re.findall(rf"(?m)^  {reason}", text)
    assert (
        len(tests.split(", "))
        == sum(name.startswith("test_through") for name in dir(Conformance)) + 2
    )  # cases
    assert "failed 0" in text
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
    assert "\nlayers: of the framework\ndevices: one\n" in text


def test_what_is_not_supported_is_told_with_its_reason(tmp_path):
    """An expected failure that passes after all fails."""
    harness = tmp_path / "some.py"
    harness.write_text(
        "from trulens_core.testing.plugin import Reference\n"
        "class Some(Reference):\n"
        "    frameworks = ('pluggy', 'no-such-framework')\n"
        "    layered = ('types',)\n"
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
    not_tried = (
        "layers: of the framework; not tried: layers with modes, state, or work done in place; "
        "layers inside of layers, with keyword arguments\n"
    )
    assert not_tried in text
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
        (f"{HARNESSES}:Mine", "no Harness called 'Mine'"),
        (
            f"{HARNESSES}:Allowed",
            "the harness Allowed is of the backend 'allowed', not 'reference'",
        ),
    ],
    ids=["file", "module", "class", "backend"],
)
def test_a_harness_that_does_not_fit(harness, message):
    try:
        with pytest.raises(pytest.UsageError, match=re.escape(message)):
            suite("reference", harness)
    finally:  # loading the file registers it, before the reference
        registry().unregister("allowed")


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

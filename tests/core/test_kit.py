"""The conformance kit itself: that it tests what core uses, loses no test, and can fail."""

import ast
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import trulens_core
from trulens_core.testing import ZOO, ReferenceModel, certificate, relative_error, small_model
from trulens_core.testing.conformance import (
    BackendFunctions,
    Conformance,
    Harness,
    Namespace,
    Through,
)
from trulens_core.testing.conformance.namespace import CONSTANT, FUNCTIONS, NUMBERS
from trulens_core.testing.conformance.subjects import SUBJECTS
from trulens_core.testing.plugin import Reference

CORE = Path(trulens_core.__file__).parent
NAMESPACE = CORE / "testing" / "conformance" / "namespace.py"


# -- the suite ------------------------------------------------------------------------------------


def calls(path):
    """The calls of functions of xp in a file: name, number of arguments, names of those named."""
    for node in ast.walk(ast.parse(path.read_text())):
        of = getattr(getattr(node, "func", None), "value", None)
        if isinstance(node, ast.Call) and "xp" in (getattr(of, "id", ""), getattr(of, "attr", "")):
            yield node.func.attr, len(node.args), tuple(sorted(k.arg for k in node.keywords))


def test_every_form_in_which_core_calls_a_function_is_tested():
    sources = [p for p in CORE.rglob("*.py") if "testing" not in p.parts]
    used = {form for p in sources for form in calls(p)}
    tested = set(calls(NAMESPACE))
    assert len(used) > 25
    assert used - tested == set()
    text = "".join(p.read_text() for p in sources)
    types = set(re.findall(r"\bxp\.((?:float|int)\d+|bool)\b", text))
    assert types <= set(re.findall(r"\bxp\.(\w+)", NAMESPACE.read_text()))


def rows():
    """The table of the page: each call that is tested, and whether its gradient is."""
    for node in ast.parse(NAMESPACE.read_text()).body:
        table = getattr(getattr(node, "target", None), "id", "")
        if table not in ("FUNCTIONS", "NUMBERS"):
            continue
        for key, value in zip(node.value.keys, node.value.values, strict=True):
            function, given = {**FUNCTIONS, **NUMBERS}[key.value]
            found = getattr(function(np, *given), "dtype", np.dtype(bool))
            gradient = "yes" if given[0].dtype.kind == found.kind == "f" else ""
            gradient = "none" if key.value in CONSTANT else gradient
            yield f"| {key.value} | `{ast.unparse(value.elts[0].body)}` | {gradient} |"


def test_the_page_of_calls_lists_all_that_are_tested():
    page = Path(__file__).parents[2] / "docs" / "reference" / "xp.md"
    expected = list(rows())
    listed = [x for x in page.read_text().splitlines() if x.startswith("| ")][2:]
    assert listed == expected, "the table is now:\n" + "\n".join(expected)


def test_functions_of_xp_are_tested_before_anything_else():
    """So that what is wrong with one is told by its name, not by all that is made of it."""
    assert Conformance.__mro__[-5:-2] == (Through, BackendFunctions, Namespace)


def test_no_part_of_the_suite_hides_another():
    parts = [c for c in Conformance.__mro__ if c not in (Conformance, Harness, object)]
    for a, b in itertools.combinations(parts, 2):
        both = {n for n in vars(a) if not n.startswith("__")} & vars(b).keys()
        assert both <= {"law"}, f"{a.__name__} and {b.__name__}"
    assert sum(n.startswith("test_") for c in parts for n in vars(c)) > 120


def test_every_test_says_which_law_it_checks():
    laws = {n: Conformance.law_of(n) for n in dir(Conformance) if n.startswith("test_")}
    assert [n for n, law in laws.items() if law == Harness.law] == [
        "test_expected_failures_are_of_tests_that_exist"
    ]
    assert laws["test_completeness"] == "completeness"
    assert laws["test_threads"] == "no trace"
    assert {"sensitivity", "linear agreement", "batch independence"} <= set(laws.values())


def test_every_model_is_a_subject():
    assert SUBJECTS.keys() == ZOO.keys()


def test_the_suite_names_no_framework():
    for path in (CORE / "testing").rglob("*.py"):
        assert not re.search(
            r"^\s*(import|from) (torch|tensorflow|jax|keras)\b", path.read_text(), re.MULTILINE
        )


# -- the zoo --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZOO)
def test_models_are_always_the_same(name):
    weights, again = ZOO[name].weights(), ZOO[name].weights()
    assert all((weights[n] == again[n]).all() for n in weights)
    assert {w.dtype.name for w in weights.values()} == {"float64"}
    assert all(np.abs(w).max() > 0 for w in weights.values())


@pytest.mark.parametrize("name", ZOO)
def test_the_first_records_do_not_depend_on_their_number(name):
    (few, more), (keywords, _) = zip(ZOO[name].inputs(2), ZOO[name].inputs(5), strict=True)
    for argument, a, b in zip(ZOO[name].arguments, few, more, strict=False):
        pairs = zip(a.values(), b.values(), strict=True) if isinstance(a, dict) else [(a, b)]
        for x, y in pairs:
            assert (x == (y[:2] if argument.batched else y)).all()
    assert set(keywords) == {a.name for a in ZOO[name].arguments if a.keyword}


def test_weights_that_are_not_used_are_zero():
    assert not ZOO["mlp"].weights()["hidden.weight"][:, 4].any()


def test_a_small_model_for_examples():
    model, x = small_model()
    assert isinstance(model, ReferenceModel)
    assert x.shape == (2, 5)


# -- the measure ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        ([[1.0, 2.0]], [[1.0, 2.0]], 0.0),
        ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 5.0]], 0.2),
        ([[0.0, 0.0]], [[0.0, 0.0]], 0.0),
        ([[0.0, 1e-30]], [[0.0, 0.0]], np.inf),
        ([[1.0]], [[1.0], [1.0]], np.inf),
        ([[1.0]], [1.0], np.inf),
        ([[np.nan]], [[np.nan]], np.inf),
        ([[np.inf]], [[np.inf]], np.inf),
        ([1.0, 3.0], [1.0, 2.0], 0.5),
        (3.0, 2.0, 0.5),
        (np.zeros((0, 3)), np.zeros((0, 3)), 0.0),
        (np.ones((2, 0)), np.ones((2, 0)), 0.0),
        ([[1e3, 1.0], [1e-3, 1e-6]], [[1e3, 1.0], [1e-3, 2e-6]], 1e-3),
    ],
)
def test_relative_error(a, b, error):
    assert relative_error(a, b) == pytest.approx(error)


def test_relative_error_is_of_the_worst_record():
    b = np.random.default_rng(0).standard_normal((5, 4))
    a = b.copy()
    a[3] *= 1.01
    assert relative_error(a, b) == pytest.approx(0.01)


def test_a_declared_tolerance():
    """It takes the place of a smaller one, but not of equality, and is told."""

    class Coarse(Reference):
        tolerance = 1e-6

    x = np.ones((2, 3))
    near = x * (1 + 1e-7)
    for harness, allowed in ((Reference(), False), (Coarse(), True)):
        harness._deviations = []
        for tolerance in (None, 1e-12):
            if allowed:
                assert harness.close(near, x, tolerance)
            else:
                with pytest.raises(AssertionError, match="relative error 1e-07, allowed 1e-1"):
                    harness.close(near, x, tolerance)
        with pytest.raises(AssertionError, match="allowed 0"):
            harness.close(near, x, 0.0)
    assert "tolerance: 1e-06 of float64 results" in certificate.tried(Coarse)
    assert "tolerance: 1e-10 of float64 results" in certificate.tried(Reference)

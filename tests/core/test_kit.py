"""The conformance kit itself: that it tests what core uses, loses no test, and can fail."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import trulens_core
from trulens_core.testing import ZOO, ReferenceModel, relative_error, small_model
from trulens_core.testing.conformance import Conformance, Harness
from trulens_core.testing.conformance.namespace import FUNCTIONS
from trulens_core.testing.conformance.subjects import SUBJECTS

CORE = Path(trulens_core.__file__).parent


# -- the suite ------------------------------------------------------------------------------------


def test_every_function_that_core_uses_is_tested():
    sources = [p for p in CORE.rglob("*.py") if "testing" not in p.parts]
    used = {name for p in sources for name in re.findall(r"\bxp\.(\w+)", p.read_text())}
    tested = Path(CORE / "testing/conformance/namespace.py").read_text()
    assert len(used) > 15
    assert sorted(n for n in used if not re.search(rf"\bxp\.{n}\b", tested)) == []
    assert len(FUNCTIONS) > len(used)


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

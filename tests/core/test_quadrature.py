"""Quadrature rules: nodes, weights, exactness and order."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trulens_core.distributions.quadrature import RULES, check, nodes, positive_int


def integral(rule, n, function):
    alphas, weights = nodes(rule, n)
    return float(np.dot(weights, function(np.asarray(alphas))))


@given(st.sampled_from(RULES), st.integers(2, 200))
def test_weights_are_a_mean(rule, n):
    alphas, weights = nodes(rule, n)
    assert len(alphas) == len(weights) == n
    assert sum(weights) == pytest.approx(1, abs=1e-12)
    assert min(weights) > 0
    assert all(a > b for a, b in itertools.pairwise(alphas))
    assert alphas[0] <= 1
    assert alphas[-1] >= 0
    # as far from the one end as from the other
    assert alphas == pytest.approx(1 - np.asarray(alphas[::-1]), abs=1e-12)
    assert weights == pytest.approx(weights[::-1], abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_gauss_legendre_is_exact_for_polynomials(n):
    for degree in range(2 * n):
        assert integral("gauss-legendre", n, lambda a, d=degree: a**d) == pytest.approx(
            1 / (degree + 1), rel=1e-12
        )
    assert abs(integral("gauss-legendre", n, lambda a: a ** (2 * n)) - 1 / (2 * n + 1)) > 1e-16


@pytest.mark.parametrize(("rule", "order"), [("endpoints", 1), ("midpoint", 2), ("trapezoid", 2)])
def test_errors_fall_with_the_order(rule, order):
    def error(n):
        return abs(integral(rule, n, np.exp) - (np.e - 1))

    assert np.log2(error(40) / error(80)) == pytest.approx(order, abs=0.1)


def test_rules_as_they_are_documented():
    assert nodes("endpoints", 3) == ((1.0, 0.5, 0.0), (1 / 3, 1 / 3, 1 / 3))
    assert nodes("trapezoid", 3) == ((1.0, 0.5, 0.0), (0.25, 0.5, 0.25))
    assert nodes("midpoint", 2) == ((0.75, 0.25), (0.5, 0.5))
    assert nodes("endpoints", 1) == ((1.0,), (1.0,))
    assert nodes("midpoint", 1) == nodes("gauss-legendre", 1) == ((0.5,), (1.0,))


def test_linear_functions_are_exact():
    for rule in RULES:
        assert integral(rule, 4, lambda a: 3 * a + 1) == pytest.approx(2.5, rel=1e-14)


def test_what_is_no_rule():
    with pytest.raises(ValueError, match=r"rule is 'simpson'.*'endpoints'"):
        check("simpson", 3)
    with pytest.raises(ValueError, match="resolution >= 2"):
        check("trapezoid", 1)
    assert check("trapezoid", np.int64(2)) == ("trapezoid", 2)


@pytest.mark.parametrize("value", [0, -1, 1.0, "3", None, True, np.float64(3), [3]])
def test_what_is_no_number_of_points(value):
    with pytest.raises(ValueError, match=r"resolution is .* int >= 1"):
        positive_int(value, "resolution")

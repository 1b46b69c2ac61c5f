"""Distributions by themselves: construction, and strict array-API arrays."""

import math

import array_api_strict
import numpy as np
import pytest

from trulens_core import Cut, DoI, DoiError, GaussianDoi, LinearDoi, PointDoi, Points
from trulens_core.distributions import as_doi
from trulens_core.distributions.quadrature import EQUAL, RULES, nodes

NUMBERS = np.random.default_rng(0).standard_normal((3, 4))


@pytest.mark.parametrize(("value", "kind"), [("point", PointDoi), ("linear", LinearDoi)])
def test_short_forms(value, kind):
    assert type(as_doi(value)) is kind
    doi = kind(cut="a")
    assert as_doi(doi) is doi
    assert doi.cut() == Cut("a")


@pytest.mark.parametrize("value", ["gaussian", None, 3, LinearDoi, lambda z: [z]])
def test_what_is_no_short_form(value):
    with pytest.raises(ValueError, match=r"doi is .*'point' or 'linear'"):
        as_doi(value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinearDoi(resolution=0), "resolution is 0"),
        (lambda: LinearDoi(resolution=2.0), "resolution is 2.0"),
        (lambda: LinearDoi(rule="simpson"), "rule is 'simpson'"),
        (lambda: LinearDoi(resolution=1, rule="trapezoid"), "resolution >= 2"),
        (lambda: GaussianDoi(-1.0, 3), "var is -1.0"),
        (lambda: GaussianDoi(math.inf, 3), "var is inf"),
        (lambda: GaussianDoi(math.nan, 3), "var is nan"),
        (lambda: GaussianDoi(0.1, 0), "resolution is 0"),
    ],
)
def test_what_is_wrong_is_said_at_once(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_old_positions_of_arguments():
    doi = LinearDoi(0.5, 7)
    assert (doi.resolution, doi.rule) == (7, "endpoints")
    assert LinearDoi().resolution == 10
    noise = GaussianDoi(0.25, 4, "layer")
    assert (noise.var, noise.resolution, noise.cut(), noise.seed) == (0.25, 4, Cut("layer"), 0)
    with pytest.raises(TypeError):
        LinearDoi(0.5, 7, "layer")


def test_distributions_show_what_they_are():
    assert repr(PointDoi("a")) == "PointDoi(cut=Cut('a'))"
    assert repr(LinearDoi(2, 3)) == "LinearDoi(baseline=2, resolution=3, rule='endpoints')"
    assert repr(GaussianDoi(1, 2, seed=3)) == "GaussianDoi(var=1.0, resolution=2, seed=3)"


def test_a_distribution_says_its_points():
    with pytest.raises(TypeError, match="abstract"):
        DoI()


@pytest.mark.parametrize("rule", RULES)
def test_lines_over_strict_arrays(strict, rule):
    """Distributions use no function that the array-API standard lacks, and mix no types."""
    z = array_api_strict.asarray(NUMBERS)
    given = LinearDoi(0.5, 3, rule=rule)(z)
    alphas, weights = nodes(rule, 3)
    assert isinstance(given, Points) == (rule not in EQUAL)
    points = given
    if isinstance(given, Points):
        assert given.weights == weights
        points = given.points
    for a, point in zip(alphas, points, strict=True):
        np.testing.assert_allclose(np.asarray(point), a * NUMBERS + (1 - a) * 0.5, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_over_strict_arrays(strict, dtype):
    """The same numbers in every type, shape by shape, whatever the number of records."""
    z = array_api_strict.asarray(NUMBERS.astype(dtype))
    points = [np.asarray(p) for p in GaussianDoi(0.25, 3, seed=5)(z)]
    assert {p.dtype.name for p in points} == {dtype}
    noise = np.stack(points) - NUMBERS.astype(dtype)
    alone = [np.asarray(p) for p in GaussianDoi(0.25, 3, seed=5)(z[1:2, :])]
    np.testing.assert_allclose(noise[:, 1:2], np.stack(alone) - NUMBERS[1:2], rtol=1e-5)
    bits = np.random.Philox(key=5, counter=[0, 0, 0, 2])
    expected = np.random.Generator(bits).standard_normal((1, 4)) * 0.5
    np.testing.assert_allclose(noise[2, :1], expected, rtol=1e-5)


def test_a_baseline_for_each_of_several_tensors_is_none_for_one():
    with pytest.raises(DoiError, match=r"2 arrays of different shapes.*one tensor"):
        LinearDoi([np.ones((3, 4)), np.ones(2)], 2)(NUMBERS)


@pytest.mark.parametrize(
    "baseline",
    [None, 0.5, np.ones(4), np.ones((1, 4)), NUMBERS, lambda z: 0.5 * z, lambda z: np.zeros(4)],
    ids=["none", "number", "record", "leading axis", "records", "function", "function of arrays"],
)
def test_baselines_over_strict_arrays(strict, baseline):
    z = array_api_strict.asarray(NUMBERS)
    doi = LinearDoi(baseline, 2)
    found = np.asarray(doi.baseline(z))
    given = baseline(NUMBERS) if callable(baseline) else (0 if baseline is None else baseline)
    assert (found == np.broadcast_to(given, NUMBERS.shape)).all()
    np.testing.assert_allclose(np.asarray(doi.get_activation_multiplier(z)), NUMBERS - found)

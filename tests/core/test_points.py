"""Points that a distribution returns: checked, weighted, and stacked chunk by chunk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trulens_core import DoI, DoiError, InputCut, InternalInfluence, LinearDoi, ModelInputs, Points
from trulens_core.distributions.points import Records, as_points
from trulens_core.testing import small_model
from trulens_core.testing.reference import BACKEND

RNG = np.random.default_rng(0)


def records(*shapes):
    z = [BACKEND.from_numpy(RNG.standard_normal((2, *s))) for s in shapes or [(3,)]]
    return Records(z, ModelInputs(z), BACKEND, 0, 2, 2)


@given(st.integers(1, 9), st.data())
def test_chunks_are_parts_of_all(n, data):
    g = records((3,), (2, 2))
    columns = [[t * float(i) for i in range(n)] for t in g.z]
    lazy = as_points(columns, g, "Mine")
    assert lazy.weights == (1 / n,) * n
    whole = [t.data for t in lazy.stack(0, n)]
    assert [w.shape for w in whole] == [(n, 2, 3), (n, 2, 2, 2)]
    i = data.draw(st.integers(0, n - 1))
    j = data.draw(st.integers(i + 1, n))
    for part, w in zip(lazy.stack(i, j), whole, strict=True):
        assert (part.data == w[i:j]).all()


def test_weights_are_used_as_they_are():
    g = records()
    lazy = as_points(Points([g.z[0]] * 3, np.asarray([1, 0, -2])), g, "Mine")
    assert lazy.weights == (1.0, 0.0, -2.0)
    assert all(type(w) is float for w in lazy.weights)


def test_points_may_be_arrays_of_another_type():
    g = records()
    given = [np.ones((2, 3), "float32"), np.ones((1, 3)), BACKEND.from_numpy(np.ones((2, 3)))]
    (stacked,) = as_points(iter(given), g, "Mine").stack(0, 3)
    assert stacked.dtype == np.float64
    assert (stacked.data == 1).all()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], "Mine returned .* points"),
        ([np.ones((2, 4))], r"shape \(2, 4\); the value at its cut has shape \(2, 3\)"),
        ([np.ones((3, 3))], r"shape \(3, 3\)"),
        ([np.ones(3)], r"shape \(3,\)"),
        ([1.0], "type float"),
        (["z"], "type str"),
        ([None], "type NoneType"),
        ([[1.0, 2.0]], "type list"),
        ([np.asarray(["a"])], "type ndarray"),
        (Points([np.ones((2, 3))], []), "1 points and 0 weights"),
    ],
)
def test_points_that_do_not_fit(points, message):
    with pytest.raises(DoiError, match=message):
        as_points(points, records(), "Mine")


def test_points_of_several_tensors_that_do_not_fit():
    g = records((3,), (2,))
    with pytest.raises(DoiError, match="3 lists of points, but its cut holds 2 tensors"):
        as_points([[1], [2], [3]], g, "Mine")
    with pytest.raises(DoiError, match=r"\[1, 2\] points"):
        as_points([[g.z[0]], [g.z[1]] * 2], g, "Mine")


def test_points_whose_number_is_stated_are_taken_one_by_one():
    made = []

    def points(z):
        for i in range(5):
            made.append(i)
            yield z * float(i)

    r = records()
    lazy = as_points(points(r.z[0]), r, "Mine", 5)
    assert (lazy.weights, made) == ((0.2,) * 5, [])
    (first,) = lazy.stack(0, 2)
    assert made == [0, 1]
    (rest,) = lazy.stack(2, 5)
    assert made == [0, 1, 2, 3, 4]
    assert (
        np.concatenate([first.data, rest.data]) == r.z[0].data * np.arange(5.0)[:, None, None]
    ).all()


@pytest.mark.parametrize(("n", "found"), [(4, "fewer"), (2, "more")])
def test_another_number_of_points_than_is_stated(n, found):
    r = records()
    lazy = as_points(Points(iter([r.z[0]] * 3), [1 / n] * n), r, "Mine", n)
    with pytest.raises(DoiError, match=f"Mine states n_points={n}, but it gave {found} points"):
        lazy.stack(0, n)


def test_a_number_of_points_that_is_none():
    with pytest.raises(ValueError, match="n_points"):
        as_points([], records(), "Mine", 0)


class Stated(DoI):
    """Says how many points it has, and makes them one by one."""

    n_points = 3

    def __call__(self, z):
        yield from (z, 0.5 * z, 0.25 * z)


class Heir(Stated):
    """Says nothing of its own."""


class Other(Stated):
    """Has other points, and does not say how many."""

    def __call__(self, z):
        return [z]


class Line(LinearDoi):
    """Has other points than a line, and says how many."""

    n_points = 2

    def __call__(self, z):
        yield from (z, 2.0 * z)


class Listed(DoI):
    """What `Stated` gives, in a list."""

    def __call__(self, z):
        return [z, 0.5 * z, 0.25 * z]


@pytest.mark.parametrize(
    ("kind", "n"), [(Stated, 3), (Heir, 3), (Other, None), (Line, 2), (Listed, None)]
)
def test_what_a_class_states_is_true_of_its_own_points(kind, n):
    assert kind().n_points == n


@pytest.mark.parametrize("rebatch_size", [None, 2, 5])
def test_stated_points_give_what_listed_ones_give(rebatch_size):
    model, x = small_model()
    found, expected = (
        InternalInfluence(
            model, InputCut(), "max", doi, rebatch_size=rebatch_size, return_doi=True
        ).explain(x)
        for doi in (Stated(), Listed())
    )
    assert (found.attributions == expected.attributions).all()
    assert (found.interventions == expected.interventions).all()
    assert found.n_points.tolist() == expected.n_points.tolist() == [3, 3]

"""Points that a distribution returns: checked, weighted, and stacked chunk by chunk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trulens_core import DoiError, ModelInputs, Points
from trulens_core.distributions.points import Records, listed
from trulens_core.testing.reference import BACKEND

RNG = np.random.default_rng(0)


def group(*shapes):
    z = [BACKEND.from_numpy(RNG.standard_normal((2, *s))) for s in shapes or [(3,)]]
    return Records(z, ModelInputs(z), BACKEND, 0, 2, 2)


@given(st.integers(1, 9), st.data())
def test_chunks_are_parts_of_all(n, data):
    g = group((3,), (2, 2))
    columns = [[t * float(i) for i in range(n)] for t in g.z]
    lazy = listed(columns, g, "Mine")
    assert lazy.weights == (1 / n,) * n
    whole = [t.data for t in lazy.stack(0, n)]
    assert [w.shape for w in whole] == [(n, 2, 3), (n, 2, 2, 2)]
    i = data.draw(st.integers(0, n - 1))
    j = data.draw(st.integers(i + 1, n))
    for part, w in zip(lazy.stack(i, j), whole, strict=True):
        assert (part.data == w[i:j]).all()


def test_weights_are_used_as_they_are():
    g = group()
    lazy = listed(Points([g.z[0]] * 3, np.asarray([1, 0, -2])), g, "Mine")
    assert lazy.weights == (1.0, 0.0, -2.0)
    assert all(type(w) is float for w in lazy.weights)


def test_points_may_be_arrays_of_another_type():
    g = group()
    given = [np.ones((2, 3), "float32"), np.ones((1, 3)), BACKEND.from_numpy(np.ones((2, 3)))]
    (stacked,) = listed(iter(given), g, "Mine").stack(0, 3)
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
        listed(points, group(), "Mine")


def test_points_of_several_tensors_that_do_not_fit():
    g = group((3,), (2,))
    with pytest.raises(DoiError, match="3 lists of points, but its cut holds 2 tensors"):
        listed([[1], [2], [3]], g, "Mine")
    with pytest.raises(DoiError, match=r"\[1, 2\] points"):
        listed([[g.z[0]], [g.z[1]] * 2], g, "Mine")

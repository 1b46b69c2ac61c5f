"""What is no statistic, and what cannot be contracted, says so."""

import numpy as np
import pytest

from trulens_core import (
    DoiError,
    ExpectedGradients,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    Parts,
    Statistic,
    get_model_wrapper,
)
from trulens_core.testing import small_model


class Flat(Statistic):
    """One that returns a tensor alone."""

    def start(self, backend, points):
        return self

    def add(self, got, seen):
        self.found = got.gradients[0][0]

    def finish(self):
        return Parts(self.found)


@pytest.mark.parametrize(
    ("statistic", "error", "said"),
    [
        (
            "median",
            ValueError,
            "'median'; it must be a Statistic or one of 'mean', 'second_moment'",
        ),
        (Flat, ValueError, r"give an object of it, Flat\(\)"),
        (Flat(), TypeError, r"(?s)Flat.*\[\[tensor\]\] for one; found Tensor"),
        ("path", DoiError, "PointDoi has none"),
    ],
)
def test_statistics(statistic, error, said):
    model, x = small_model()
    with pytest.raises(error, match=said):
        InternalInfluence(model, None, 0, "point", statistic=statistic).attributions(x)


class Highest(Statistic):
    """The largest quantity over the points, which needs no gradient."""

    gradients = False

    def start(self, backend, points):
        self.xp, self.found = backend.xp, None
        return self

    def add(self, got, seen):
        highest = self.xp.max(got.quantities[0], axis=0)
        self.found = highest if self.found is None else self.xp.maximum(self.found, highest)

    def finish(self):
        return Parts([[self.found]])


def test_points_on_a_line_without_gradients():
    """The distribution has its baseline, which nothing else asks for."""
    wrapper, x = small_model()
    model = get_model_wrapper(wrapper)
    doi = LinearDoi(0.5, resolution=5)
    found = InternalInfluence(model, None, 0, doi, False, statistic=Highest()).attributions(x)
    points = [x + i / 4 * (0.5 - x) for i in range(5)]
    expected = np.max([np.asarray(model(p))[:, 0] for p in points], axis=0)
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_path_is_multiplied():
    with pytest.raises(ValueError, match="multiply_activation=False would leave nothing"):
        InternalInfluence(small_model()[0], None, 0, "linear", False, statistic="path")


@pytest.mark.parametrize("contract", [0, True, "last", [], (1, 0)])
def test_axes(contract):
    with pytest.raises(ValueError, match=r"contract is .*; it must be an axis"):
        IntegratedGradients(small_model()[0], contract=contract)


def test_axes_that_there_are_not():
    model, x = small_model()
    with pytest.raises(ValueError, match=r"contract=\(2,\) cannot be summed over in"):
        IntegratedGradients(model, contract=2).attributions(x)
    with pytest.raises(ValueError, match="return_grads has none"):
        IntegratedGradients(model, contract=-1, return_grads=True).explain(x)


@pytest.mark.parametrize("shape", [(9, 4), (9,), (9, 1, 5)])
def test_data_of_other_values(shape):
    model, x = small_model()
    with pytest.raises(DoiError, match=r"rows of data have shape .*has shape \(5,\); give data of"):
        ExpectedGradients(model, np.zeros(shape)).attributions(x)

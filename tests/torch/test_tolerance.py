"""Attribution to a stated error: nested midpoints until completeness holds, record by record."""

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import ClassQoI, IntegratedGradients, TrulensWarning
from trulens_core.testing import relative_error


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    layers = nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 4)
    return nn.Sequential(*layers).double()


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).normal(size=(12, 6))


def test_every_record_meets_the_tolerance(model, x):
    result = IntegratedGradients(model, qoi="predicted", tolerance=0.01).explain(x)
    assert result.converged.all()
    difference = np.abs(result.quantity - result.baseline_quantity)
    scale = np.maximum(difference, 1e-3 * np.abs(result.quantity))
    assert (np.abs(result.residual) <= 0.01 * scale).all()
    assert set(np.unique(result.n_points)) <= {3, 9, 27, 81, 243, 729}
    assert len(set(result.n_points)) > 1, "this data is meant to need several levels"


def test_records_with_n_points_equal_the_midpoint_rule_with_n(model, x):
    result = IntegratedGradients(model, qoi="predicted", tolerance=0.01).explain(x)
    for n in np.unique(result.n_points):
        same = IntegratedGradients(model, qoi="predicted", resolution=int(n)).attributions(x)
        held = result.n_points == n
        assert relative_error(result.attributions[held], same[held]) < 1e-12


@pytest.mark.parametrize("rebatch_size", [1, 5, None])
def test_a_record_does_not_depend_on_its_batch(model, x, rebatch_size):
    targets = np.arange(12) % 4
    baseline = np.random.default_rng(2).normal(size=(12, 6))

    def explain(rows):
        method = IntegratedGradients(
            model,
            baseline[rows],
            qoi=ClassQoI(targets[rows]),
            tolerance=0.02,
            rebatch_size=rebatch_size,
        )
        return method.explain(x[rows])

    whole = explain(slice(None))
    for i in range(12):
        alone = explain(slice(i, i + 1))
        assert alone.n_points[0] == whole.n_points[i]
        assert relative_error(alone.attributions, whole.attributions[i : i + 1]) < 1e-12


def test_several_quantities_converge_together(model, x):
    result = IntegratedGradients(model, qoi=lambda y: y[:, :2], tolerance=0.05).explain(x)
    assert result.residual.shape == (12, 2)
    assert len(result.attributions) == 2
    assert result.converged.all()


def test_what_does_not_converge_is_said_once(model, x):
    method = IntegratedGradients(model, qoi="predicted", tolerance=1e-4, max_resolution=9)
    with pytest.warns(TrulensWarning, match="do not meet tolerance=0.0001 with 9 points") as seen:
        attributions = method.attributions(x)
    assert len(seen) == 1
    assert attributions.shape == x.shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 50}, "not both"),
        ({"rule": "trapezoid"}, "nests midpoints"),
        ({"return_grads": True}, "return_grads"),
        ({"max_resolution": 2}, "at least 3"),
        ({"tolerance": 0.0}, "between 1e-5"),
        ({"tolerance": 1.5}, "between 1e-5"),
    ],
)
def test_options_that_contradict_a_tolerance_are_errors(model, options, message):
    with pytest.raises(ValueError, match=message):
        IntegratedGradients(model, **{"tolerance": 0.01, **options})

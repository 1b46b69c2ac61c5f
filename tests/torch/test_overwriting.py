"""Points at the input go through the model without a copy; nothing of the caller's is changed."""

import pytest
import torch
from torch import nn

from trulens_core import (
    DoI,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    LambdaQoI,
    get_model_wrapper,
)
from trulens_core.testing import relative_error
from trulens_torch.backend import BACKEND

X = torch.rand(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5


class First(nn.Module):
    """A network whose first operation is `function`."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.function, self.last = function, nn.Linear(4, 3, dtype=torch.float64)

    def forward(self, x):
        return self.last(torch.tanh(self.function(x)))


def without_first(x):
    x = x.clone()
    x[:, 0] = 0
    return x


def first_set_to_zero(x):
    x[:, 0] = 0
    return x


def rows_of_a_view(x):
    x.t().mul_(3)
    return x


IN_PLACE = {
    "relu": (nn.ReLU(inplace=True), nn.ReLU()),
    "product": (lambda x: x.mul_(3), lambda x: x * 3),
    "column": (first_set_to_zero, without_first),
    "through a view": (rows_of_a_view, lambda x: x * 3),
    "square": (lambda x: x.pow_(2), lambda x: x**2),
}


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("rows", [1, 4, 6, None])
def test_a_model_may_change_its_input_in_place(name, rows):
    inside, outside = (First(f) for f in IN_PLACE[name])
    found, expected = (
        IntegratedGradients(m, 0.1, 7, qoi=1, rebatch_size=rows).attributions(X)
        for m in (inside, outside)
    )
    assert relative_error(found, expected) <= 1e-10


class Second(nn.Module):
    """A network that calls `function` on the value of a layer."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.rest = nn.Linear(4, 4).double(), First(function)

    def forward(self, x):
        return self.rest(self.first(x))


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("rows", [1, 6, None])
def test_a_model_may_change_the_value_of_a_layer_in_place(name, rows):
    inside, outside = (Second(f) for f in IN_PLACE[name])
    options = {"doi_cut": "first", "qoi": 1, "rebatch_size": rows}
    found, expected = (
        IntegratedGradients(m, 0.1, 7, **options).attributions(X) for m in (inside, outside)
    )
    assert relative_error(found, expected) <= 1e-10


def test_what_the_caller_gives_stays():
    wrapper, given, before = get_model_wrapper(First(lambda x: x.mul_(3))), X.clone(), X.clone()
    wrapper.qoi_bprop(0, X.clone(), doi_cut=InputCut(), intervention=given)
    assert torch.equal(given, before)
    IntegratedGradients(wrapper, given, 5).attributions(given)
    assert torch.equal(given, before)


def test_an_intervention_at_a_layer_stays():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)).double()
    given, before = X.clone(), X.clone()
    get_model_wrapper(model).qoi_bprop(0, X, doi_cut="0", intervention=given)
    assert torch.equal(given, before)


class Kept(DoI):
    """Gives the same tensor again and again."""

    def __init__(self, point):
        super().__init__()
        self.point = point

    def __call__(self, z):
        return [self.point, self.point]


def test_points_that_a_distribution_keeps_stay():
    point, before = X.clone(), X.clone()
    model = First(lambda x: x.mul_(3))
    found, expected = (
        InputAttribution(model, qoi=0, doi=doi, multiply_activation=False).attributions(X)
        for doi in (Kept(point), "point")
    )
    assert relative_error(found, expected) <= 1e-10
    assert torch.equal(point, before)


def test_zeros_keep_their_signs():
    # the gradient of x · sign(x) is the sign, here of zeros too
    point = torch.tensor([[0.0, -0.0, 1.0, -1.0]])
    method = InputAttribution(
        nn.Identity(),
        qoi=LambdaQoI(lambda y: (y * torch.copysign(torch.ones_like(y), y.detach())).sum(1)),
        doi=Kept(point),
        multiply_activation=False,
    )
    assert method.attributions(torch.ones(1, 4)).tolist() == [[1, -1, 1, -1]]


class Tagged(torch.Tensor):
    """A kind of tensor of the caller's."""


def test_other_kinds_of_tensors_are_copied():
    model = First(lambda x: x.mul_(3))
    given = X.clone().as_subclass(Tagged)
    found = IntegratedGradients(model, resolution=5, qoi=0).attributions(given)
    expected = IntegratedGradients(model, resolution=5, qoi=0).attributions(X)
    assert relative_error(torch.Tensor(found), expected) <= 1e-10
    assert torch.equal(torch.Tensor(given), X)


def test_a_tap_over_values_takes_no_memory():
    z, leaves = X.clone(), []

    def run(tap):
        (new,) = tap.over([z])
        assert new.data_ptr() == z.data_ptr()
        assert not new.is_leaf
        assert not new._is_view()
        leaves.extend(tap.leaves)
        return [new.mul_(3).sum(1)]

    got = BACKEND.differentiate(run)
    assert torch.equal(got.gradients[0][0], torch.full_like(X, 3))
    assert got.activations[0].shape == X.shape
    assert leaves[0].untyped_storage().nbytes() == X.element_size()

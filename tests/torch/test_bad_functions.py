"""Quantities, distributions and interventions that are wrong, and numbers that are none."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    Cut,
    DoI,
    DoiError,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    InterventionError,
    NotConnectedError,
    Points,
    QoI,
    QoiCutSupportError,
    QoiError,
    TrulensWarning,
    get_model_wrapper,
)

TRACES = runpy.run_path(str(Path(__file__).with_name("traces.py")))  # tests are no package
says, cases = TRACES["says"], TRACES["cases"]
X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
T = torch.tensor(X)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.act, self.b = nn.Linear(4, 6), nn.Dropout(), nn.Linear(6, 3)
        self.beside = nn.Linear(4, 3)

    def forward(self, x, more=None):
        self.beside(x)
        return self.b(self.act(self.a(x)))


@pytest.fixture
def model():
    torch.manual_seed(0)
    net = Net()
    net(T).sum().backward()
    x, t = X.copy(), T.clone()
    yield net
    assert np.array_equal(X, x)
    assert torch.equal(T, t)


# -- quantities ----------------------------------------------------------------------------------


def quantity(function, target=None):
    return lambda m: InputAttribution(m, target, function).attributions(X)


class PerRecord(QoI):
    arrays = ("weights",)

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, y):
        return y[:, 0] * self.weights


QUANTITIES = {
    "one number": (
        quantity(lambda y: y.sum()),
        QoiError,
        r"shape \(\), expected .*\(3,\)",
    ),
    "too few": (quantity(lambda y: y[:1, 0]), QoiError, r"shape \(1,\).*one number per row"),
    "a map": (quantity(lambda y: y[:, :, None]), QoiError, r"shape \(3, 3, 1\).*\(rows, k\)"),
    "nothing": (quantity(lambda y: None), QoiError, "returned NoneType"),
    "an array": (quantity(lambda y: y.detach().numpy()[:, 0]), QoiError, r"ndarray, not a torch"),
    "a number": (quantity(lambda y: 1.0), QoiError, "returned float"),
    "no columns": (quantity(lambda y: y[:, :0]), QoiError, "no quantities at all"),
    "an empty list": (quantity(lambda y: []), QoiError, "empty list"),
    "a bad member": (quantity(lambda y: [y[:, 0], y]), QoiError, r"shape \(3, 3\)"),
    "a class": (quantity(lambda y: y.argmax(1)), QoiError, r"torch.int64.*argmax"),
    "a comparison": (quantity(lambda y: y[:, 0] > 0), QoiError, "torch.bool"),
    "a constant": (quantity(lambda y: y.new_ones(len(y))), NotConnectedError, "ignore the value"),
    "detached": (quantity(lambda y: y.detach()[:, 0]), NotConnectedError, "detach"),
    "a class too many": (
        quantity(ClassQoI(3)),
        IndexError,
        r"class 3 .*are 3 \(class 0 to 2\)",
    ),
    "a class too few": (quantity(ClassQoI(-4)), IndexError, "class -4"),
    "a class in a tensor": (quantity(ClassQoI(torch.tensor([0, 9, 1]))), IndexError, "class 9"),
    "a pair of classes": (quantity((0, 5)), IndexError, "class 5"),
    "a channel": (quantity(7, "a"), IndexError, r"unit 7 .* there are 6"),
    "classes of others": (quantity(ClassQoI([0, 1])), QoiError, "2 values.*3 records"),
    "weights of others": (quantity(PerRecord(torch.ones(4))), QoiError, "4 values.*3 records"),
    "an axis": (
        quantity("max", Cut("a", accessor=lambda v: v[:, 0])),
        QoiCutSupportError,
        r"shape \(3,\): one number per record, which BinaryQoI or RegressionQoI explains",
    ),
    "two tensors": (quantity("max", Cut(["a", "b"])), QoiCutSupportError, "holds 2"),
}


@cases(QUANTITIES)
def test_quantities(model, call, error, message):
    says(model, call, error, message)


@pytest.mark.parametrize("cl", [torch.tensor([0.0, 1.0]), torch.tensor([True]), "1", 2**31, []])
def test_classes_that_are_no_indices(cl):
    with pytest.raises(ValueError, match="ClassQoI needs an int, or one per record"):
        ClassQoI(cl)


# -- distributions -------------------------------------------------------------------------------


def points(function, cut=None):
    class Given(DoI):
        def __call__(self, z):
            return function(z)

    return lambda m: InternalInfluence(m, (cut, None), 0, Given(cut)).attributions(X)


def baseline(value):
    return lambda m: IntegratedGradients(m, value, resolution=3).attributions(X)


DISTRIBUTIONS = {
    "no points": (points(lambda z: []), DoiError, "0.* points"),
    "of another shape": (points(lambda z: [z[:, :2]]), DoiError, r"shape \(3, 2\).*shape \(3, 4\)"),
    "of other records": (points(lambda z: [z[:2]]), DoiError, r"shape \(2, 4\)"),
    "a tensor": (points(lambda z: z), DoiError, r"shape \(4,\)"),
    "texts": (points(lambda z: ["a"]), DoiError, "type str"),
    "weights": (points(lambda z: Points([z, z], [1.0])), DoiError, "2 points and 1 weights"),
    "one list for two": (
        points(lambda z: [z[0]], Cut(["a", "beside"])),
        DoiError,
        "holds 2 tensors",
    ),
    "baseline": (baseline(np.zeros(3)), DoiError, r"baseline has shape \(3,\).*shape \(3, 4\)"),
    "baseline of others": (baseline(np.zeros((2, 4))), DoiError, r"shape \(2, 4\)"),
    "baseline of text": (baseline("mean"), DoiError, "baseline is str"),
    "a function of text": (baseline(lambda z: "mean"), DoiError, "baseline is str"),
}


@cases(DISTRIBUTIONS)
def test_distributions(model, call, error, message):
    says(model, call, error, message)


# -- interventions -------------------------------------------------------------------------------


def placed(value, cut="a", **more):
    return lambda m: get_model_wrapper(m).fprop(X, doi_cut=cut, intervention=value, **more)


INTERVENTIONS = {
    "no value": (placed(None), InterventionError, r"doi_cut is Cut\('a'\).*no intervention"),
    "shape": (placed(np.zeros((3, 5))), InterventionError, r"\(3, 5\).*activation.*\(3, 6\)"),
    "rank": (placed(np.zeros((3, 6, 1))), InterventionError, r"\(3, 6, 1\).*\(3, 6\)"),
    "that would broadcast": (placed(np.zeros((3, 1))), InterventionError, r"\(3, 1\).*\(3, 6\)"),
    "rows": (placed(np.zeros((4, 6))), InterventionError, r"4 rows.*not a multiple.*3 records"),
    "no rows": (placed(np.zeros((0, 6))), InterventionError, "0 rows"),
    "two for one": (placed([np.zeros((3, 6))] * 2), InterventionError, r"1 tensor\(s\), but 2"),
    "one for two": (placed(np.zeros((3, 6)), Cut(["a", "b"])), InterventionError, "holds 2.*but 1"),
    "text": (placed("zeros"), InterventionError, r"value given for Cut\('a'\) is a builtins.str"),
    "rows of the input": (placed(X[:2], None), InterventionError, r"2 rows.*3 records"),
}


@cases(INTERVENTIONS)
def test_interventions(model, call, error, message):
    says(model, call, error, message)


# -- numbers that are none -----------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_gradients_that_are_not_finite_are_warned_of_once(model, value):
    x = T.clone()
    x[1, 2] = value
    method = InternalInfluence(model, ("a", None), lambda y: y[:, 0] ** 2, "point")
    before = TRACES["of"](model)
    with pytest.warns(
        TrulensWarning, match=r"at Cut\('a'\) are not finite for the records 1;"
    ) as w:
        found = method.attributions(x)
    assert len(w) == 1
    assert found[0].isfinite().all()
    assert found[2].isfinite().all()
    assert TRACES["of"](model) == before


def test_a_root_at_zero():
    model = nn.Identity()
    with pytest.warns(TrulensWarning, match=r"records 0, 1, 2; .*a root or a logarithm at 0"):
        InputAttribution(model, qoi=lambda y: y.sum(1).sqrt()).attributions(np.zeros((3, 4)))

"""What a subclass of a standard part says is what counts, against plain autograd."""

import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    ComparativeQoI,
    DoI,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalChannelQoI,
    InternalInfluence,
    LinearDoi,
    MaxClassQoI,
    PointDoi,
    Points,
    PredictedClassQoI,
    ThresholdQoI,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

torch.manual_seed(0)
MODEL = nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, 4)).double()
WRAPPER = get_model_wrapper(MODEL)
X = torch.randn(3, 5, dtype=torch.float64)


def gradient(quantity, z):
    z = z.detach().clone().requires_grad_()
    (g,) = torch.autograd.grad(quantity(MODEL(z)).sum(), z)
    return g


def first(y):
    return y[:, 0] ** 2


def mean(points, quantity=first):
    return sum(gradient(quantity, p) for p in points) / len(points)


def agree(found, expected):
    assert expected.abs().max() > 1e-3
    assert relative_error(found, expected) <= 1e-10


# -- distributions -------------------------------------------------------------------------------


class OtherPoints(PointDoi):
    def __call__(self, z):
        return [z - 0.1, z + 0.2]


class HalfLine(LinearDoi):
    def __call__(self, z, *, model_inputs=None):
        return [0.5 * (z + p) for p in super().__call__(z, model_inputs=model_inputs)]


class Squares(LinearDoi):
    """Points that follow no line, as many as they like."""

    def __call__(self, z):
        return [z * a**2 for a in (0.2, 0.6, 1.0)]


class Sharper(GaussianDoi):
    def __call__(self, z):
        return [z + (p - z) / 10 for p in super().__call__(z)]


class OfTheInputs(PointDoi):
    """Points that are no function of the value."""

    def __call__(self, z, *, model_inputs):
        return [0.5 * model_inputs.args[0]]


class Inherited(HalfLine):
    """What a subclass inherits from one that has its own call is that call."""


class Mixed:
    def __call__(self, z):
        return [2 * z]


class FromTheSide(Mixed, LinearDoi):
    """A call that comes from beside the standard one."""


LINE = [a * X for a in (1.0, 0.5, 0.0)]
HALF = [0.5 * (X + p) for p in LINE]
NOISE = GaussianDoi(0.3, 4, seed=3)(X)


@pytest.mark.parametrize(
    ("doi", "points"),
    [
        (OtherPoints(), [X - 0.1, X + 0.2]),
        (HalfLine(resolution=3), HALF),
        (Squares(), [0.04 * X, 0.36 * X, X]),
        (Sharper(0.3, 4, seed=3), [X + (p - X) / 10 for p in NOISE]),
        (OfTheInputs(), [0.5 * X]),
        (Inherited(resolution=3), HALF),
        (FromTheSide(), [2 * X]),
    ],
    ids=lambda v: type(v).__name__,
)
@pytest.mark.parametrize("rebatch_size", [None, 2])
def test_a_distribution_with_its_own_points(doi, points, rebatch_size):
    method = InternalInfluence(
        WRAPPER, None, first, doi, False, rebatch_size=rebatch_size, return_doi=True
    )
    agree(method.attributions(X), mean(points))
    result = method.explain(X)
    agree(result.interventions, torch.stack(points))
    agree(result.quantity, first(MODEL(X)).detach())


def test_a_subclass_that_says_nothing_else_stays_as_it_is():
    class Named(LinearDoi):
        """A line by another name."""

    assert Named.points is LinearDoi.points
    agree(
        InputAttribution(WRAPPER, qoi=first, doi=Named(0.1, 7)).attributions(X),
        InputAttribution(WRAPPER, qoi=first, doi=LinearDoi(0.1, 7)).attributions(X),
    )


class MeanBaseline(LinearDoi):
    def baseline(self, z):
        return 0.5 * z + 0.25


def test_a_baseline_may_call_the_layer_that_is_cut():
    """As token baselines do; its calls are no calls of the pass, however the points are made."""
    n, expected = 8, 0
    method = IntegratedGradients(
        get_model_wrapper(MODEL), lambda _: MODEL[0](0 * X), n, qoi=first, doi_cut="0"
    )
    with torch.no_grad():
        z, base = MODEL[0](X), MODEL[0](0 * X)
    for i in range(n):
        point = (base + (i + 0.5) / n * (z - base)).requires_grad_()
        (g,) = torch.autograd.grad(first(MODEL[2](MODEL[1](point))).sum(), point)
        expected = expected + g * (z - base) / n
    for _ in range(8):  # blocks known to be right may make the points in their own pass
        agree(method.attributions(X), expected)


class PointWithBaseline(PointDoi):
    def baseline(self, z):
        return torch.full_like(z, 0.5)


class Doubled(LinearDoi):
    def baseline(self, z):
        return super().baseline(z) * 2


class OwnMultiplier(GaussianDoi):
    def get_activation_multiplier(self, activation):
        return activation**2


class PointMultiplier(PointDoi):
    def get_activation_multiplier(self, activation, *, model_inputs):
        return activation * model_inputs.args[0]


def line(baseline):
    return [(a * X + (1 - a) * baseline) for a in (1.0, 0.5, 0.0)]


@pytest.mark.parametrize(
    ("doi", "points", "multiplier"),
    [
        (MeanBaseline(resolution=3), line(0.5 * X + 0.25), 0.5 * X - 0.25),
        (Doubled(0.3, 3), line(torch.full_like(X, 0.6)), X - 0.6),
        (PointWithBaseline(), [X], X - 0.5),
        (OwnMultiplier(0.3, 4, seed=3), NOISE, X**2),
        (PointMultiplier(), [X], X**2),
        (HalfLine(0.5, 3), [0.5 * (X + p) for p in line(torch.full_like(X, 0.5))], X - 0.5),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_distribution_with_its_own_baseline_or_multiplier(doi, points, multiplier):
    found = InputAttribution(WRAPPER, qoi=first, doi=doi).attributions(X)
    agree(found, mean(points) * multiplier)


def test_a_baseline_that_is_said_is_where_completeness_ends():
    method = InputAttribution(WRAPPER, qoi=first, doi=MeanBaseline(resolution=64, rule="midpoint"))
    result = method.explain(X)
    agree(result.baseline_quantity, first(MODEL(0.5 * X + 0.25)).detach())
    assert result.residual.abs().max() < 1e-4


def test_at_an_inner_layer():
    z = MODEL[0](X).detach()

    def after(v):
        v = v.detach().clone().requires_grad_()
        (g,) = torch.autograd.grad(MODEL[2](MODEL[1](v))[:, 1].sum(), v)
        return g

    found = InternalInfluence(WRAPPER, "0", 1, OtherPoints(cut="0"), False).attributions(X)
    agree(found, (after(z - 0.1) + after(z + 0.2)) / 2)


@pytest.mark.parametrize("rule", ["trapezoid", "gauss-legendre"])
def test_weights_that_would_not_be_used_are_refused(rule):
    with pytest.raises(ValueError, match=r"rule='.*Squares has a __call__ of its own.*Points\("):
        Squares(resolution=4, rule=rule)
    assert isinstance(MeanBaseline(resolution=4, rule=rule)(X), Points)


# -- quantities ----------------------------------------------------------------------------------


class Ratio(ComparativeQoI):
    def __call__(self, y):
        return y[:, self.cl1] / (1 + y[:, self.cl2] ** 2)


class Weighted(ComparativeQoI):
    arrays = ("weights",)

    def __init__(self, cl1, cl2, weights):
        super().__init__(cl1, cl2)
        self.weights = weights

    def __call__(self, y):
        return super().__call__(y) * self.weights


class Cubed(InternalChannelQoI):
    def __call__(self, y):
        return super().__call__(y) ** 3


class SquaredMax(MaxClassQoI):
    def __call__(self, y):
        return super().__call__(y) ** 2


class SquaredClass(ClassQoI):
    def __call__(self, y):
        return super().__call__(y) ** 2


class SquaredThreshold(ThresholdQoI):
    def __call__(self, y):
        return super().__call__(y) ** 2


WEIGHTS = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
OWN = {
    "ratio": (Ratio(0, 1), lambda y: y[:, 0] / (1 + y[:, 1] ** 2)),
    "weighted": (Weighted(2, 1, WEIGHTS), lambda y: (y[:, 2] - y[:, 1]) * WEIGHTS),
    "channel": (Cubed(1), lambda y: y[:, 1] ** 3),
    "max": (SquaredMax(), lambda y: y.max(1).values ** 2),
    "class": (SquaredClass([2, 0, 1]), lambda y: y[[0, 1, 2], [2, 0, 1]] ** 2),
    "threshold": (SquaredThreshold(0.1), lambda y: ((y - 0.1).sign() * y).sum(1) ** 2),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(
    ("combine", "scale"), [(lambda q: q, 1.0), (lambda q: 2 * q - ClassQoI(3) * 0.0, 2.0)]
)
@pytest.mark.parametrize("rebatch_size", [None, 2])
def test_a_quantity_with_its_own_call(name, combine, scale, rebatch_size):
    qoi, plain = OWN[name]
    method = InputAttribution(
        WRAPPER, qoi=combine(qoi), multiply_activation=False, rebatch_size=rebatch_size
    )
    agree(method.attributions(X), scale * gradient(plain, X))


def test_what_cannot_be_refined_says_so():
    with pytest.raises(TypeError, match="PredictedClassQoI cannot be refined"):
        type("Mine", (PredictedClassQoI,), {"__call__": lambda self, y: y[:, 0]})


@pytest.mark.parametrize("labels", [[2, 0, 1], [3], [1, 2]])
def test_a_tensor_of_labels_is_a_class_per_record(labels):
    """Of one record, of as many as a pair has members, of any number."""
    x, n = X[: len(labels)], range(len(labels))
    found = InputAttribution(WRAPPER, qoi=torch.tensor(labels), multiply_activation=False)
    agree(found.attributions(x), gradient(lambda y: y[n, labels], x))


# -- methods -------------------------------------------------------------------------------------


def test_methods_are_each_other_s_kinds():
    method = IntegratedGradients(WRAPPER)
    assert isinstance(method, InputAttribution)
    assert isinstance(method, InternalInfluence)
    assert isinstance(InputAttribution(WRAPPER), InternalInfluence)
    assert not isinstance(InternalInfluence(WRAPPER, None, 1, "point"), InputAttribution)


def test_a_method_of_one_s_own():
    class Difference(IntegratedGradients):
        def __init__(self, model, a, b):
            super().__init__(model, None, 32, qoi=(a, b))

    agree(
        Difference(WRAPPER, 2, 1).attributions(X),
        IntegratedGradients(WRAPPER, resolution=32, qoi=(2, 1)).attributions(X),
    )


def test_a_distribution_of_the_caller_s_is_as_before():
    class Mine(DoI):
        def __call__(self, z):
            return [z - 0.1, z + 0.2]

    found = InputAttribution(WRAPPER, qoi=first, doi=Mine(), multiply_activation=False)
    agree(found.attributions(X), mean([X - 0.1, X + 0.2]))

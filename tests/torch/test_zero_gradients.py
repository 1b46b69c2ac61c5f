"""Gradients that are zero everywhere are said: attributions of zeros look like an answer."""

import pytest
import torch
from torch import nn

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    TrulensWarning,
)
from trulens_core.testing import relative_error

torch.manual_seed(0)
X = torch.randn(3, 4)


def net(*layers, dtype=torch.float32):
    return nn.Sequential(nn.Linear(4, 3), *layers).to(dtype)


class Scaled(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


MODELS = {
    "a saturated softmax": (net(Scaled(1e6), nn.Softmax(1)), X, 0),
    "a saturated sigmoid": (net(Scaled(1e6), nn.Sigmoid()), X, 1),
    "float16 that underflows": (net(Scaled(1e-6), Scaled(1e-6), dtype=torch.float16), X.half(), 0),
    "dead units": (net(nn.ReLU(), Scaled(-1), nn.ReLU()), X, 2),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rebatch_size", [None, 2])
def test_zeros_are_said(name, rebatch_size):
    model, x, qoi = MODELS[name]
    z = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(z)[:, qoi].sum(), z)
    assert not expected.any()  # so it is the model's, not ours
    for doi in ("point", "linear"):
        method = InputAttribution(model, qoi=qoi, doi=doi, rebatch_size=rebatch_size)
        with pytest.warns(TrulensWarning, match="zero everywhere") as found:
            assert not method.attributions(x).any()
        assert len(found) == 1


def test_some_zeros_are_the_model_s():
    """A record whose units are all off among others, and gradients too small for a sum."""
    model = net(nn.ReLU())
    with torch.no_grad():
        model[0].bias.fill_(-1.0)
    x = torch.cat([torch.zeros(1, 4), 5 * X])
    found = InputAttribution(model, qoi=lambda y: y.sum(1), multiply_activation=False)
    found = found.attributions(x)
    assert not found[0].any()
    assert found[1:].any()
    tiny = net(Scaled(1e-20), Scaled(1e-20))
    assert IntegratedGradients(tiny, qoi=0).attributions(X).any()


def test_what_is_not_finite_is_said_instead():
    model = net(Scaled(float("nan")))
    with pytest.warns(TrulensWarning, match="not finite") as found:
        InternalInfluence(model, None, 0, "point").attributions(X)
    assert len(found) == 1


class Centred(nn.Module):
    """Rows less their mean: they see one another, and a single one has no gradient."""

    def forward(self, x):
        return x - x.mean(0, keepdim=True)


@pytest.mark.parametrize("cut", [None, "0"])
def test_zeros_alone_are_compared_with_the_block(cut):
    model = nn.Sequential(nn.Linear(4, 3), Centred(), nn.Linear(3, 2)).double()
    qoi = lambda y: (y * y).sum(1)
    doi = LinearDoi(0.5, 6, cut=cut, rule="midpoint")
    method = InternalInfluence(model, cut, qoi, doi)
    with pytest.warns(TrulensWarning) as said:
        assert not method.attributions(X[:1].double()).any()
    assert any("rows see one another" in str(w.message) for w in said)


@pytest.mark.parametrize("cut", [None, "0"])
@pytest.mark.parametrize("points", [3, 7])
def test_the_middle_of_a_line_does_not_speak_for_it(cut, points):
    """The mean of a block's rows is that of its middle point, which is as it is alone."""
    model = nn.Sequential(nn.Linear(4, 3), Centred(), nn.Linear(3, 2)).double()
    x = X.double()
    doi = LinearDoi(0.5, points, cut=cut, rule="midpoint")
    method = InternalInfluence(model, "2", lambda y: y[:, 0] ** 2, doi, statistic="path")
    with pytest.warns(TrulensWarning, match="rows see one another"):
        found = method.attributions(x)
    z, after = (x, model) if cut is None else (model[0](x), model[1:])
    places = torch.linspace(1, 0, 2 * points + 1, dtype=torch.float64)
    at = [after(a * z + (1 - a) * 0.5) for a in places]
    steps = [2 * at[i][:, 0] * (at[i - 1] - at[i + 1])[:, 0] for i in range(1, 2 * points, 2)]
    assert relative_error(found[:, 0], sum(steps).detach()) <= 1e-10

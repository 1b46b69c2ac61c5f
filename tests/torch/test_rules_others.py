"""Rules beside Captum, zennit and shap, and by hand where Captum is wrong."""

import json
import runpy
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from trulens_core import LRP, Deconvolution, DeepLIFT, DeepSHAP, GuidedBackprop
from trulens_core.rules import (
    AlphaBeta,
    Box,
    Epsilon,
    Flat,
    Gamma,
    Gradient,
    Identity,
    RuleSet,
    WSquare,
    ZPlus,
    composites,
)
from trulens_core.testing import relative_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum imports what is deprecated
    from captum import attr
    from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule

FIGURES = Path(__file__).with_name("figures")
ZENNIT = runpy.run_path(str(FIGURES / "make_zennit_rules.py"))
EXACT = 1e-12


@pytest.fixture(scope="module")
def cnn():
    return ZENNIT["network"]()


@pytest.fixture(scope="module")
def x():
    return ZENNIT["images"]()


def captum(method, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of hooks that it sets
        return method(*args, **kwargs).detach()


# -- zennit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ZENNIT["NAMES"])
def test_composites_are_those_of_zennit(name, cnn, x):
    stored = json.loads((FIGURES / "zennit_rules.json").read_text())[name]
    bounds = {"low": ZENNIT["LOW"], "high": ZENNIT["HIGH"]} if name == "epsilon_gamma_box" else {}
    found = LRP(cnn, name, qoi=1, **bounds).attributions(x)
    assert relative_error(found.numpy(), torch.tensor(stored, dtype=x.dtype).numpy()) < EXACT


# -- Captum ---------------------------------------------------------------------------------------


def test_guided_and_deconvolution_are_those_of_captum(cnn, x):
    for ours, theirs in (
        (GuidedBackprop, attr.GuidedBackprop),
        (Deconvolution, attr.Deconvolution),
    ):
        expected = captum(theirs(cnn).attribute, x.clone(), target=1)
        assert torch.equal(ours(cnn, qoi=1).attributions(x), expected)


@pytest.mark.parametrize(
    ("rule", "theirs"), [(Epsilon(1e-9), EpsilonRule), (AlphaBeta(1, 0, 1e-9), Alpha1_Beta0_Rule)]
)
def test_lrp_is_that_of_captum(rule, theirs):
    """On layers and values that it serves: positive inputs, in its α-β."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)).double()
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.rule = theirs()
    x = torch.rand(4, 5, dtype=torch.float64)
    if theirs is Alpha1_Beta0_Rule:  # it changes biases and weights alike
        for layer in model[::2]:
            nn.init.zeros_(layer.bias)
    expected = captum(attr.LRP(model).attribute, x.clone(), target=0)
    rules = RuleSet([("linear", rule), ("relu", Identity())])
    assert (
        relative_error(LRP(model, rules, qoi=0).attributions(x).numpy(), expected.numpy()) < EXACT
    )


class Shortcut(nn.Module):
    """A way around a layer, added in place by a function. No biases: relevance is conserved."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(6, n, bias=False) for n in (6, 6, 2))
        self.first, self.second = nn.ReLU(), nn.ReLU()

    def forward(self, x):
        h = self.first(self.a(x))
        y = self.b(h)
        y += h
        return self.c(self.second(y))


def test_a_sum_in_place_conserves_where_captum_does_not():
    torch.manual_seed(3)
    model, x = Shortcut().double(), torch.randn(8, 6, dtype=torch.float64)
    q = model(x)[:, 0].detach()
    assert (q.abs() > 1e-3).all()
    ours = LRP(model, composites.epsilon(1e-12), qoi=0).attributions(x).sum(1) / q
    theirs = captum(attr.LRP(model).attribute, x.clone(), target=0).sum(1) / q
    assert torch.allclose(ours, torch.ones_like(q), atol=1e-8)
    assert (theirs - 1).abs().max() > 0.1


TINY = 1e-12
CONSERVING = {
    "epsilon": (Epsilon(TINY), None),
    "z+": (ZPlus(TINY), None),
    "gamma": (Gamma(0.25, TINY), None),
    "flat": (ZPlus(TINY), Flat(TINY)),
    "w²": (ZPlus(TINY), WSquare(TINY)),
    "box": (Gamma(0.25, TINY), Box(-2.0, 2.0, TINY)),
}


@pytest.mark.parametrize("case", CONSERVING)
def test_without_biases_relevance_is_conserved_to_rounding(case, x):
    rule, first = CONSERVING[case]
    model = ZENNIT["network"]()
    for layer in model:
        if getattr(layer, "bias", None) is not None:
            nn.init.zeros_(layer.bias)
    rules = [("conv|linear", rule), ("relu", Identity()), ("avg_pool", Epsilon(TINY))]
    pair = [] if first is None else [("conv", first)]
    found = LRP(model, RuleSet([*rules, ("max_pool", Gradient())], first=pair), qoi=1).explain(x)
    total = found.attributions.sum((1, 2, 3))
    assert ((total - found.quantity).abs() < 1e-9 * found.quantity.abs()).all()
    assert found.residual is None  # with biases it would not be an error's measure


class Pooled(nn.Module):
    """Convolution, activation, pooling, linear layer."""

    def __init__(self, activation, pool, apart=False):
        super().__init__()
        self.conv, self.activation, self.pool = nn.Conv1d(1, 2, 3, padding=1), activation, pool
        self.head, self.apart = nn.Linear(8, 2), apart

    def forward(self, x):
        h = self.activation(self.conv(x))
        if self.apart:
            h = h * 1.0
        return self.head(self.pool(h).flatten(1))


def lifted(model, x, b, target=0):
    found = DeepLIFT(model, b, qoi=target).explain(x)
    assert found.residual.abs().max() < EXACT
    return found.attributions, captum(attr.DeepLift(model).attribute, x.clone(), b.clone(), target)


@pytest.mark.parametrize(
    ("activation", "pool"),
    [
        (nn.ReLU(), nn.AvgPool1d(2)),
        (nn.Tanh(), nn.AvgPool1d(2)),
        (nn.Sigmoid(), nn.AvgPool1d(2)),
        (nn.Softplus(), nn.AvgPool1d(2)),
        (nn.Identity(), nn.MaxPool1d(2)),
    ],
)
def test_deeplift_is_that_of_captum(activation, pool):
    torch.manual_seed(1)
    model = Pooled(activation, pool).double()
    x, b = torch.randn(5, 1, 8).double(), torch.randn(1, 1, 8).double().expand(5, 1, 8).contiguous()
    ours, theirs = lifted(model, x, b)
    assert relative_error(ours.numpy(), theirs.numpy()) < EXACT


class Smallest(nn.Module):
    """max(relu(x₁), relu(x₂)), the two as modules, one after the other or not."""

    def __init__(self, apart):
        super().__init__()
        self.relu, self.pool, self.apart = nn.ReLU(), nn.MaxPool1d(2), apart

    def forward(self, x):
        h = self.relu(x)
        return self.pool(h * 1.0 if self.apart else h).flatten(1)


@pytest.mark.parametrize("apart", [True, False])
def test_relu_and_max_pool_by_hand(apart):
    """x = (3, 1) and b = (1, 2): y = 3, y₀ = 2, and relu is the identity at both.

    m = max(y, y₀) = 3. The winner at x, the first, gets (m − y₀) / (x₁ − b₁) = 1/2, that at b, the
    second, (y − m) / (x₂ − b₂) = 0; times x − b, (1, 0), which adds up to y − y₀ = 1. Captum says
    (2, 0): the hook that replaces what arrives at a ReLU's output is registered after the one that
    reads it there, so where a pooling follows at once the ReLU's rule is given the pooling's
    derivative, and its rule is lost. With anything between them it agrees.
    """
    model = Smallest(apart).double()
    x, b = torch.tensor([[[3.0, 1.0]]]).double(), torch.tensor([[[1.0, 2.0]]]).double()
    ours, theirs = lifted(model, x, b)
    assert ours.flatten().tolist() == [1.0, 0.0]
    assert theirs.flatten().tolist() == ([1.0, 0.0] if apart else [2.0, 0.0])


def test_relu_and_max_pool_agree_with_captum_where_its_hooks_do():
    torch.manual_seed(2)
    x, b = torch.randn(5, 1, 8).double(), torch.randn(5, 1, 8).double()
    model = Pooled(nn.ReLU(), nn.MaxPool1d(2)).double()
    ours, theirs = lifted(model, x, b)
    assert relative_error(theirs.numpy(), ours.numpy()) > 0.01
    model.apart = True
    again, theirs = lifted(model, x, b)
    assert relative_error(again.numpy(), ours.numpy()) < EXACT
    assert relative_error(theirs.numpy(), ours.numpy()) < EXACT


# -- shap -----------------------------------------------------------------------------------------


class Functional(nn.Module):
    """Hooks see none of its activations."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 7), nn.Linear(7, 2)

    def forward(self, x):
        return self.b(functional.relu(self.a(x)))


@pytest.mark.parametrize("images", [False, True])
def test_deepshap_is_that_of_shap(images):
    shap = pytest.importorskip("shap")
    torch.manual_seed(5)
    if images:  # its rule for max pooling is another
        parts = nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()
        model, shape = nn.Sequential(*parts, nn.Linear(8, 2)), (1, 4, 4)
    else:
        model, shape = nn.Sequential(nn.Linear(5, 7), nn.Sigmoid(), nn.Linear(7, 2)), (5,)
    model = model.double()
    data, x = torch.randn(6, *shape).double(), torch.randn(3, *shape).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of hooks that it sets
        expected = shap.DeepExplainer(model, data).shap_values(x, check_additivity=False)[..., 0]
    found = DeepSHAP(model, data, qoi=0).attributions(x).numpy()
    assert relative_error(found, expected) < 1e-6


def test_deepshap_is_the_mean_of_deeplift():
    torch.manual_seed(6)
    model = Functional().double()
    data, x = torch.randn(4, 5).double(), torch.randn(3, 5).double()
    each = [DeepLIFT(model, b[None], qoi=0).attributions(x) for b in data]
    found = DeepSHAP(model, data, qoi=0).explain(x)
    assert torch.allclose(found.attributions, torch.stack(each).mean(0), atol=1e-14)
    assert found.residual.abs().max() < EXACT


def test_all_gradients_are_the_gradient(cnn, x):
    found = LRP(cnn, RuleSet([("*", Gradient())]), qoi=1).attributions(x)
    z = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(cnn(z)[:, 1].sum(), z)
    assert relative_error(found.numpy(), (expected * x).numpy()) < 1e-15

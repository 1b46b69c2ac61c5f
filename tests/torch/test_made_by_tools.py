"""Models as other tools make them: adapters, few bits, exported programs."""

import copy
import warnings

import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    IntegratedGradients,
    InternalInfluence,
    LayerNotReachedError,
    LinearDoi,
    NotConnectedError,
    TrulensWarning,
    UnsupportedModelError,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

torch.manual_seed(0)
BASE = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double().eval()
X = torch.randn(3, 4, dtype=torch.float64)


class LoRA(nn.Module):
    """A layer whose weights are frozen, with two small ones beside it that are trained."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.down = nn.Linear(layer.in_features, 2, bias=False).double()
        self.up = nn.Linear(2, layer.out_features, bias=False).double()

    def forward(self, x):
        return self.layer(x) + self.up(self.down(x))


class Int8(nn.Module):
    """Weights of 8 bits with a scale for each unit."""

    def __init__(self, layer):
        super().__init__()
        scale = layer.weight.abs().amax(1, keepdim=True) / 127
        self.register_buffer("bits", (layer.weight / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", layer.bias.detach())

    def forward(self, x):
        return nn.functional.linear(x, self.bits.to(x.dtype) * self.scale, self.bias)


class Int8Activations(Int8):
    """What comes in is of 8 bits, too."""

    def forward(self, x):
        return super().forward((x * 50).to(torch.int8).to(x.dtype) / 50)


def made_of(layer):
    """The network with another layer in place of its first."""
    net = copy.deepcopy(BASE)
    net[0] = layer(net[0])
    return net


def by_hand(net, x, points=6):
    total = torch.zeros_like(x)
    for i in range(points):
        p = ((i + 0.5) / points * x).requires_grad_()
        total += torch.autograd.grad(net(p)[:, 1].sum(), p)[0] / points
    return total * x


def explained(net, x=X):
    return IntegratedGradients(net, qoi=1, resolution=6).attributions(x)


@pytest.mark.parametrize("layer", [LoRA, Int8])
def test_adapters_and_few_bits(layer):
    net = made_of(layer)
    assert relative_error(explained(net).numpy(), by_hand(net, X).numpy()) < 1e-12
    cut = Cut("0")
    doi = LinearDoi(resolution=50, cut=cut, rule="gauss-legendre")
    result = InternalInfluence(net, cut, 1, doi).explain(X)
    assert abs(result.residual).max() < 1e-9


def test_adapters_alone_are_trained_by_attributions():
    net = made_of(LoRA)
    method = IntegratedGradients(net, qoi=1, resolution=3)
    method.attributions(X, differentiable=True).square().sum().backward()
    trained = {n for n, p in net.named_parameters() if p.grad is not None and p.grad.any()}
    assert {"0.down.weight", "0.up.weight"} <= trained
    assert not any(n.startswith("0.layer") for n in trained)


def test_activations_of_few_bits_have_no_gradient():
    with pytest.raises(NotConnectedError, match="quantised"):
        explained(made_of(Int8Activations))


@pytest.fixture(scope="module")
def exported():
    rows = torch.export.Dim("rows", min=1, max=64)
    return torch.export.export(BASE, (X,), dynamic_shapes=({0: rows},))


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch's own, of unflatten
def test_exported_programs(exported):
    expected = by_hand(BASE, X).numpy()
    assert relative_error(explained(exported.module()).numpy(), expected) < 1e-12
    layered = torch.export.unflatten(exported)
    cut = Cut("0")
    found, of_base = (
        InternalInfluence(m, cut, 1, LinearDoi(resolution=4, cut=cut)).attributions(X)
        for m in (layered, BASE)
    )
    assert relative_error(found.numpy(), of_base.numpy()) < 1e-12


def test_exported_programs_say_what_they_are(exported):
    with pytest.raises(UnsupportedModelError, match=r"program\.module\(\)"):
        get_model_wrapper(exported)
    method = InternalInfluence(exported.module(), Cut("0"), 1, "point")
    with pytest.raises(LayerNotReachedError, match=r"torch\.export\.unflatten"):
        method.attributions(X)


def test_a_program_of_so_many_rows():
    """One that was exported for three records takes three at a time: as many passes as points."""
    fixed = torch.export.export(BASE, (X,)).module()
    with pytest.warns(TrulensWarning, match="takes the rows of these records and no more"):
        found = explained(fixed)
    assert relative_error(found.numpy(), by_hand(BASE, X).numpy()) < 1e-12


def test_graphs_of_modules():
    traced = torch.fx.symbolic_trace(BASE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert relative_error(explained(traced).numpy(), by_hand(BASE, X).numpy()) < 1e-12

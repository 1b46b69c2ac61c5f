"""captum agrees on the gradient family: conductance, noise, expected gradients, maps.

It is given the same points: its own draws are replaced, and of its rules of quadrature the one
whose nodes it does not round to float32.
"""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    Conductance,
    DataDoi,
    ExpectedGradients,
    GaussianDoi,
    GradCAM,
    InternalInfluence,
    LinearDoi,
    NeuronConductance,
    SmoothGrad,
)
from trulens_core.testing import relative_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum imports what is deprecated
    from captum import attr

POINTS = 16
SEED = 3


class Shortcut(nn.Module):
    """Convolutions with a way around the second."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Conv2d(i, 4, 3, padding=1) for i in (2, 4))
        self.act, self.pool, self.head = nn.Tanh(), nn.AvgPool2d(2), nn.Linear(36, 3)

    def forward(self, x):
        z = self.act(self.first(x))
        return self.head(self.pool(z + self.act(self.second(z))).flatten(1))


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        return Shortcut().double().eval()


@pytest.fixture(scope="module")
def x():
    return torch.from_numpy(np.random.default_rng(SEED).standard_normal((3, 2, 6, 6)))


@pytest.mark.parametrize("layer", ["first", "second", "pool"])
def test_conductance(model, x, layer):
    """At its points: each part's gradient is taken at its far end, and the ends are i / n."""
    theirs = attr.LayerConductance(model, model.get_submodule(layer)).attribute(
        x, 0.25, target=1, n_steps=POINTS, method="riemann_trapezoid"
    )
    far = tuple(i / POINTS for i in range(POINTS))[::-1]
    doi = LinearDoi(0.25, POINTS).at(far, (1 / POINTS,) * POINTS)
    ours = InternalInfluence(model, layer, ClassQoI(1), doi, statistic="path").attributions(x)
    assert relative_error(ours, theirs.detach()) <= 1e-9


def test_conductance_by_midpoints_has_the_same_limit(model, x):
    """captum's rule has an error of 1/n, ours of 1/n²."""
    layer = model.get_submodule("pool")
    theirs = attr.LayerConductance(model, layer).attribute(
        x, target=1, n_steps=4000, method="riemann_trapezoid", internal_batch_size=600
    )
    ours = Conductance(model, "pool", qoi=ClassQoI(1), resolution=100).attributions(x)
    assert relative_error(ours, theirs.detach()) <= 2e-3


@pytest.mark.parametrize(("layer", "neuron"), [("first", (1, 2, 3)), ("second", (0, 5, 0))])
def test_neuron_conductance(model, x, layer, neuron):
    """Of units that something goes around, too."""
    theirs = attr.NeuronConductance(model, model.get_submodule(layer)).attribute(
        x, neuron, 0.25, target=2, n_steps=POINTS, method="riemann_middle"
    )
    ours = NeuronConductance(
        model, layer, neuron, baseline=0.25, resolution=POINTS, qoi=ClassQoI(2)
    )
    assert relative_error(ours.attributions(x), theirs.detach()) <= 1e-9


@pytest.mark.parametrize(
    ("statistic", "kind"),
    [("mean", "smoothgrad"), ("second_moment", "smoothgrad_sq"), ("variance", "vargrad")],
)
def test_noise(model, x, statistic, kind, monkeypatch):
    noise = torch.stack(list(GaussianDoi(0.04, 7, seed=SEED)(torch.zeros_like(x[:1]))))
    equal = noise.repeat(len(x), 1, 1, 1, 1).flatten(0, 1)  # captum has each record's together
    monkeypatch.setattr(torch, "normal", lambda mean, std: equal)
    tunnel = attr.NoiseTunnel(attr.Saliency(model))
    theirs = tunnel.attribute(x, nt_type=kind, nt_samples=7, stdevs=0.2, target=1, abs=False)
    ours = SmoothGrad(
        model, var=0.04, resolution=7, seed=SEED, statistic=statistic, qoi=ClassQoI(1)
    )
    assert relative_error(ours.attributions(x), theirs.detach()) <= 1e-10


def test_expected_gradients(model, x, monkeypatch):
    data, one = torch.randn(20, 2, 6, 6, dtype=torch.float64), x[:1]
    rows, alphas = DataDoi(data, 11, seed=SEED)._source.draws(SEED, 11)
    monkeypatch.setattr(np.random, "choice", lambda n, size: rows)
    monkeypatch.setattr(np.random, "uniform", lambda *a: alphas)
    theirs = attr.GradientShap(model).attribute(one, data, n_samples=11, stdevs=0.0, target=1)
    ours = ExpectedGradients(model, data, 11, seed=SEED, qoi=ClassQoI(1)).attributions(one)
    assert relative_error(ours, theirs.detach()) <= 1e-10


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("layer", ["first", "pool"])
def test_class_activation_maps(model, x, layer, relu):
    theirs = attr.LayerGradCam(model, model.get_submodule(layer)).attribute(
        x, target=1, relu_attributions=relu
    )
    ours = GradCAM(model, layer, relu=relu, qoi=ClassQoI(1))
    assert relative_error(ours.attributions(x), theirs.detach()) <= 1e-10
    whole = ours.explain(x).upsampled(x).attributions
    theirs = attr.LayerAttribution.interpolate(theirs, (6, 6), "bilinear")
    assert relative_error(whole, theirs.detach()) <= 1e-10

"""Attributions that a loss may hold: their derivatives against difference quotients."""

import copy
import warnings

import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
)
from trulens_core.attribution import (
    Conductance,
    ExpectedGradients,
    GuidedBackprop,
    NeuronConductance,
    Saliency,
    SmoothGrad,
    VarGrad,
)
from trulens_core.distributions import Blurred
from trulens_core.perturbation import Occlusion
from trulens_core.testing import relative_error

STEP, QUOTIENT = 1e-5, 1e-7
LAYER = Cut("1")

torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
NET.double().eval()
X = torch.randn(3, 4, dtype=torch.float64)
DATA = torch.randn(6, 4, dtype=torch.float64)
SEQUENCE = torch.randn(3, 5, 8, dtype=torch.float64)


def quotients(function, tensor, entries=4):
    """Central difference quotients by the first entries of a tensor."""
    flat, found = tensor.detach().view(-1), []
    for i in range(entries):
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                flat[i] += sign * STEP
                ends.append(function().item())
                flat[i] -= sign * STEP
        found.append((ends[0] - ends[1]) / (2 * STEP))
    return found


def assert_derivatives(function, tensors):
    """The gradients of a function by tensors are its difference quotients."""
    grads = torch.autograd.grad(function(), tensors)
    for tensor, grad in zip(tensors, grads, strict=True):
        expected = quotients(function, tensor)
        assert max(map(abs, expected)) > 0
        assert relative_error(grad.reshape(-1)[:4].numpy()[None], [expected]) < QUOTIENT


METHODS = {
    "saliency": lambda m: Saliency(m, qoi=0),
    "input x gradient": InputAttribution,
    "integrated gradients": lambda m: IntegratedGradients(m, qoi=0, resolution=3, rebatch_size=2),
    "of the predicted": lambda m: IntegratedGradients(m, qoi="predicted", resolution=3),
    "contracted": lambda m: IntegratedGradients(m, qoi=0, resolution=3, contract=-1),
    "at a layer": lambda m: InternalInfluence(m, LAYER, 0, LinearDoi(0.1, 3, cut=LAYER)),
    "of a layer": lambda m: InternalInfluence(m, LAYER, 0, "point"),
    "conductance": lambda m: Conductance(m, "1", qoi=0, resolution=3),
    "of a neuron": lambda m: NeuronConductance(m, "1", 2, resolution=3),
    "noise": lambda m: SmoothGrad(m, qoi=0, resolution=3),
    "variance": lambda m: VarGrad(m, qoi=0, resolution=3),
    "data": lambda m: ExpectedGradients(m, DATA, qoi=0, samples=3),
}


@pytest.mark.parametrize("name", METHODS)
def test_derivatives_by_weights_and_inputs(name):
    method, x = METHODS[name](NET), X.clone().requires_grad_()
    found = method.attributions(x, differentiable=True)
    assert relative_error(found.detach().numpy(), method.attributions(X).numpy()) < 1e-12
    assert_derivatives(
        lambda: method.attributions(x, differentiable=True).pow(3).sum(),
        [x, NET[0].weight, NET[2].weight],
    )
    assert all(p.requires_grad and p.grad is None for p in NET.parameters())


class Attention(nn.Module):
    """A layer of a transformer: kernels of attention that cannot be differentiated twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.layer(x).mean(1))


class Recurrent(nn.Module):
    """A recurrent layer, of cuDNN's kind on a GPU."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.GRU(8, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.layer(x)[0][:, -1])


CONVOLUTIONS = nn.Sequential(
    nn.Conv1d(5, 6, 3), nn.BatchNorm1d(6), nn.SiLU(inplace=True), nn.Flatten(), nn.Linear(36, 3)
)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", [Attention, Recurrent, lambda: copy.deepcopy(CONVOLUTIONS)])
def test_models_in_the_modes_that_they_are_in(kind, training):
    """Dropout and batch statistics are on while a model is trained, and leave nothing behind."""
    net = kind().double().train(training)
    method, state = IntegratedGradients(net, qoi=1, resolution=3), torch.get_rng_state()
    before = copy.deepcopy(net.state_dict())
    kernels = torch.backends.cuda.flash_sdp_enabled()

    def loss():
        torch.set_rng_state(state)
        return method.attributions(SEQUENCE, differentiable=True).square().sum()

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the model's rows see one another")
        assert_derivatives(loss, [next(net.parameters())])
    assert net.training is training
    assert kernels == torch.backends.cuda.flash_sdp_enabled()
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_attributions_are_trained():
    """A loss that forbids a feature is learned, without that the task is lost."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    x = torch.randn(64, 3, dtype=torch.float64)
    x[:, 1] = x[:, 0]  # the same twice: either will do
    labels = (x[:, 0] > 0).long()
    optimizer = torch.optim.Adam(net.parameters(), 0.03)
    method = IntegratedGradients(net, qoi=labels, resolution=4)
    for _ in range(60):
        optimizer.zero_grad()
        forbidden = method.attributions(x, differentiable=True)[:, 1].abs().mean()
        (nn.functional.cross_entropy(net(x), labels) + forbidden).backward()
        optimizer.step()
    sizes = method.attributions(x).abs().mean(0)
    assert sizes[1] < 0.1 * sizes[0]
    assert (net(x).argmax(1) == labels).double().mean() > 0.95


def test_arrays_give_tensors():
    found = IntegratedGradients(NET, qoi=1, resolution=3).attributions(
        X.numpy(), differentiable=True
    )
    assert found.requires_grad
    assert found.dtype == torch.float64


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (lambda m: Occlusion(m, size=1), "evaluates the model for masks"),
        (GuidedBackprop, "rules= do not go together"),
        (lambda m: IntegratedGradients(m, tolerance=0.01), "give resolution="),
        (lambda m: IntegratedGradients(m, Blurred(1.0)), "outside of the graph"),
    ],
)
def test_what_has_no_derivative_is_refused(method, said):
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    with pytest.raises(ValueError, match=said):
        method(net).attributions(X, differentiable=True)

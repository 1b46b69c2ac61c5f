"""What a cut, a gradient and an intervention are without the library, in float64."""

import torch
from torch import nn

from trulens_core import InternalInfluence, LinearDoi, get_model_wrapper
from trulens_core.testing import relative_error

torch.manual_seed(0)
X = torch.randn(3, 4, dtype=torch.float64)
Z = torch.randn(3, 6, dtype=torch.float64)
S = torch.randn(2, 5, 4, dtype=torch.float64)


def gradient(function, z, column=0):
    z = z.detach().clone().requires_grad_()
    (g,) = torch.autograd.grad(function(z)[:, column].sum(), z)
    return g


def influence(model, source, doi="point", to=None, x=X):
    cuts = (source, to)
    method = InternalInfluence(model, cuts, lambda y: y[:, 0], doi, multiply_activation=False)
    return method.attributions(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.act, self.b = nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)

    def after(self, z):
        return self.b(self.act(z))

    def forward(self, x):
        return self.after(self.a(x))


def agrees(model, plain=None, cut="a"):
    """The values, gradients and interventions at inner layers, against plain autograd."""
    plain = plain or model
    wrapper = get_model_wrapper(model)
    z = plain.a(X).detach()
    assert torch.equal(wrapper.fprop(X, to_cut=cut), z)
    found = influence(wrapper, cut)
    assert relative_error(found, gradient(plain.after, z)) <= 1e-10
    replaced = wrapper.fprop(X, doi_cut=cut, intervention=Z)
    assert relative_error(replaced, plain.after(Z).detach()) <= 1e-10
    line = LinearDoi(Z, 3, cut=cut, rule="midpoint")
    points = [z + (i + 0.5) / 3 * (Z - z) for i in range(3)]
    expected = sum(gradient(plain.after, p) for p in points) / 3
    assert relative_error(influence(wrapper, cut, line), expected) <= 1e-10

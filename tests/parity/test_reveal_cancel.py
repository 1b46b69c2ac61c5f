"""RevealCancel by hand, beside the paper's multipliers in NumPy, and as people write networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import enable_x64
from torch import nn
from torch.nn import functional

from trulens_core import DeepLIFT, get_model_wrapper
from trulens_core.rules import composites
from trulens_core.testing import relative_error
from trulens_core.testing.reference import ReferenceModel, register_reference
from trulens_core.testing.zoo import ZOO

register_reference()
R = np.random.default_rng(3)
EXACT = 1e-12


def lifted(model, x, b, **options):
    found = DeepLIFT(model, b, qoi=0, rules=composites.reveal_cancel(), **options).explain(x)
    assert found.coverage.complete
    assert float(np.abs(np.asarray(found.residual)).max()) < EXACT
    return np.asarray(found.attributions)


# -- the smaller of two, x₁ − relu(x₁ − x₂) -------------------------------------------------------


def minimum(x):
    return (x[:, :1] - torch.relu(x[:, :1] - x[:, 1:])).double()


class Minimum(nn.Module):
    """The same, of layers, and of what works in place."""

    def __init__(self):
        super().__init__()
        self.difference, self.out = nn.Linear(2, 1, bias=False), nn.Linear(1, 1, bias=False)
        self.difference.weight = nn.Parameter(torch.tensor([[1.0, -1.0]]))
        self.out.weight = nn.Parameter(torch.tensor([[-1.0]]))
        self.double()

    def forward(self, x):
        y = self.out(functional.relu(self.difference(x), inplace=True))
        y += x[:, :1]
        return y


class Function(nn.Module):
    def forward(self, x):
        return minimum(x)


@pytest.mark.parametrize("form", [Minimum, Function])
def test_the_smaller_of_two_is_shared_alike(form):
    """x = (10, 6) and b = 0: y = 6, Δx⁺ = 10, Δx⁻ = −6.

    Δy⁺ = ½ (10 − 0) + ½ (4 − 0) = 7 and Δy⁻ = ½ (0 − 0) + ½ (4 − 10) = −3 are what relu(x₁ − x₂)
    changes by: x₁ gets 10 − 7 = 3, x₂ gets 3. Rescale, whose ReLU is the identity there, gives x₁
    nothing and x₂ all of 6.
    """
    x = np.asarray([[10.0, 6.0], [6.0, 10.0]])
    found = lifted(form(), x, 0.0)
    np.testing.assert_allclose(found, [[3.0, 3.0], [3.0, 3.0]], atol=1e-12)
    rescaled = DeepLIFT(form(), 0.0, qoi=0).attributions(x)
    np.testing.assert_allclose(rescaled, [[0.0, 6.0], [6.0, 0.0]], atol=1e-12)


def test_both_parts_of_a_step_are_needed():
    """AND, relu(x₁ + x₂ − 1): where the two only do something together, each gets half."""

    class And(nn.Module):
        def forward(self, x):
            return torch.relu(x[:, :1] + x[:, 1:] - 1)

    found = lifted(And(), np.asarray([[1.0, 1.0]]), 0.0)
    np.testing.assert_allclose(found, [[0.5, 0.5]])


# -- an MLP, with the multipliers of the paper ----------------------------------------------------

W1, B1 = R.standard_normal((7, 5)), R.standard_normal(7)
W2, B2 = R.standard_normal((6, 7)), R.standard_normal(6)
W3, B3 = R.standard_normal((2, 6)), R.standard_normal(2)
X, B = R.standard_normal((4, 5)), R.standard_normal(5)
X[0, 0] = B[0]  # what does not change


def up(t):
    return np.maximum(t, 0)


def down(t):
    return np.minimum(t, 0)


def slope(effect, part, derivative):
    """What a part is multiplied by; the derivative where it is none."""
    return np.where(part == 0, derivative, effect / np.where(part == 0, 1, part))


def by_hand(x, b, f, derivative):
    """One record's, with m⁺ and m⁻ of each sum carried apart."""
    kept, h, h0 = [], x, b
    for w, c in ((W1, B1), (W2, B2)):
        change = h - h0
        z, z0 = w @ h + c, w @ h0 + c
        terms = w * change
        kept.append((w, change, z, z0, up(terms).sum(1), down(terms).sum(1)))
        h, h0 = f(z), f(z0)
    m = W3[0]
    for w, change, z, z0, plus, minus in kept[::-1]:
        by_plus = 0.5 * (f(z0 + plus) - f(z0)) + 0.5 * (f(z) - f(z0 + minus))
        by_minus = 0.5 * (f(z0 + minus) - f(z0)) + 0.5 * (f(z) - f(z0 + plus))
        m_plus = m * slope(by_plus, plus, derivative(z))
        m_minus = m * slope(by_minus, minus, derivative(z))
        positive, negative = up(w.T), down(w.T)
        m = np.where(
            change > 0,
            positive @ m_plus + negative @ m_minus,
            np.where(
                change < 0,
                negative @ m_plus + positive @ m_minus,
                0.5 * w.T @ (m_plus + m_minus),
            ),
        )
    return m


class Layers(nn.Module):
    def __init__(self, activation):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 7), activation, nn.Linear(7, 6), activation, nn.Linear(6, 2)
        ).double()
        with torch.no_grad():
            for p, a in zip(self.parameters(), (W1, B1, W2, B2, W3, B3), strict=True):
                p.copy_(torch.from_numpy(a))

    def forward(self, x):
        return self.layers(x)


class Written(Layers):
    """Products of matrices, shapes, a bias of its own, steps in place."""

    def forward(self, x):
        a, _, b, _, c = self.layers
        h = (x @ a.weight.T + a.bias)[:, None].reshape(len(x), 1, 7).squeeze(1)
        h.relu_()
        h = functional.linear(h, b.weight) + b.bias
        return c(functional.relu(h.clone()))


def network(p, x):
    (a, b), (c, d), (e, f) = p
    h = jax.nn.relu(x @ a.T + b)
    h = jnp.maximum(jnp.reshape(h @ c.T, (-1, 1, 6)) + d, 0)
    return h[:, 0] @ e.T + f


def test_multipliers_are_those_of_the_paper():
    cases = [(up, lambda z: z > 0, nn.ReLU()), (np.tanh, lambda z: 1 - np.tanh(z) ** 2, nn.Tanh())]
    for f, derivative, activation in cases:
        expected = np.stack([by_hand(x, B, f, derivative) for x in X])
        rules = composites.reveal_cancel()
        method = DeepLIFT(Layers(activation), B, qoi=0, multiply_activation=False, rules=rules)
        assert relative_error(method.attributions(X), expected) < EXACT
        assert relative_error(lifted(Layers(activation), X, B), expected * (X - B)) < EXACT


def test_forms_and_frameworks_are_one():
    expected = lifted(Layers(nn.ReLU(inplace=True)), X, B)
    assert relative_error(lifted(Written(nn.ReLU()), X, B), expected) < EXACT
    with enable_x64(True):
        weights = tuple((jnp.asarray(w), jnp.asarray(b)) for w, b in ((W1, B1), (W2, B2), (W3, B3)))
        wrapper = get_model_wrapper(network, backend="jax", params=weights)
        assert relative_error(lifted(wrapper, X, B), expected) < EXACT


def test_images_are_complete_where_sums_meet():
    """Convolutions, normalisation, a sum in place, pooling, two functions one after the other."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
            self.norm, self.head = nn.BatchNorm2d(3), nn.Linear(3 * 4, 2)

        def forward(self, x):
            h = torch.relu(self.norm(self.a(x)))
            y = self.b(h)
            y += h
            y = functional.avg_pool2d(torch.tanh(torch.relu_(y)), 2)
            return self.head(torch.sigmoid(-y).flatten(1))

    torch.manual_seed(0)
    model = Block().double().eval()
    with torch.no_grad():
        model.norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))  # a scale below 0 turns the parts
    x = R.standard_normal((2, 1, 4, 4))
    found = lifted(model, x, 0.2)
    assert relative_error(found, DeepLIFT(model, 0.2, qoi=0).attributions(x)) > 1e-3


def test_the_reference_and_torch_agree():
    for name in ("mlp_relu", "cnn"):
        wrapper, x = get_model_wrapper(ReferenceModel(ZOO[name])), ZOO[name].inputs(2)[0][0]
        assert np.isfinite(lifted(wrapper, x, 0.3)).all()


def test_what_is_no_number_for_one_part_alone():
    """What takes away from a sum of squares, alone, leaves the domain of a root."""
    w, v = (torch.tensor(R.standard_normal(s)) for s in ((4, 6), (6, 1)))

    def normalised(x):
        y = x @ w + 0.3
        return (y * torch.rsqrt((y * y).mean(-1, keepdim=True) + 0.1)) @ v

    model = get_model_wrapper(normalised, backend="torch")
    assert np.isfinite(lifted(model, 2 * R.standard_normal((8, 4)), 0.1)).all()

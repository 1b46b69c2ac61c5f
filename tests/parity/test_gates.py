"""LRP through the gates of an LSTM: the papers' formulas in NumPy, and two frameworks."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import enable_x64
from torch import nn

from trulens_core import LRP, UncoveredOperationError, get_model_wrapper
from trulens_core.testing import relative_error

R = np.random.default_rng(0)
STEPS, INPUTS, UNITS = 5, 3, 4
W, U = R.normal(size=(INPUTS, 4 * UNITS)), R.normal(size=(UNITS, 4 * UNITS))
V, B = R.normal(size=(UNITS, 2)), R.normal(size=4 * UNITS)
X = R.normal(size=(2, STEPS, INPUTS))
EPS = 1e-6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def stab(z):
    return z + EPS * np.where(z >= 0, 1, -1)


def by_hand(x, share, b):
    """One record's relevance for class 0: `share` is what a signal gets of a product's.

    Gates get the rest, through their sums and the linear layers before them.
    """
    h, c, kept = np.zeros(UNITS), np.zeros(UNITS), []
    for t in range(STEPS):
        own, past = x[t] @ W + b, h @ U
        i, f, g, o = np.split(own + past, 4)
        new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        kept.append((x[t], h, c, own, past, new, i, f, g))
        h, c = sigmoid(o) * np.tanh(new), new
    y = h @ V
    r_h, r_c = h * V[:, 0] * y[0] / stab(y)[0], np.zeros(UNITS)
    found = np.zeros_like(x)
    for t in reversed(range(STEPS)):
        x_t, h, c, own, past, new, i, f, g = kept[t]
        r_o, r_c = (1 - share) * r_h, r_c + share * r_h
        kept_c, added = sigmoid(f) * c, sigmoid(i) * np.tanh(g)
        r_kept, r_added = kept_c * r_c / stab(new), added * r_c / stab(new)
        # of the state at first, zeros, nothing depends on the source: there is no sum of two
        gates = (1 - share) * r_added, (1 - share) * r_kept, share * r_added, r_o
        total = own + past
        r_sum = np.concatenate(gates) / (stab(total) if t else total)
        found[t] = x_t * (W @ (own * r_sum / stab(own)))
        r_h = h * (U @ (past * r_sum / stab(past)))
        r_c = share * r_kept
    return found


def torch_model(bias):
    model = nn.Module()
    model.lstm, model.out = nn.LSTM(INPUTS, UNITS, batch_first=True, bias=bias), nn.Linear(UNITS, 2)
    model.double()
    with torch.no_grad():
        model.lstm.weight_ih_l0.copy_(torch.tensor(W.T))
        model.lstm.weight_hh_l0.copy_(torch.tensor(U.T))
        model.out.weight.copy_(torch.tensor(V.T))
        model.out.bias.zero_()
        if bias:
            model.lstm.bias_ih_l0.copy_(torch.tensor(B))
            model.lstm.bias_hh_l0.zero_()
    model.forward = lambda x: model.out(model.lstm(x)[0][:, -1])
    return model


def network(p, x):
    w, u, b, v = p
    h = c = jnp.zeros((x.shape[0], UNITS))
    for t in range(STEPS):
        i, f, g, o = jnp.split((x[:, t] @ w + b) + h @ u, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return h @ v


@pytest.mark.parametrize(("composite", "share"), [("gates_all", 1.0), ("gates_half", 0.5)])
def test_relevance_is_that_of_the_papers(composite, share):
    for bias in (False, True):
        found = LRP(torch_model(bias), composite, qoi=0).explain(X)
        expected = np.stack([by_hand(x, share, B if bias else 0.0) for x in X])
        assert relative_error(found.attributions, expected) < 1e-9
        assert found.coverage.complete
    found = LRP(torch_model(False), composite, qoi=0).explain(X)
    np.testing.assert_allclose(found.attributions.sum((1, 2)), found.quantity, rtol=1e-3)


@pytest.mark.parametrize("composite", ["gates_all", "gates_half"])
def test_another_framework_gives_the_same(composite):
    expected = LRP(torch_model(True), composite, qoi=0).attributions(X)
    with enable_x64(True):
        weights = tuple(map(jnp.asarray, (W, U, B, V)))
        wrapper = get_model_wrapper(network, backend="jax", params=weights)
        found = LRP(wrapper, composite, qoi=0).attributions(X)
    assert relative_error(found, expected) < 1e-10


GRU = runpy.run_path(str(Path(__file__).with_name("gru_by_hand.py")))


def torch_gru():
    u = GRU["UNITS"]

    def order(a):  # the gates z, r and n as torch has them: r, z, n
        z, r, n = np.split(a, 3, -1)
        return torch.tensor(np.concatenate([r, z, n], -1).T)

    model = nn.Module()
    model.gru, model.out = nn.GRU(GRU["INPUTS"], u, batch_first=True), nn.Linear(u, 2, bias=False)
    model.double()
    with torch.no_grad():
        model.gru.weight_ih_l0.copy_(order(GRU["W"]))
        model.gru.weight_hh_l0.copy_(order(GRU["U"]))
        model.gru.bias_ih_l0.copy_(order(GRU["B"]))
        model.gru.bias_hh_l0.zero_()
        model.out.weight.copy_(torch.tensor(GRU["V"].T))
    model.forward = lambda x: model.out(model.gru(x)[0][:, -1])
    return model


def gru(p, x):
    w, u, b, v = p
    h = jnp.zeros((x.shape[0], GRU["UNITS"]))
    for t in range(GRU["STEPS"]):
        own, past = jnp.split(x[:, t] @ w + b, 3, axis=1), jnp.split(h @ u, 3, axis=1)
        z, r = (jax.nn.sigmoid(own[i] + past[i]) for i in (0, 1))
        h = z * h + (1 - z) * jnp.tanh(own[2] + r * past[2])
    return h @ v


@pytest.mark.parametrize(("composite", "share"), [("gates_all", 1.0), ("gates_half", 0.5)])
def test_what_a_gate_leaves_is_a_gate(composite, share):
    """GRU's z and 1 − z."""
    x = GRU["X"]
    expected = np.stack([GRU["by_hand"](one, share) for one in x])
    found = LRP(torch_gru(), composite, qoi=0).explain(x)
    assert relative_error(found.attributions, expected) < 1e-9
    assert found.coverage.complete
    with enable_x64(True):
        weights = tuple(jnp.asarray(GRU[n]) for n in "WUBV")
        wrapper = get_model_wrapper(gru, backend="jax", params=weights)
        assert relative_error(LRP(wrapper, composite, qoi=0).attributions(x), expected) < 1e-9


def test_where_no_factor_is_a_gate():
    class Product(nn.Module):
        def forward(self, x):
            return (torch.tanh(x[:, 0]) * torch.relu(x[:, 1])).sum(1, keepdim=True)

    with pytest.raises(UncoveredOperationError, match="a sigmoid made 0 of 2"):
        LRP(Product(), "gates_all", qoi=0).attributions(X)

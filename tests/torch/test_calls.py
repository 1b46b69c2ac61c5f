"""Layers that are called several times, not at all, or in their own way."""

import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

from trulens_core import (
    CalledSeveralTimesError,
    Cut,
    InputAttribution,
    InternalInfluence,
    LayerNotReachedError,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))  # tests are no package
X, S, Net = PLAIN["X"], PLAIN["S"], PLAIN["Net"]
gradient, influence = PLAIN["gradient"], PLAIN["influence"]


@pytest.fixture
def model():
    torch.manual_seed(1)
    return Net().double()


# -- calls ---------------------------------------------------------------------------------------


class Steps(nn.Module):
    """One layer called in a loop."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x, steps=3):
        for _ in range(steps):
            x = torch.tanh(self.cell(x))
        return self.head(x)


@pytest.fixture
def steps():
    torch.manual_seed(1)
    return Steps().double()


@pytest.mark.parametrize("call", [0, 1, 2])
def test_each_call_of_a_layer(steps, call):
    x = X
    for _ in range(call):
        x = torch.tanh(steps.cell(x))
    z = steps.cell(x).detach()

    def rest(z):
        z = torch.tanh(z)
        for _ in range(2 - call):
            z = torch.tanh(steps.cell(z))
        return steps.head(z)

    cut = Cut("cell", call=call)
    assert relative_error(get_model_wrapper(steps).fprop(X, to_cut=cut), z) <= 1e-10
    assert relative_error(influence(steps, cut), gradient(rest, z)) <= 1e-10
    line = LinearDoi(cut=cut, resolution=2, rule="midpoint")
    expected = (gradient(rest, 0.75 * z) + gradient(rest, 0.25 * z)) / 2
    assert relative_error(influence(steps, cut, line), expected) <= 1e-10


def test_several_calls_need_a_choice(steps):
    wrapper = get_model_wrapper(steps)
    with pytest.raises(CalledSeveralTimesError, match=r"3 times.*call=0 to call=2"):
        wrapper.fprop(X, to_cut="cell")
    with pytest.raises(LayerNotReachedError, match=r"call=3.*3 time"):
        wrapper.fprop(X, to_cut=Cut("cell", call=3))
    assert {x.name: x.calls for x in wrapper.layers(X)} == {"cell": 3, "head": 1}


def test_a_model_that_was_cut_short_is_run_whole_for_inputs_of_another_kind(steps):
    """With steps=1 the pass may end at the first call; with 3 that must be noticed again."""
    method = InternalInfluence(steps, (None, "cell"), 0, "point")
    for _ in range(2):
        method.attributions(X, 1)
    with pytest.raises(CalledSeveralTimesError, match="3 times"):
        method.attributions(X, 3)
    with pytest.raises(CalledSeveralTimesError, match="2 times"):
        method.attributions(X, steps=2)
    assert method.attributions(X, 1).shape == X.shape


def test_nothing_after_the_target_cut_is_computed_twice_over(model):
    called = []
    model.b.register_forward_hook(lambda *a: called.append("b"))
    method = InternalInfluence(model, (None, "a"), 0, LinearDoi(resolution=4), rebatch_size=3)
    method.attributions(X)
    assert called == ["b"]  # the first pass tells that "a" is called once
    method.attributions(X)
    assert called == ["b"]


@pytest.mark.parametrize("caught", [Exception, BaseException])
def test_a_model_that_catches_errors_does_not_catch_the_end_of_a_pass(model, caught):
    class Careful(Net):
        def forward(self, x):
            try:
                return self.after(self.a(x))
            except caught:
                return x.new_zeros(len(x), 3)

    careful = Careful().double()
    method = InternalInfluence(careful, (None, "a"), 0, "point", multiply_activation=False)
    expected = gradient(careful.a, X)
    for _ in range(2):
        assert relative_error(method.attributions(X), expected) <= 1e-10


def test_a_module_in_two_places():
    torch.manual_seed(1)
    shared = nn.Linear(4, 4).double()
    model = nn.ModuleDict({"x": shared, "y": nn.Sequential(shared)})
    model.forward = lambda x: model["y"](torch.tanh(model["x"](x)))
    z = shared(X).detach()
    for name in ("x", "y.0"):
        found = influence(model, Cut(name, call=0))
        assert relative_error(found, gradient(lambda t: shared(torch.tanh(t)), z)) <= 1e-10
    assert relative_error(influence(model, "y"), gradient(lambda t: t * 1, z)) <= 1e-10
    with pytest.raises(ValueError, match="names one layer twice"):
        influence(model, Cut(["x", "y.0"]))


# -- attention, recurrent layers -----------------------------------------------------------------


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.attention(x, x, x)[0].mean(1))


def test_attention_to_itself_has_three_inputs():
    model = Attending().double()
    w = get_model_wrapper(model)
    cut = Cut("attention", "in")
    method = InternalInfluence(w, (cut, None), 0, "point", multiply_activation=False)
    q, k, v = method.attributions(S)
    inputs = [S.clone().requires_grad_() for _ in range(3)]
    y = model.head(model.attention(*inputs)[0].mean(1))
    for found, expected in zip((q, k, v), torch.autograd.grad(y[:, 0].sum(), inputs), strict=True):
        assert relative_error(found, expected) <= 1e-10
    whole = InputAttribution(w, qoi=0, multiply_activation=False).attributions(S)
    assert relative_error(q + k + v, whole) <= 1e-10
    keys = Cut("attention", "in", accessor=lambda inputs: inputs.args[1])
    method = InternalInfluence(w, (keys, None), 0, "point", multiply_activation=False)
    assert relative_error(method.attributions(S), k) <= 1e-10


def test_projections_inside_attention_are_never_called():
    with pytest.raises(LayerNotReachedError, match=r"MultiheadAttention.*without calling it"):
        get_model_wrapper(Attending().double()).fprop(S, to_cut="attention.out_proj")


def test_the_fast_path_calls_layers_too():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)).double()
    model.eval().requires_grad_(False)
    first, second = model[0].layers
    z = first(S).detach()
    wrapper = get_model_wrapper(model)
    assert relative_error(wrapper.fprop(S, to_cut="0.layers.0"), z) <= 1e-10
    assert wrapper.fprop(S, to_cut="0.layers.1.linear1").shape == (2, 5, 8)
    found = wrapper.qoi_bprop(lambda y: y[:, :, 0].sum(1), S, attribution_cut="0.layers.0")
    z.requires_grad_()
    (expected,) = torch.autograd.grad(second(z)[:, :, 0].sum(), z)
    assert relative_error(found, expected) <= 1e-10


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("batch_first", [True, False])
def test_recurrent_layers(kind, batch_first):
    """In training mode, as they were left; the value is the sequence, the state goes on."""
    torch.manual_seed(1)

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = kind(4, 6, num_layers=2, dropout=0.5, batch_first=batch_first)
            self.head = nn.Linear(6, 3)

        def forward(self, x):
            y, state = self.rnn(x if batch_first else x.transpose(0, 1))
            return self.after(y, state)

        def after(self, y, state):
            hidden = state[0] if kind is nn.LSTM else state
            return self.head((y if batch_first else y.transpose(0, 1)).mean(1) + hidden[-1])

    model = Recurrent().double()
    cut = Cut("rnn", batch_axis=0 if batch_first else 1)
    found = influence(model, cut, x=S)
    model.eval()
    z, state = model.rnn(S if batch_first else S.transpose(0, 1))
    expected = gradient(lambda z: model.after(z, state), z)
    if not batch_first:
        found, expected = found.transpose(0, 1), expected.transpose(0, 1)
    assert relative_error(found, expected) <= 1e-10
    assert relative_error(influence(model, None, x=S), gradient(model, S)) <= 1e-10

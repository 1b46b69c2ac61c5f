"""Calls like one before, of the plainest kind: one pass of the model, and the same in all else."""

import cProfile
import gc
import pstats
import sys
import warnings
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    InputAttribution,
    Saliency,
    SmoothGrad,
    get_model_wrapper,
)
from trulens_core.errors import TrulensWarning
from trulens_core.testing import relative_error


class TwoInputs(nn.Module):
    """One of its two inputs changes nothing; a flag decides; the scores have a name."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 3)
        self.scale = 1.0
        self.options = {"depth": 1}

    def forward(self, x, unused, mask=None):
        h = torch.tanh(self.first(x)) * self.options["depth"]
        if mask is not None:
            h.mul_(mask)
        return {"logits": self.second(h) * self.scale, "hidden": h}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TwoInputs().double()


@pytest.fixture
def given():
    return torch.rand(3, 4).double(), torch.rand(3, 2).double(), torch.rand(3, 8).double()


def passes(wrapper, monkeypatch):
    """The evaluations of a wrapper with cuts inside, counted."""
    seen, forward = [], wrapper.forward
    monkeypatch.setattr(wrapper, "forward", lambda *a, **k: seen.append(1) or forward(*a, **k))
    return seen


def by_hand(model, given, of, multiply=False):
    x, unused, mask = given
    leaf = x.clone().requires_grad_()
    y = model(leaf, unused, mask=mask)["logits"]
    g = torch.autograd.grad(of(y).sum(), leaf)[0]
    return g * x if multiply else g


QUANTITIES = {
    "a class": (1, lambda y: y[:, 1]),
    "the last class": (-1, lambda y: y[:, -1]),
    "the largest": ("max", lambda y: y.max(1).values),
    "one per record": (ClassQoI([0, 2, 1]), lambda y: y[torch.arange(3), torch.tensor([0, 2, 1])]),
    "a difference": (ClassQoI(0) - ClassQoI(2), lambda y: y[:, 0] - y[:, 2]),
    "the caller's": (lambda y: y[:, 0] * y[:, 1], lambda y: y[:, 0] * y[:, 1]),
}


@pytest.mark.parametrize("name", QUANTITIES)
@pytest.mark.parametrize("multiply", [False, True])
def test_it_gives_what_autograd_gives(model, given, name, multiply, monkeypatch):
    qoi, of = QUANTITIES[name]
    wrapper = get_model_wrapper(model)
    method = InputAttribution(wrapper, qoi=qoi, multiply_activation=multiply)
    x, unused, mask = given
    first = method.attributions(x, unused, mask=mask)
    seen = passes(wrapper, monkeypatch)
    again = method.attributions(x, unused, mask=mask)
    assert not seen
    assert relative_error(again[0], by_hand(model, given, of, multiply)) <= 1e-12
    assert torch.equal(first[0], again[0])
    assert again[1].shape == unused.shape
    assert not again[1].any()
    assert torch.equal(given[2], mask)


def test_other_kinds_go_the_whole_way(model, given, monkeypatch):
    wrapper = get_model_wrapper(model)
    x, unused, mask = given
    methods = [
        SmoothGrad(wrapper, qoi=0, resolution=3),
        Saliency(wrapper, qoi="predicted"),
        InputAttribution(wrapper, qoi=0, qoi_cut="first"),
    ]
    for method in methods:
        method.attributions(x, unused)
        seen = passes(wrapper, monkeypatch)
        method.attributions(x, unused)
        assert seen
    method = Saliency(wrapper, qoi=0)
    method.attributions(x, unused, mask=mask)
    seen = passes(wrapper, monkeypatch)
    method.attributions(x[:2], unused[:2], mask=mask[:2])
    assert seen  # another number of records
    assert method.explain(x, unused, mask=mask).quantity is not None


def test_what_changed_between_calls_is_seen(model, given):
    x, unused, mask = given
    qoi = ClassQoI(np.array([0, 2, 1]))
    method = InputAttribution(model, qoi=qoi)

    def holds():
        of = QUANTITIES["one per record"][1]
        found = method.attributions(x, unused, mask=mask)[0]
        return relative_error(found, by_hand(model, given, of, multiply=True)) <= 1e-12

    assert holds()
    with torch.no_grad():
        model.first.weight.mul_(2)
    assert holds()
    model.scale = 3.0
    assert holds()
    model.options["depth"] = 2
    assert holds()
    model.second = nn.Linear(8, 3).double()
    assert holds()
    handle = model.second.register_forward_hook(lambda m, a, y: y * y)
    assert holds()
    handle.remove()
    assert holds()


def test_the_model_is_as_it_was(model, given):
    x, unused, mask = given
    model.train()
    model.register_buffer("calls", torch.zeros(()))
    model.first.register_forward_hook(lambda *_: model.calls.add_(1) and None)
    method = Saliency(model, qoi=0)
    for _ in range(3):
        method.attributions(x, unused, mask=mask)
    assert model.calls == 0
    assert model.training
    assert model.first.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert torch.is_grad_enabled()


def test_what_is_said_of_gradients_is_said_each_time():
    class Root(nn.Module):
        def forward(self, x):
            return torch.sqrt(x) * 1.0

    method = Saliency(Root(), qoi=0)
    x = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
    for _ in range(2):
        with pytest.warns(TrulensWarning, match="not finite for the records 1"):
            method.attributions(x)
    dead = Saliency(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), qoi=0)
    with torch.no_grad():
        dead.model.model[0].bias.fill_(-100)
    for _ in range(2):
        with pytest.warns(TrulensWarning, match="zero everywhere"):
            dead.attributions(x)


def test_errors_are_those_of_the_first_call(model, given):
    x, unused, mask = given
    method = Saliency(model, qoi=2)
    method.attributions(x, unused, mask=mask)
    model.second = nn.Linear(8, 2).double()
    for _ in range(2):
        with pytest.raises(IndexError, match="class or unit 2"):
            method.attributions(x, unused, mask=mask)
    y = nn.Linear(4, 2)
    method = Saliency(y, qoi=lambda y: y[:, 0] if len(fine) < 1 else y.detach()[:, 0])
    fine = []
    method.attributions(torch.rand(3, 4))
    fine.append(1)
    with pytest.raises(ValueError, match="does not depend"):
        method.attributions(torch.rand(3, 4))


def test_a_model_goes_with_the_last_that_holds_it():
    """At once, as does what it holds on a GPU: not when Python looks for circles."""
    model = nn.Linear(4, 3)
    method, held = Saliency(model, qoi=0), weakref.ref(model)
    gc.disable()
    try:
        for _ in range(3):
            method.attributions(torch.rand(2, 4))
        del model, method
        assert held() is None
    finally:
        gc.enable()


def test_it_takes_few_calls_of_python():
    """The whole way takes 1170. Where torch._dynamo is loaded, a switch of its own is held, too."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU())
    method, x = Saliency(net, qoi=1), torch.rand(1, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            method.attributions(x)
        profile = cProfile.Profile()
        profile.runcall(method.attributions, x)
    assert pstats.Stats(profile).total_calls <= (720 if "torch._dynamo" in sys.modules else 700)

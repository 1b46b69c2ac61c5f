"""Calls like one before at a layer, of the plainest kind: one pass, and the same in all else."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import ClassQoI, Cut, InternalInfluence, OutputCut, get_model_wrapper
from trulens_core.errors import CalledSeveralTimesError, LayerNotReachedError, TrulensWarning
from trulens_core.influence import loop
from trulens_core.testing import relative_error


class Text(nn.Module):
    """Ids become vectors; arguments and attributes decide what is made of them."""

    def __init__(self):
        super().__init__()
        self.words, self.first, self.second = nn.Embedding(9, 4), nn.Linear(4, 5), nn.Linear(5, 3)
        self.norm, self.scale, self.times, self.made = nn.LayerNorm(4), 1.0, 1, None

    def forward(self, ids, mask=None, *, squared=False, scale=1.0, named=True):
        h = self.norm(self.words(ids))
        for _ in range(self.times):
            h = self.first(h) if h.shape[-1] == 4 else self.first(h[..., :4])
        if self.made is not None:
            h = self.made(h)
        if mask is not None:
            h = h * mask[..., None]
        h = torch.tanh(h).sum(1)
        y = self.second(h * h if squared else h) * scale * self.scale
        return {"logits": y, "hidden": h} if named else y


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Text().double()


@pytest.fixture
def ids():
    return torch.randint(0, 9, (3, 6))


@pytest.fixture
def divided(monkeypatch):
    """The calls that went the whole way, in which records are divided, counted."""
    seen, before = [], loop.Division
    monkeypatch.setattr(loop, "Division", lambda *a: seen.append(1) or before(*a))
    return seen


def by_hand(model, ids, of, layer="first", multiply=True, **more):
    """By autograd, each record by itself."""
    found = []
    for i in range(len(ids)):
        held = {}

        def hook(module, given, output, held=held):
            held["h"] = output.detach().requires_grad_()
            return held["h"].clone()

        handle = model.get_submodule(layer).register_forward_hook(hook)
        one = {n: x[i : i + 1] if isinstance(x, torch.Tensor) else x for n, x in more.items()}
        y = model(ids[i : i + 1], **one)
        handle.remove()
        q = of(y["logits"] if isinstance(y, dict) else y, i)
        (g,) = torch.autograd.grad(q.sum(), held["h"])
        found.append(g * held["h"].detach() if multiply else g)
    return torch.cat(found)


def assert_as_by_hand(method, model, ids, **more):
    found = method.attributions(ids, **more)
    expected = by_hand(model, ids, lambda y, _: y[:, 1], **more)
    assert relative_error(found, expected) <= 1e-12


LABELS = [0, 2, 1]
QUANTITIES = {
    "a class": (1, lambda y, _: y[:, 1]),
    "the largest": ("max", lambda y, _: y.max(1).values),
    "one per record": (ClassQoI(LABELS), lambda y, i: y[:, LABELS[i]]),
    "a difference": (ClassQoI(0) - ClassQoI(2), lambda y, _: y[:, 0] - y[:, 2]),
    "the caller's": (lambda y: y[:, 0] * y[:, 1], lambda y, _: y[:, 0] * y[:, 1]),
}


@pytest.mark.parametrize("name", QUANTITIES)
@pytest.mark.parametrize("multiply", [False, True])
def test_it_gives_what_autograd_gives(model, ids, name, multiply, divided):
    qoi, of = QUANTITIES[name]
    mask = torch.rand(3, 6).double()
    method = InternalInfluence(model, "first", qoi, "point", multiply)
    first = method.attributions(ids, mask=mask)
    assert divided
    divided.clear()
    again = method.attributions(ids, mask=mask)
    assert not divided
    assert torch.equal(first, again)
    expected = by_hand(model, ids, of, multiply=multiply, mask=mask)
    assert relative_error(again, expected) <= 1e-12
    other = torch.rand(3, 6).double()  # as many floats, and other ones
    expected = by_hand(model, ids, of, multiply=multiply, mask=other)
    assert relative_error(method.attributions(ids, mask=other), expected) <= 1e-12
    assert not divided


def test_values_of_arguments_that_are_no_tensors_are_told_apart(model, ids, divided):
    method = InternalInfluence(model, "first", 1, "point")
    calls = [{}, {"squared": True}, {"scale": 2}, {"scale": 2.0}, {"scale": True}, {"named": False}]
    for _ in range(2):
        for more in calls:
            assert_as_by_hand(method, model, ids, **more)
    assert len(divided) == len(calls)
    listed = InternalInfluence(model, "first", 1, "point")
    scale = [2.0]
    for _ in range(2):
        assert_as_by_hand(listed, model, ids, scale=scale[0])
        scale[0] += 1.0


def test_an_object_among_the_arguments_goes_the_whole_way(ids, divided):
    class Options:
        scale = 2.0

    class Takes(Text):
        def forward(self, ids, options):
            return super().forward(ids, scale=options.scale)

    torch.manual_seed(0)
    model, options = Takes().double(), Options()
    method = InternalInfluence(model, "first", 1, "point")
    for scale in (2.0, 2.0, 3.0):
        options.scale = scale
        found = method.attributions(ids, options)
        expected = by_hand(model, ids, lambda y, _: y[:, 1], options=options)
        assert relative_error(found, expected) <= 1e-12
    assert len(divided) == 3


CHANGES = {
    "a weight in place": lambda m: m.first.weight.data.mul_(2),
    "the layer": lambda m: setattr(m, "first", nn.Linear(4, 5).double()),
    "an attribute": lambda m: setattr(m, "scale", 3.0),
    "a hook at the layer": lambda m: m.first.register_forward_hook(lambda m, a, y: y * y),
    "a hook after it": lambda m: m.second.register_forward_hook(lambda m, a, y: y * y),
    "training mode": lambda m: m.train(),
    "weights without gradients": lambda m: m.requires_grad_(False),
    "the structure of the output": lambda m: setattr(m, "made", torch.sin),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_of_the_model_is_seen(model, ids, name):
    method = InternalInfluence(model, "first", 1, "point")
    for _ in range(2):
        method.attributions(ids)
    CHANGES[name](model)
    for _ in range(2):
        found = method.attributions(ids)
        expected = InternalInfluence(get_model_wrapper(model), "first", 1, "point")
        assert torch.equal(found, expected.attributions(ids))


class Count:
    """Tells a model by something that nobody looks at how often it calls its layer."""

    __slots__ = ("times",)

    def __init__(self):
        self.times = 1

    def __index__(self):
        return self.times


def test_a_layer_called_otherwise_raises_as_in_the_first_call(model, ids):
    model.times = count = Count()
    method = InternalInfluence(model, "first", 1, "point")
    for _ in range(2):
        assert_as_by_hand(method, model, ids)
    count.times = 2
    for _ in range(2):
        with pytest.raises(CalledSeveralTimesError, match="called 2 times"):
            method.attributions(ids)
    count.times = 0
    for _ in range(2):
        with pytest.raises((LayerNotReachedError, RuntimeError)):
            method.attributions(ids)
    count.times = 1
    assert_as_by_hand(method, model, ids)


class Sorted(nn.Module):
    """Puts long records last, runs, and puts them back."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x, lengths):
        order = (lengths > 5).int().argsort(stable=True)
        y = self.second(torch.tanh(self.first(x[order])))
        return torch.zeros_like(y).index_copy(0, order, y)


def test_the_order_of_records_is_looked_at_for_other_integers():
    torch.manual_seed(0)
    model, x = Sorted().double(), torch.rand(3, 4).double()
    method = InternalInfluence(model, "first", 1, "point")
    for lengths in ([1, 2, 3], [1, 2, 3], [4, 5, 6], [7, 1, 2], [3, 2, 1], [1, 8, 3]):
        given = torch.tensor(lengths)
        found = method.attributions(x, given)
        expected = by_hand(model, x, lambda y, _: y[:, 1], lengths=given)
        assert relative_error(found, expected) <= 1e-12


def test_what_is_said_of_gradients_is_said_each_time(model, ids):
    method = InternalInfluence(model, "first", 1, "point")
    method.attributions(ids)
    model.made = lambda h: h * 0
    for _ in range(3):
        with pytest.warns(TrulensWarning, match="zero everywhere"):
            method.attributions(ids)
    model.made = lambda h: h / 0
    for _ in range(3):
        with pytest.warns(TrulensWarning, match="not finite for the records 0, 1, 2"):
            method.attributions(ids)


def test_a_target_inside_is_served_too(model, ids, divided):
    method = InternalInfluence(model, ("first", "second"), 1, "point")
    for _ in range(2):
        assert_as_by_hand(method, model, ids)
    assert len(divided) == 1


def test_what_needs_more_goes_the_whole_way(model, ids, divided):
    first = Cut("first", accessor=lambda y: y)
    for cut, qoi, doi in [(first, 1, "point"), ("first", "predicted", "point")]:
        method = InternalInfluence(model, cut, qoi, doi)
        divided.clear()
        for _ in range(2):
            method.attributions(ids)
        assert len(divided) == 2


# -- one tensor and nothing else -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tensor", "float64", "NumPy", "with a graph"])
def test_one_tensor_is_answered_as_afresh(kind, monkeypatch):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))
    x = torch.rand(2, 1, 6, 6)
    other = {
        "tensor": x,
        "float64": x.double(),
        "NumPy": x.numpy(),
        "with a graph": x.clone().requires_grad_() * 2,
    }[kind]
    method = InternalInfluence(net, "0", 1, "point")
    for _ in range(3):
        for given in (x, other):
            found = method.attributions(given)
            expected = InternalInfluence(get_model_wrapper(net), "0", 1, "point")
            expected = expected.attributions(given)
            assert type(found) is type(expected)
            assert found.dtype == expected.dtype
            assert np.array_equal(np.asarray(found), np.asarray(expected))
            assert not getattr(found, "requires_grad", False)


def test_a_layer_with_the_records_elsewhere_keeps_its_layout():
    class TimeMajor(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(4, 5), nn.Linear(5, 3)

        def forward(self, x):
            return self.head(self.rnn(x.transpose(0, 1))[0].mean(0))

    torch.manual_seed(0)
    net, x = TimeMajor(), torch.rand(3, 6, 4)
    method = InternalInfluence(net, (Cut("rnn", batch_axis=1), OutputCut()), 1, "point")
    first = method.attributions(x)
    assert first.shape == (6, 3, 5)
    for _ in range(2):
        assert torch.equal(method.attributions(x), first)


def test_the_model_is_as_it_was(model, ids):
    model.train()
    method = InternalInfluence(model, "first", 1, "point")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            method.attributions(ids)
            assert not model.first._forward_hooks
            assert not model.first._forward_pre_hooks
            assert all(m.training for m in model.modules())
            assert all(p.requires_grad and p.grad is None for p in model.parameters())

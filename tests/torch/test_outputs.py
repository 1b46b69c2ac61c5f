"""Layers and models that return containers: which tensor is meant, and the rest is kept."""

import dataclasses
import runpy
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    CutError,
    InputAttribution,
    InternalInfluence,
    LambdaQoI,
    LinearDoi,
    OutputCut,
    QoiCutSupportError,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))  # tests are no package
X, gradient = PLAIN["X"], PLAIN["gradient"]
IDS = torch.arange(3)

Pair = namedtuple("Pair", ["ids", "states"])


@dataclasses.dataclass
class Output:
    """As Hugging Face's outputs."""

    loss: Any = None
    logits: Any = None
    states: Any = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    ids: Any
    states: Any
    note: str = "kept"


class Custom:
    """What no framework can look into."""

    def __init__(self, states):
        self.states = states


KINDS = {
    "tensor": lambda z: z,
    "tuple": lambda z: (z, (z.detach() * 0, None)),
    "integers first": lambda z: (IDS, z),
    "list": lambda z: [None, "text", z, z.detach()],
    "dict": lambda z: {"ids": IDS, "states": z},
    "ordered dict": lambda z: OrderedDict(states=z, ids=IDS),
    "nested": lambda z: {"deep": [(IDS, {"er": z})]},
    "named tuple": lambda z: Pair(IDS, z),
    "dataclass": lambda z: Output(states=z),
    "frozen dataclass": lambda z: Frozen(IDS, z),
    "logits before others": lambda z: {"aaa": z.detach() + 1, "logits": z},
    "logits of a dataclass": lambda z: Output(loss=z.detach().sum(), logits=z),
}


def states_of(value):
    """The tensor that a layer's reader takes from each of the kinds."""
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, dict):
        value = value.get("logits", value.get("states", value.get("deep")))
        return value if isinstance(value, torch.Tensor) else value[0][1]["er"]
    if dataclasses.is_dataclass(value):
        return value.states if value.states is not None else value.logits
    if isinstance(value, Pair):
        return value.states
    return next(v for v in value if isinstance(v, torch.Tensor) and v.is_floating_point())


class Returning(nn.Module):
    """A model with an inner layer that returns one of the kinds, and knows it again."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.first, self.inner, self.head = nn.Linear(4, 6), nn.Module(), nn.Linear(6, 3)
        self.inner.forward = lambda x: KINDS[kind](self.first(x))

    def after(self, z):
        return self.head(z.tanh())

    def forward(self, x):
        value = self.inner(x)
        like = KINDS[self.kind](torch.zeros(3, 6))
        assert type(value) is type(like)
        assert getattr(value, "note", None) == getattr(like, "note", None)
        return self.after(states_of(value))


@pytest.fixture(params=KINDS)
def model(request):
    torch.manual_seed(0)
    return Returning(request.param).double()


def test_the_value_at_a_layer(model):
    assert torch.equal(get_model_wrapper(model).fprop(X, to_cut="inner"), model.first(X))


def test_gradients_at_a_layer(model):
    z = model.first(X).detach()
    method = InternalInfluence(model, ("inner", None), 0, "point", multiply_activation=False)
    assert relative_error(method.attributions(X), gradient(model.after, z)) <= 1e-10


def test_replacing_keeps_the_rest(model):
    z = torch.randn(3, 6, dtype=torch.float64)
    found = get_model_wrapper(model).fprop(X, doi_cut="inner", intervention=z)
    assert relative_error(found, model.after(z).detach()) <= 1e-10
    method = InternalInfluence(model, ("inner", None), 0, LinearDoi(cut="inner"))
    assert method.attributions(X).shape == (3, 6)


def test_outputs_of_a_model(model):
    """The same rule at the output."""
    outer = nn.Sequential(model.first, Outer(model.kind)).double()
    found = InputAttribution(outer, qoi=1, multiply_activation=False).attributions(X)
    assert relative_error(found, gradient(model.first, X, 1)) <= 1e-10
    assert torch.equal(get_model_wrapper(outer)(X), model.first(X))


class Outer(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        return KINDS[self.kind](x)


def returning(make):
    """A model that returns what `make` makes of the first layer's output."""
    model = nn.Sequential(nn.Linear(4, 6), nn.Identity()).double()
    model[1].forward = make
    return model


# -- accessors -----------------------------------------------------------------------------------


def two(z):
    return {"a": z, "b": [z * 2, IDS]}


def test_an_accessor_gives_one_or_all():
    model = returning(two)
    w = get_model_wrapper(model)
    z = model[0](X).detach()
    for accessor, expected in (
        (lambda v: v["b"][0], [2 * z]),
        (lambda v: v, [z, 2 * z, IDS]),
        (lambda v: [v["b"][0], v["a"]], [2 * z, z]),
        (lambda v: v["a"].sum(1), [z.sum(1)]),
    ):
        found = w.fprop(X, to_cut=OutputCut(accessor=accessor))
        found = found if isinstance(found, list) else [found]
        assert all(torch.equal(f, e) for f, e in zip(found, expected, strict=True))


def test_quantities_of_what_an_accessor_computes():
    model = returning(two)
    cut = OutputCut(accessor=lambda v: (v["a"] * v["b"][0]).softmax(1))
    found = InputAttribution(model, cut, 1, multiply_activation=False).attributions(X)
    expected = gradient(lambda x: (2 * model[0](x) ** 2).softmax(1), X, 1)
    assert relative_error(found, expected) <= 1e-10


def test_several_tensors_at_the_target():
    model = returning(two)
    cut = OutputCut(accessor=lambda v: [v["a"], v["b"][0]])
    method = InputAttribution(model, cut, LambdaQoI(lambda ys: ys[0][:, 0] + ys[1][:, 0]))
    alone = InputAttribution(model, OutputCut(accessor=lambda v: v["a"]), qoi=0)
    assert relative_error(method.attributions(X), 3 * alone.attributions(X)) <= 1e-10
    with pytest.raises(QoiCutSupportError, match=r"MaxClassQoI reads one tensor.*holds 2"):
        InputAttribution(model, cut).attributions(X)


def test_where_variables_live_an_accessor_selects():
    model = nn.Sequential(nn.Linear(4, 6), Outer("tensor"), nn.Module()).double()
    model[1].forward = lambda z: (z, {"half": z / 2})
    model[2].forward = lambda v: v[0] * v[1]["half"]
    z = model[0](X).detach()
    chosen = Cut("1", accessor=lambda v: v[1]["half"])
    method = InternalInfluence(model, (chosen, None), 0, "point", multiply_activation=False)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    expected[:, 0] = z[:, 0]
    assert relative_error(method.attributions(X), expected) <= 1e-10
    both = Cut("1", accessor=lambda v: v)
    method = InternalInfluence(model, (both, None), 0, LinearDoi(0.0, 2, cut=both))
    assert [a.shape for a in method.attributions(X)] == [(3, 6)] * 2


@pytest.mark.parametrize("accessor", [lambda v: v + 1, lambda v: v[:, :2], lambda v: v.clone()])
def test_where_variables_live_an_accessor_must_not_compute(accessor):
    cut = Cut("0", accessor=accessor)
    method = InternalInfluence(returning(lambda z: z), (cut, None), 0, "point")
    with pytest.raises(CutError, match=r"computed a new value.*must select.*lambda v: v\[0\]"):
        method.attributions(X)


def test_one_tensor_in_two_places():
    """The accessor says which is meant; the other one stays."""
    model = nn.Sequential(nn.Linear(4, 6), Outer("tensor"), nn.Module()).double()
    model[1].forward = lambda z: (z, z)
    model[2].forward = lambda v: v[0] + 10 * v[1]
    for i, scale in ((0, 1), (1, 10)):
        cut = Cut("1", accessor=lambda v, i=i: v[i])
        method = InternalInfluence(model, (cut, None), 0, "point", multiply_activation=False)
        assert (method.attributions(X)[:, 0] == scale).all()


# -- what holds nothing --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "text", (), {"a": None}, Custom(X), 3])
def test_layers_that_return_no_tensor(value):
    model = nn.Sequential(nn.Linear(4, 6), nn.Module()).double()
    model[1].forward = lambda z: value
    outer = nn.Module()
    outer.inner = model
    outer.forward = lambda x: (outer.inner[1](x) and None) or x
    for ask in (
        lambda: get_model_wrapper(outer).fprop(X, to_cut="inner.1"),
        lambda: InternalInfluence(outer, ("inner.1", None), 0, "point").attributions(X),
        lambda: InternalInfluence(outer, (None, "inner.1"), 0, "point").attributions(X),
    ):
        with pytest.raises(CutError, match=r"inner\.1'\) holds no tensor: it is .*accessor"):
            ask()


def test_a_model_that_returns_no_tensor():
    with pytest.raises(CutError, match=r"OutputCut\(\) holds no tensor: it is None"):
        InputAttribution(returning(lambda z: None)).attributions(X)


def test_an_object_of_the_user_s_opens_with_an_accessor():
    model = returning(Custom)
    cut = OutputCut(accessor=lambda v: v.states)
    found = InputAttribution(model, cut, 0, multiply_activation=False).attributions(X)
    assert relative_error(found, gradient(model[0], X)) <= 1e-10

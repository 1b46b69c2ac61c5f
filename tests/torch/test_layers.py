"""Layers are found by every name that people give them, and by none that could be another's."""

import copy
import pickle
import runpy
import warnings
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    AmbiguousLayerError,
    CalledSeveralTimesError,
    Cut,
    InputCut,
    InternalInfluence,
    LogitCut,
    OutputCut,
    Slice,
    UnknownLayerError,
    get_model_wrapper,
)

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))  # tests are no package
X, Net, influence = PLAIN["X"], PLAIN["Net"], PLAIN["influence"]


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.relu = nn.Linear(width, width), nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv1(x)) + x


class Deep(nn.Module):
    """Names as in a ResNet, a list, a dictionary, and several that look alike."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.layer4 = nn.Sequential(Block(4), Block(4))
        self.items = nn.ModuleList([nn.Linear(4, 4), nn.Tanh()])
        self.named = nn.ModuleDict({"left_1": nn.Linear(4, 4), "2": nn.Identity()})
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = self.layer4(self.stem(x))
        for layer in self.items:
            x = layer(x)
        return self.fc(self.named["2"](self.named["left_1"](x)))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Deep().double()


@pytest.fixture
def wrapper(model):
    return get_model_wrapper(model)


def value(wrapper, name):
    return wrapper.fprop(X, to_cut=Cut(name))


NAMES = ["layer4", "layer4.0", "layer4.1.conv1", "items.0", "items.1", "named.left_1", "named.2"]


@pytest.mark.parametrize("name", NAMES)
def test_dotted_names_containers_included(model, wrapper, name):
    seen = []
    handle = model.get_submodule(name).register_forward_hook(lambda m, a, y: seen.append(y))
    model(X)
    handle.remove()
    assert torch.equal(value(wrapper, name), seen[0])
    assert influence(model, name).shape == (3, 4)


@pytest.mark.parametrize("name", ["layer4.1.conv1", "named.left_1", "items.0"])
def test_underscores_of_the_old_names(wrapper, name):
    old = name.replace(".", "_")
    with pytest.warns(DeprecationWarning, match=f"{old!r} is of the old API; use {name!r}"):
        found = value(wrapper, old)
    assert torch.equal(found, value(wrapper, name))


def test_modules_themselves(model, wrapper):
    assert torch.equal(value(wrapper, model.layer4[0].relu), value(wrapper, "layer4.0.relu"))
    assert torch.equal(value(wrapper, model.layer4), value(wrapper, "layer4"))
    with pytest.raises(UnknownLayerError, match="Linear is not part of Deep"):
        value(wrapper, nn.Linear(4, 4))


LEAVES = ["stem", "layer4.0.conv1", "layer4.0.relu", "layer4.1.conv1", "layer4.1.relu", "items.0"]
LEAVES += ["items.1", "named.left_1", "named.2", "fc"]


@pytest.mark.parametrize("index", [0, 3, 9, -1, -10, np.int64(4), np.array(5), torch.tensor(6)])
def test_indices_count_leaf_modules(wrapper, index):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(value(wrapper, index), value(wrapper, LEAVES[int(index)]))


@pytest.mark.parametrize("index", [10, -11])
def test_indices_out_of_range(wrapper, index):
    with pytest.raises(UnknownLayerError, match=r"no layer -?1\d in Deep.*10 leaf modules.*0 to 9"):
        value(wrapper, index)


@pytest.mark.parametrize("name", [True, None, 1.0, b"fc", {"fc"}])
def test_what_is_no_name(wrapper, name):
    with pytest.raises(ValueError, match="give a"):
        value(wrapper, name)


def test_zero_is_the_input_only_as_a_short_form(model):
    assert influence(model, 0).shape == (3, 4)
    first = InternalInfluence(model, (Cut(0), None), 0, "point")
    assert "Cut(0)" in repr(first)
    by_name = InternalInfluence(model, ("stem", None), 0, "point")
    assert torch.equal(first.attributions(X), by_name.attributions(X))
    to_first = InternalInfluence(model, (0, 0), 0, "point").attributions(X)
    assert torch.equal(
        to_first, InternalInfluence(model, (None, "stem"), 0, "point").attributions(X)
    )


def test_a_layer_called_0_is_a_string():
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    assert influence(model, "0").shape == (3, 4)
    assert torch.equal(influence(model, "2"), influence(model, Cut(2)))


# -- names that may mean several layers ----------------------------------------------------------


class Alike(nn.Module):
    """`a_b` the layer, and `a.b` inside another."""

    def __init__(self, exact=True):
        super().__init__()
        self.a = nn.Sequential(OrderedDict(b=nn.Linear(4, 4), b_c=nn.Linear(4, 4)))
        self.a_b = nn.Linear(4, 4) if exact else nn.Sequential(OrderedDict(c=nn.Linear(4, 4)))

    def forward(self, x):
        return self.a_b(self.a(x))


def test_an_exact_name_wins_over_an_old_one():
    wrapper = get_model_wrapper(Alike().double())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(value(wrapper, "a_b"), wrapper(X))


def test_an_old_name_of_two_layers_is_an_error_that_lists_them():
    wrapper = get_model_wrapper(Alike(exact=False).double())
    with pytest.raises(AmbiguousLayerError, match=r"'a_b_c' may mean 'a\.b_c' or 'a_b\.c'"):
        value(wrapper, "a_b_c")


def test_shared_modules_have_all_their_names():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(OrderedDict(inner=nn.Linear(4, 4)))
            self.again = self.first

        def forward(self, x):
            return self.first(x)

    wrapper = get_model_wrapper(Tied().double())
    assert [x.name for x in wrapper.layers()] == ["first", "first.inner"]
    assert torch.equal(value(wrapper, "again"), value(wrapper, "first"))
    assert torch.equal(value(wrapper, "again.inner"), value(wrapper, "first.inner"))


# -- names that no layer has ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("layer4_0_Conv1", "layer4.0.conv1"),
        ("layer4.0.conv", "layer4.0.conv1"),
        ("layer3.1", "layer4.1"),
        ("fc1", "fc"),
        ("Stem", "stem"),
        ("conv1", "layer4.0.conv1"),
        ("relu", "layer4.1.relu"),
        ("model.fc", "fc"),
    ],
)
def test_unknown_names_suggest_near_ones(wrapper, given, meant):
    with pytest.raises(UnknownLayerError, match=f"no layer {given!r} in Deep.*{meant!r}.*all 1"):
        value(wrapper, given)


@pytest.mark.parametrize("name", ["", " ", "xyz", ".", "fc."])
def test_names_like_no_other(wrapper, name):
    with pytest.raises(UnknownLayerError, match="print the wrapper"):
        value(wrapper, name)


def test_errors_come_when_a_method_is_made(wrapper):
    for cuts in (("nowhere", None), (None, "nowhere"), (["fc", "nowhere"], None)):
        cut = Cut(cuts[0]) if isinstance(cuts[0], list) else cuts[0]
        with pytest.raises(UnknownLayerError, match="nowhere"):
            InternalInfluence(wrapper, (cut, cuts[1]), 0, "point")


@pytest.mark.filterwarnings("ignore:the layer name 'layer4_0'")
@pytest.mark.parametrize("names", [["fc", "fc"], ["fc", -1], ["layer4.0", "layer4_0"]])
def test_one_layer_twice_in_a_cut(wrapper, names):
    with pytest.raises(ValueError, match="names one layer twice"):
        value(wrapper, names)


# -- the table, the logits -----------------------------------------------------------------------


def test_the_table_of_layers(wrapper):
    shown = repr(wrapper).splitlines()
    assert shown[0] == "Deep on torch, 15 layers"
    assert [line.split() for line in shown[1:4]] == [
        ["layer", "kind", "parameters"],
        ["stem", "Linear", "20"],
        ["layer4", "Sequential", "40"],
    ]
    assert shown[-1].startswith("shapes and calls: print(wrapper.table(x))")
    assert "table(x)" not in wrapper.table(X)
    folded = wrapper.table(X, depth=1).splitlines()
    assert folded[0] == shown[0]
    assert folded[1].split() == ["layer", "kind", "output", "calls", "parameters"]
    assert folded[3].split() == ["layer4", "Sequential,", "6", "inside", "4", "1", "40"]
    assert wrapper.table(depth=9) == repr(wrapper)
    found = {x.name: (x.shape, x.calls) for x in wrapper.layers(X)}
    assert found["layer4.1"] == ((4,), 1)
    assert found["fc"] == ((3,), 1)
    assert found["items"] == (None, 0)


def test_layers_with_other_outputs_have_a_place_in_the_table():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.nothing = nn.LSTM(4, 5, batch_first=True), nn.Module()
            self.nothing.forward = lambda x: None

        def forward(self, x):
            self.nothing(x)
            return self.rnn(x[:, None])[0][:, 0]

    found = {x.name: (x.shape, x.calls) for x in get_model_wrapper(Model().double()).layers(X)}
    assert found == {"rnn": ((1, 5), 1), "nothing": (None, 1)}


def test_logits(model):
    soft = nn.Sequential(OrderedDict(logits=model, probs=nn.Softmax(1)))
    with torch.no_grad():
        scores = model(X)
    for wrapper in (
        get_model_wrapper(soft),
        get_model_wrapper(soft, logit_layer="logits"),
        get_model_wrapper(soft, logit_layer=model.fc),
    ):
        torch.testing.assert_close(wrapper.logits(X), scores)
        torch.testing.assert_close(wrapper.probits(X), scores.softmax(1))
        torch.testing.assert_close(wrapper.fprop(X, to_cut=LogitCut()), scores)
    plain = get_model_wrapper(model)
    torch.testing.assert_close(plain.logits(X), scores)
    with pytest.raises(UnknownLayerError, match=r"LogitCut.*'logits'.*logit_layer="):
        plain.fprop(X, to_cut=LogitCut())
    with pytest.raises(UnknownLayerError, match="nowhere"):
        get_model_wrapper(model, logit_layer="nowhere").logits(X)


def test_the_model_s_own_layers_may_have_our_names():
    names = ["<input>", "<output>"]
    model = nn.Sequential(OrderedDict([(n, nn.Linear(4, 4)) for n in names])).double()
    assert torch.equal(get_model_wrapper(model).fprop(X, to_cut=OutputCut()), model(X))


# -- models that change after they were wrapped --------------------------------------------------


def test_a_layer_that_was_replaced(model, wrapper):
    value(wrapper, "fc")
    model.fc = nn.Linear(4, 3).double()
    assert torch.equal(wrapper(X), model(X))
    assert torch.equal(value(wrapper, "fc"), model(X))
    assert torch.equal(value(get_model_wrapper(model), "fc"), model(X))


def test_a_layer_that_was_removed():
    model = nn.Sequential(OrderedDict(a=nn.Linear(4, 4), b=nn.Linear(4, 4))).double()
    wrapper = get_model_wrapper(model)
    value(wrapper, "b")
    del model.b
    with pytest.raises(UnknownLayerError, match="no layer 'b'"):
        value(wrapper, "b")


class Twice(nn.Module):
    """Calls a layer as often as it is told, in one of the ways in which models keep options."""

    def __init__(self, options):
        super().__init__()
        self.a, self.b, self.options = nn.Linear(4, 4), nn.Linear(4, 4), options

    def forward(self, x):
        held = self.options if isinstance(self.options, dict) else vars(self.options)["inside"][0]
        for _ in range(held["n"]):
            x = self.a(x).tanh()
        return self.b(x)


def test_layers_that_change_places():
    """A name means the layer that has it now."""
    model = Twice({"n": 1}).double()
    methods = [
        InternalInfluence(model, cuts, 0, "point", multiply_activation=False)
        for cuts in (Slice(InputCut(), Cut("a")), Slice(Cut("a"), OutputCut()))
    ]
    for _ in range(3):
        model.a, model.b = model.b, model.a
        x = X.clone().requires_grad_()
        h = model.a(x)
        (after,) = torch.autograd.grad(model.b(h.tanh())[:, 0].sum(), h, retain_graph=True)
        (before,) = torch.autograd.grad(h[:, 0].sum(), x)
        for method, expected in zip(methods, (before, after), strict=True):
            assert torch.equal(method.attributions(X), expected)


@pytest.mark.parametrize("options", [{"n": 1}, SimpleNamespace(inside=[{"n": 1}])])
def test_options_that_change_where_they_are(options):
    """How often a layer is called is found out anew where what a model holds has changed inside."""
    model = Twice(options).double()
    method = InternalInfluence(model, Slice(InputCut(), Cut("a")), 0, "point")
    for _ in range(2):
        method.attributions(X)
    (options if isinstance(options, dict) else options.inside[0])["n"] = 2
    with pytest.raises(CalledSeveralTimesError):
        method.attributions(X)


def test_weights_of_another_type(model, wrapper):
    model.float()
    seen = []
    model.fc.register_forward_hook(lambda m, args, y: seen.append(y.dtype))
    assert influence(wrapper, "stem").dtype == torch.float64
    assert set(seen) == {torch.float32}


def test_wrappers_can_be_copied_and_sent_away(model, wrapper):
    expected = influence(wrapper, "items.0")
    for other in (copy.deepcopy(wrapper), pickle.loads(pickle.dumps(wrapper))):
        assert other.model is not model
        assert torch.equal(influence(other, "items.0"), expected)
        assert torch.equal(influence(other, other.model.fc), influence(wrapper, model.fc))

"""What forward does to its model is undone: to buffers, weights, attributes, containers, flags."""

import collections
import copy
import runpy
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trulens_core import (
    Cut,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

TRACES = runpy.run_path(str(Path(__file__).with_name("traces.py")))  # tests are no package
X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
IDS = torch.tensor([[0, 1, 2], [3, 3, 1], [2, 4, 0]])


class Writing(nn.Module):
    """A linear layer that does something to the model first."""

    def __init__(self, change, **buffers):
        super().__init__()
        self.linear, self.norm = nn.Linear(4, 2), nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.ones(4))
        for name, value in buffers.items():
            self.register_buffer(name, value)
        self.double().eval()
        self.change = [change]

    def forward(self, x):
        with torch.no_grad():
            self.change[0](self, x)
        return self.linear(x * self.scale)


def leaves_no_trace(model, x=X):
    """Two calls change nothing, and give the same."""
    before, state = TRACES["of"](model), copy.deepcopy(contents(model))
    method = IntegratedGradients(model, qoi=0, resolution=5, rebatch_size=6)
    found = method.attributions(x)
    assert TRACES["of"](model) == before
    assert contents(model) == state
    assert torch.equal(method.attributions(x), found)


def contents(model):
    """The attributes that are no parts of torch's, tensors by value."""
    every = vars(nn.Module()).keys()
    return [
        {k: plain(v) for k, v in vars(m).items() if k not in every and k != "change"}
        for m in model.modules()
    ]


def plain(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | collections.deque):
        return [plain(v) for v in value]
    return sorted(map(str, map(plain, value))) if isinstance(value, set) else value


BUFFERS = {
    "int64 matrix": torch.arange(6).reshape(2, 3),
    "int8": torch.ones(2, 2, 2, dtype=torch.int8),
    "bool": torch.zeros(2, 3, dtype=torch.bool),
    "complex": torch.ones(2, 2, dtype=torch.complex128),
    "half": torch.ones(2, 2, dtype=torch.bfloat16),
    "scalar": torch.tensor(3),
    "uint8 images": torch.ones(2, 3, 4, 4, dtype=torch.uint8),
    "transposed": torch.arange(6.0).reshape(2, 3).T,
}


@pytest.mark.parametrize("kind", BUFFERS)
@pytest.mark.parametrize(
    "write",
    [
        lambda m, x: m.held.copy_(~m.held if m.held.dtype == torch.bool else m.held + 1),
        lambda m, x: m.held.data.zero_(),
        lambda m, x: setattr(m, "held", m.held.clone().fill_(1)),
        lambda m, x: setattr(m.held, "data", torch.zeros_like(m.held)),
    ],
    ids=["in place", "by way of data", "replaced", "other memory"],
)
def test_buffers_of_every_type(kind, write):
    leaves_no_trace(Writing(write, held=BUFFERS[kind].clone()))


CHANGES = {
    "a buffer is added": lambda m, x: m.register_buffer("new", torch.ones(2), persistent=False),
    "a buffer is deleted": lambda m, x: m._buffers.pop("held", None),
    "a buffer is resized": lambda m, x: m.held.resize_(3),
    "a buffer becomes None": lambda m, x: setattr(m, "held", None),
    "a parameter is added": lambda m, x: m.register_parameter("p", nn.Parameter(torch.ones(2))),
    "a parameter is replaced": lambda m, x: setattr(m, "scale", nn.Parameter(m.scale * 2)),
    "a parameter's memory": lambda m, x: setattr(m.scale, "data", m.scale * 2),
    "another layer's memory": lambda m, x: setattr(m.linear.weight, "data", m.linear.weight / 2),
    "a small parameter": lambda m, x: m.scale.mul_(2),
    "the same unseen": lambda m, x: m.scale.data.clamp_(max=0.5),
    "a module is added": lambda m, x: m.add_module("new", nn.Linear(2, 2)),
    "a module is replaced": lambda m, x: setattr(m, "linear", nn.Linear(4, 2).double()),
    "a module is deleted": lambda m, x: m._modules.pop("norm", None),
    "a flag": lambda m, x: m.norm.train(),
    "what is frozen": lambda m, x: m.scale.requires_grad_(True),
    "an attribute is added": lambda m, x: setattr(m, "last", x),
    "an attribute in place": lambda m, x: m.state.add_(1),
    "an attribute is deleted": lambda m, x: m.__dict__.pop("state", None),
    "an attribute in another's place": lambda m, x: setattr(m, "log", x),
    "a list": lambda m, x: m.tensors.append(x),
    "a list that held none": lambda m, x: m.log.append(x),
    "a member of a list": lambda m, x: m.tensors[0].add_(1),
    "a dict": lambda m, x: m.store.update(q=x, n=m.store.get("n", 0) + 1),
    "deep inside": lambda m, x: m.store["deep"][0]["h"].append(x),
    "a dict in a dict": lambda m, x: m.store.setdefault(len(m.store), {"h": [x]}),
    "a set": lambda m, x: m.seen.add(x),
    "a deque": lambda m, x: m.queue.append(x),
    "a default": lambda m, x: m.by_name["a"].append(x),
    "in order": lambda m, x: m.ordered.move_to_end("a"),
    "a cache and its length": lambda m, x: (m.state.add_(1), setattr(m, "n", m.n + 1)),
    "an object": lambda m, x: setattr(m, "record", Record(x)),
}


class Record:
    def __init__(self, h):
        self.h = h


class Keeping(Writing):
    """The same with attributes of many kinds."""

    def __init__(self, change):
        super().__init__(change, held=torch.zeros(2, 3))
        self.scale.requires_grad_(False)
        self.state, self.log, self.n, self.record = torch.zeros(3), [], 0, None
        self.tensors, self.seen = [torch.ones(2)], {torch.ones(2)}
        self.store = {"deep": ({"h": [torch.ones(1)]}, 3)}
        self.queue = collections.deque([torch.ones(1), torch.ones(2)], maxlen=2)
        self.by_name = collections.defaultdict(list)
        self.ordered = collections.OrderedDict(a=torch.ones(1), b=torch.ones(2))


@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
@pytest.mark.parametrize("change", CHANGES)
def test_what_forward_adds_replaces_or_deletes(change):
    leaves_no_trace(Keeping(CHANGES[change]))


@pytest.mark.parametrize("change", ["a list", "a small parameter", "a buffer is added"])
def test_the_same_after_an_error(change):
    def fail(model, x):
        CHANGES[change](model, x)
        raise KeyboardInterrupt

    model = Keeping(fail)
    before, state = TRACES["of"](model), copy.deepcopy(contents(model))
    with pytest.raises(KeyboardInterrupt):
        IntegratedGradients(model, qoi=0).attributions(X)
    assert TRACES["of"](model) == before
    assert contents(model) == state


def test_numbers_alone_are_the_model_s_own_business():
    model = Keeping(lambda m, x: (m.log.append(1), setattr(m, "n", m.n + 1)))
    InputAttribution(model, qoi=0).attributions(X)
    assert (model.n, model.log) == (1, [1])


def test_what_is_put_back_is_put_back_for_graphs_made_before():
    model = Writing(lambda m, x: m.scale.data.mul_(2))
    loss = functional.linear(X * model.scale, model.linear.weight).square().sum()
    InputAttribution(model, qoi=0).attributions(X)
    loss.backward()
    assert model.scale.grad is not None


def test_expanded_and_large_tensors_are_read_only():
    buffers = {"wide": torch.zeros(1, 3).expand(4, 3), "mask": torch.ones(2**10, 2**10).bool()}
    model = Writing(lambda m, x: None, **buffers)
    model.note = torch.ones(1, dtype=torch.float64).expand(2**18)
    leaves_no_trace(model)


@pytest.mark.filterwarnings("ignore:Sparse CSR", "ignore:The PyTorch API of nested tensors")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # deprecated there, still used
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.eye(3).to_sparse(),
        lambda: torch.eye(3).to_sparse_csr(),
        lambda: torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8),
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        lambda: torch.ones(3).as_subclass(type("Own", (torch.Tensor,), {})),
        lambda: torch.full((3,), float("nan")),
        lambda: torch.zeros(0, 3),
        lambda: torch.ones(3, 3).to(torch.float8_e4m3fn),
    ],
    ids=["sparse", "CSR", "quantised", "nested", "subclass", "not a number", "empty", "float8"],
)
def test_tensors_of_other_kinds_do_no_harm(make):
    model = Writing(lambda m, x: None)
    model.register_buffer("held", make())
    model.note, model.notes = make(), [make()]
    version = model.held._version
    found = InputAttribution(model, qoi=0).attributions(X)
    expected = X * model.linear.weight.detach()[0]
    assert relative_error(found, expected) <= 1e-10
    assert model.held._version == version


WARNED = {
    "mask": lambda m, x: m.mask.logical_not_(),
    "table": lambda m, x: m.table[0].mul_(0.5),
    "linear.weight": lambda m, x: m.linear.weight.clamp_(max=0.1),
    "norm.running_mean": lambda m, x: m.norm.running_mean.add_(1),
    "an attribute": lambda m, x: m.memory.add_(1),
}


@pytest.mark.parametrize("name", WARNED)
def test_writes_that_are_not_put_back_are_warned_of_by_name(name):
    model = Writing(WARNED[name], mask=torch.ones(2**10, 2**10, dtype=torch.bool))
    model.table = nn.Parameter(torch.ones(2**9, 2**9, dtype=torch.float64))
    model.memory = torch.ones(2**9, 2**9, dtype=torch.float64)
    with pytest.warns(TrulensWarning, match=rf"Writing wrote to '?{name}'? in.*deepcopy") as caught:
        InputAttribution(model, qoi=0).attributions(X)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        InputAttribution(copy.deepcopy(model).train(), qoi=lambda y: y[:, 0]).model.layers()
        model.change[0] = lambda m, x: None
        InputAttribution(model, qoi=0).attributions(X)


class Functional(nn.Module):
    """An embedding by a function, in a module of the user's."""

    def __init__(self, words):
        super().__init__()
        self.weight = words.weight
        self.out = nn.Identity()

    def forward(self, ids):
        return self.out(functional.embedding(ids, self.weight, max_norm=1.0))


class Bag(nn.Module):
    """Each word a bag of its own."""

    def __init__(self, words):
        super().__init__()
        self.bag = nn.EmbeddingBag(5, 3, max_norm=1.0, _weight=words.weight, mode="sum")

    def forward(self, ids):
        return self.bag(ids.reshape(-1, 1)).reshape(*ids.shape, 3)


class Tied(nn.Module):
    """The scores of words by the same weights."""

    def __init__(self, words):
        super().__init__()
        words.max_norm = 1.0
        self.words, self.scores = words, nn.Linear(3, 5, bias=False)
        self.scores.weight = words.weight

    def forward(self, ids):
        return torch.tanh(self.scores(self.words(ids)))[..., :3]


class TextModel(nn.Module):
    def __init__(self, first):
        super().__init__()
        self.first, self.head = first, nn.Linear(3, 2)

    def forward(self, ids):
        return self.head(torch.tanh(self.first(ids).sum(1)))


class Subclass(nn.Embedding):
    pass


@pytest.mark.parametrize(
    "make",
    [
        lambda w: nn.Embedding(5, 3, max_norm=1.0, _weight=w.weight),
        lambda w: Subclass(5, 3, max_norm=1.0, norm_type=1.0, _weight=w.weight),
        Functional,
        Bag,
        Tied,
    ],
    ids=["Embedding", "subclass", "functional", "EmbeddingBag", "tied"],
)
def test_renormalised_weights(make):
    """The numbers are those of the model itself; the weights are put back."""
    torch.manual_seed(0)
    model = TextModel(make(nn.Embedding(5, 3))).double().eval()
    with torch.no_grad():
        next(model.first.parameters()).mul_(4)
    before = TRACES["of"](model)
    cut = Cut("first")
    wrapper = get_model_wrapper(model)
    doi = LinearDoi(resolution=6, rule="midpoint", cut=cut)
    found = InternalInfluence(wrapper, cut, 1, doi).attributions(IDS)
    shown = wrapper.fprop(IDS, to_cut=cut)
    assert TRACES["of"](model) == before

    own = copy.deepcopy(model)
    z = own.first(IDS).detach()
    assert not torch.equal(next(own.parameters()), next(model.parameters()))  # it does write
    expected = torch.zeros_like(z)
    for i in range(6):
        point = (z * (i + 0.5) / 6).requires_grad_()
        y = own.head(torch.tanh(point.sum(1)))[:, 1].sum()
        expected += torch.autograd.grad(y, point)[0] / 6 * z
    assert relative_error(shown, z) <= 1e-10
    assert relative_error(found, expected) <= 1e-10


def test_large_renormalised_weights_are_put_back_too():
    words = nn.Embedding(2**12, 2**7, max_norm=0.1)
    assert words.weight.nbytes > 2**20
    model = nn.Sequential(words, nn.Flatten(), nn.Linear(3 * 2**7, 2))
    before = words.weight.detach().clone()
    InternalInfluence(model, ("0", None), 0, "point").attributions(IDS)
    assert torch.equal(words.weight, before)


class TestScripted:
    pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit")  # deprecated there, still used

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.h = nn.Linear(4, 2), torch.zeros(2)
            self.register_buffer("n", torch.zeros(2, 2, dtype=torch.long))

        def forward(self, x):
            y = torch.tanh(self.linear(x)) + self.h
            self.h = y.detach()[0]
            self.n += 1
            return y

    def test_tensors_inside(self):
        model = torch.jit.script(self.Module().double())
        model.h = torch.ones(2).double()
        method = InputAttribution(model, qoi=0)
        found = method.attributions(X)
        assert torch.equal(method.attributions(X), found)
        assert model.h.tolist() == [1, 1]
        assert not model.n.any()


def test_another_thread_s_state_is_not_taken_for_the_model_s():
    """What is put back was looked at when nobody else was at the model."""
    started, gate = threading.Event(), threading.Event()

    def slowly(model, x):
        model.held = torch.ones(3)
        started.set()
        gate.wait(5)

    model = Writing(slowly, held=torch.zeros(3))
    before = model.held
    first = threading.Thread(target=lambda: InputAttribution(model, qoi=0).attributions(X))
    second = threading.Thread(target=lambda: InputAttribution(model, qoi=0).attributions(X))
    first.start()
    started.wait(5)
    second.start()
    threading.Timer(0.1, gate.set).start()
    first.join()
    second.join()
    assert model.held is before


def test_results_do_not_depend_on_what_is_copied():
    """The numbers of a model that writes are those of the same model that does not."""
    model = Writing(lambda m, x: m.held.add_(1), held=torch.zeros(2, 2, dtype=torch.int64))
    plain_model = Writing(lambda m, x: None)
    plain_model.load_state_dict(model.state_dict(), strict=False)
    found = IntegratedGradients(model, qoi=1, resolution=4).attributions(np.asarray(X))
    expected = X * plain_model.linear.weight.detach()[1]
    assert relative_error(found, expected) <= 1e-10

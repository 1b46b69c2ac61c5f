"""What is kept of a model between calls: looked at again in each, and as good as a fresh look."""

import collections
import copy
import warnings

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from trulens_core import (
    Cut,
    InternalInfluence,
    LinearDoi,
    ModelInputs,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_torch.survey import Survey


class Pen:
    """What a layer writes when it is called; no part of what the model holds."""

    write = None


class Scaled(nn.Module):
    """A layer that is not torch's: small parameters, a buffer, and containers of its own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 0.5, 1.5]))
        self.table = nn.Parameter(torch.arange(8.0).reshape(2, 4))
        self.register_buffer("shift", torch.full((4,), 0.25))
        self.register_buffer("count", torch.tensor(3))
        self.sizes, self.options, self.seen = [1, 2], {"power": 1}, 0
        self.plan = {"deep": ([2.0], "word"), "others": [{}]}
        self.act = torch.tanh
        self.pen = Pen()

    def forward(self, h):
        if self.pen.write is not None:
            self.pen.write(self)
        h = h * self.weight + self.shift.to(h) + self.table[0].to(h) * sum(self.sizes)
        return self.act(h * sum(self.plan["deep"][0])) ** self.options["power"]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.own, self.last = nn.Linear(3, 4), Scaled(), nn.Linear(4, 2)

    def forward(self, x):
        return self.last(self.own(self.first(x)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


def method_of(model):
    doi = LinearDoi(resolution=4, cut=Cut("first"), rule="midpoint")
    return InternalInfluence(get_model_wrapper(model), (Cut("first"), None), 1, doi)


def called(method, model):
    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    return method.attributions(x.to(next(model.parameters())))


def held(model):
    """Everything that a model holds, by value, and which objects hold it."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    own = model.own
    objects = [(n, id(t), t.data_ptr(), t.dtype, t.stride()) for n, t in tensors.items()]
    copies = [t.detach().clone() for t in tensors.values()]
    containers = copy.copy(own.sizes), copy.copy(own.options), copy.deepcopy(own.plan)
    return objects, copies, *containers, own.seen


def assert_same_state(model, before):
    now = held(model)
    assert now[0] == before[0]
    assert all(torch.equal(a, b) for a, b in zip(now[1], before[1], strict=True))
    assert now[2:] == before[2:]


SINCE = {
    "nothing": lambda m: None,
    "a weight in place": lambda m: m.own.weight.data.mul_(2),
    "a weight's memory": lambda m: setattr(m.own.weight, "data", torch.ones(4)),
    "another weight": lambda m: setattr(m.own, "weight", nn.Parameter(torch.ones(4))),
    "a weight that is expanded": lambda m: setattr(m.own.weight, "data", torch.ones(1).expand(4)),
    "a table that is transposed": lambda m: setattr(m.own.table, "data", torch.rand(4, 2).T),
    "a buffer in place": lambda m: m.own.shift.fill_(1),
    "a buffer of another type": lambda m: setattr(m.own.shift, "data", m.own.shift.double()),
    "the type of all": lambda m: m.double(),
    "a larger weight": lambda m: setattr(m.own.table, "data", torch.rand(2000, 4)),
    "numbers in a list": lambda m: m.own.sizes.append(3),
    "an option": lambda m: m.own.options.update(power=2),
    "the name of an option": lambda m: (m.own.options.pop("power"), m.own.options.update(power=3)),
    "a number deep inside": lambda m: m.own.plan["deep"][0].append(3.0),
    "a list": lambda m: setattr(m.own, "sizes", [5]),
    "an attribute": lambda m: setattr(m.own, "act", torch.sin),
    "a class": lambda m: setattr(m.own, "__class__", Doubled),
    "a hook": lambda m: m.own.register_forward_hook(lambda m, a, y: y * y),
    "other hooks": lambda m: setattr(
        m.last, "_forward_hooks", collections.OrderedDict({10**9: lambda m, a, y: y * y})
    ),
    "a layer": lambda m: setattr(m, "last", nn.Linear(4, 2)),
    "evaluation mode": lambda m: m.eval(),
    "frozen weights": lambda m: m.requires_grad_(False),
}


class Doubled(Scaled):
    def forward(self, h):
        return 2 * super().forward(h)


@pytest.mark.parametrize("since", SINCE)
def test_what_changed_between_calls_is_seen(net, since):
    method = method_of(net)
    for _ in range(3):
        called(method, net)
    SINCE[since](net)
    before, flags = held(net), [p.requires_grad for p in net.parameters()]
    expected = called(method_of(copy.deepcopy(net)), net)
    for _ in range(3):
        found = called(method, net)
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
        assert_same_state(net, before)
        assert [p.requires_grad for p in net.parameters()] == flags


def unsafe(change):
    """A change that goes past torch's counter of writes."""

    def wrote(m):
        change(m)
        m.seen += 1

    return wrote


WRITES = {
    "into a weight": unsafe(lambda m: m.weight.data.add_(1)),
    "into two": unsafe(lambda m: (m.weight.data.add_(1), m.table.data.mul_(2))),
    "into a buffer": unsafe(lambda m: m.shift.add_(1)),
    "into a count": unsafe(lambda m: m.count.add_(1)),
    "other memory": unsafe(lambda m: setattr(m.weight, "data", m.weight.data + 1)),
    "a tensor in a list": unsafe(lambda m: m.sizes.append(torch.tensor(1.0))),
    "a tensor deep inside": unsafe(lambda m: m.plan["deep"][0].append(torch.tensor(1.0))),
    "a tensor in a dict in a list": unsafe(lambda m: m.plan["others"][0].update(a=torch.ones(1))),
    "a tensor as an option": unsafe(lambda m: m.options.update(more=torch.ones(1))),
}


@pytest.mark.parametrize(
    "since", ["nothing", "a weight's memory", "the type of all", "a table that is transposed",
              "a larger weight", "a buffer of another type", "numbers in a list", "an option",
              "a number deep inside"]
)  # fmt: skip
@pytest.mark.parametrize("write", WRITES)
def test_what_forward_writes_is_put_back_to_what_it_was_in_that_call(net, since, write):
    method = method_of(net)
    for _ in range(2):
        called(method, net)
    SINCE[since](net)
    before = held(net)
    net.own.pen.write = WRITES[write]
    for _ in range(2):
        called(method, net)
        assert_same_state(net, before)


def moved(m):
    m.renamed = m.last
    del m.last


def renamed(m):
    m.own.pencil = m.own.__dict__.pop("pen")


def other_dict(m):
    m.own.__dict__ = dict(m.own.__dict__)


CHANGES = {
    "a layer's name": moved,
    "an attribute's name": renamed,
    "an equal attribute": lambda m: setattr(m.own, "sizes", [1, 2]),
    "an equal weight": lambda m: setattr(m.own, "weight", nn.Parameter(m.own.weight.detach())),
    "the dict of attributes": other_dict,
    "a registry": lambda m: setattr(m.own, "_buffers", dict(m.own._buffers)),
    "a registry that is filled": lambda m: m.first._buffers.update(more=torch.ones(1)),
    "a buffer that is not saved": lambda m: m.own._non_persistent_buffers_set.add("shift"),
    "a module more": lambda m: m.add_module("more", nn.ReLU()),
    "a module less": lambda m: delattr(m, "last"),
    "hooks": lambda m: setattr(m.last, "_forward_hooks", collections.OrderedDict()),
    "a class": lambda m: setattr(m.own, "__class__", Doubled),
    "a mode": lambda m: m.own.train(False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_survey_holds_until_something_is_another_object(net, change):
    survey = Survey.of(net)
    assert not survey.holds()
    survey.remember()
    assert survey.holds()
    net.own.weight.data.add_(1)
    assert survey.holds()
    CHANGES[change](net)
    assert not survey.holds()


def test_weights_of_another_type_by_now_decide_what_sums_are_in(net):
    method = method_of(net)
    for _ in range(3):
        assert called(method, net).dtype == torch.float32
    net.own.double()
    net.last.double()
    expected = called(method_of(copy.deepcopy(net)), net)
    found = called(method, net)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)
    assert method.model.like() is net.first.weight
    types = [torch.float32, torch.float64]
    assert [w.dtype for w in method.model.floating_weights()] == types
    with method.model.opened(ModelInputs(), Cut("first")):
        assert [w.dtype for w in method.model.floating_weights()] == types
        net.own.float()
        net.last.float()
        assert list(method.model.floating_weights()) == [net.first.weight]


TOLD = [name for name in SINCE if name not in ("nothing", "another weight", "frozen weights")]
TOLD = [n for n in TOLD if "in place" not in n and "memory" not in n and "type" not in n]
TOLD = [n for n in TOLD if not n.startswith(("a weight", "a table", "a larger", "the name"))]


@pytest.mark.parametrize("since", TOLD)
def test_the_revision_is_another_one(net, since):
    method = method_of(net)
    for _ in range(3):
        called(method, net)
    model, first = method.model, method.model.revision()
    called(method, net)
    assert model.revision() == first
    change = SINCE[since](net)
    called(method, net)
    second = model.revision()
    assert second != first
    if since == "a hook":
        change.remove()
        called(method, net)
        assert model.revision() not in (first, second)


class Switched(nn.Module):
    """Rows see one another where a buffer says so."""

    def __init__(self, on):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)
        self.register_buffer("on", on)

    def forward(self, x):
        h = torch.tanh(self.first(x))
        return self.last(h * h.mean(0, keepdim=True) if self.on else h)


@pytest.mark.parametrize("off", [torch.tensor(False), torch.zeros(1), torch.tensor(0)])
def test_a_switch_that_is_turned_in_place_is_seen(off):
    net = Switched(off)
    method = method_of(net)
    for _ in range(3):
        called(method, net)
    first = method.model.revision()
    for turn in (lambda: net.on.fill_(1), lambda: net.on.data.fill_(0), lambda: net.on.fill_(1)):
        turn()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrulensWarning)  # rows see one another
            expected = called(method_of(copy.deepcopy(net)), net)
            torch.testing.assert_close(called(method, net), expected)
        assert method.model.revision() != first


def test_what_batch_norm_counts_is_no_switch():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    method = InternalInfluence(get_model_wrapper(net), (Cut("0"), None), 1, "point")
    called(method, net)
    first = method.model.revision()
    net(torch.rand(5, 3))
    called(method, net)
    assert method.model.revision() == first


NO_SWITCHES = {
    "CSR": lambda: torch.ones(1, 1).to_sparse_csr(),
    "MKLDNN": lambda: torch.zeros(1).to_mkldnn(),
    "nested": lambda: torch.nested.nested_tensor([torch.zeros(1)]),
    "fake": lambda: FakeTensorMode().from_tensor(torch.zeros(1)),
    "not a number": lambda: torch.tensor(torch.nan),
}


@pytest.mark.parametrize("held", NO_SWITCHES)
@pytest.mark.filterwarnings("ignore:.*(beta state|prototype):UserWarning")
def test_what_tells_no_value_is_no_switch(held):
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net[0].register_buffer("held", NO_SWITCHES[held]())
    method = InternalInfluence(get_model_wrapper(net), (Cut("0"), None), 1, "point")
    called(method, net)
    first = method.model.revision()
    called(method, net)
    assert method.model.revision() == first


def test_a_switch_that_is_no_longer_one_number_is_none():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net[0].register_buffer("held", torch.zeros(1))
    method = InternalInfluence(get_model_wrapper(net), (Cut("0"), None), 1, "point")
    expected = called(method, net)
    for shape in (3, 0, 1):
        net[0].held.data = torch.zeros(shape)
        torch.testing.assert_close(called(method, net), expected)

"""No trace: after a call, and after one that raised, the model and torch are as they were."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    DoI,
    GaussianDoi,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    Saliency,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

TRACES = runpy.run_path(str(Path(__file__).with_name("traces.py")))  # tests are no package
X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


class Net(nn.Module):
    """Layers that behave differently in training, one of them frozen in evaluation by the user."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.norm, self.frozen = nn.BatchNorm1d(6), nn.BatchNorm1d(6)
        self.drop, self.relu = nn.Dropout(0.5), nn.ReLU(inplace=True)
        self.head = nn.Linear(6, 3)
        self.frozen.eval()
        self.head.bias.requires_grad_(False)

    def forward(self, x):
        return self.head(self.relu(self.frozen(self.drop(self.norm(self.first(x))))))


@pytest.fixture
def model():
    """In the midst of being trained."""
    torch.manual_seed(0)
    net = Net()
    net(torch.tensor(X)).sum().backward()
    net.first.register_forward_hook(lambda module, args, output: None)
    return net


@pytest.fixture
def unchanged(model):
    before = TRACES["of"](model)
    yield
    after = TRACES["of"](model)
    for part, was in before.items():
        assert {k for k in was if was[k] != after[part][k]} == set()
        assert was.keys() == after[part].keys()


CALLS = {
    "saliency": lambda w: InputAttribution(w).attributions(X),
    "integrated": lambda w: IntegratedGradients(w, rebatch_size=3).attributions(X),
    "internal": lambda w: InternalInfluence(w, ("norm", "head"), 0, "linear").attributions(X),
    "at a layer": lambda w: IntegratedGradients(w, doi_cut="first").attributions(X),
    "explain": lambda w: InputAttribution(w, return_grads=True, return_doi=True).explain(X),
    "at an input": lambda w: InternalInfluence(w, Cut("relu", "in"), 0, "linear").attributions(X),
    "noise": lambda w: InputAttribution(w, doi=GaussianDoi(0.1, 3)).attributions(X),
    "several quantities": lambda w: InputAttribution(w, qoi=lambda y: y).attributions(X),
    "output": lambda w: w(X),
    "fprop": lambda w: w.fprop(X, to_cut="norm"),
    "intervention": lambda w: w.fprop(X, doi_cut="norm", intervention=np.zeros((10, 6))),
    "qoi_bprop": lambda w: w.qoi_bprop("max", X, attribution_cut="first"),
    "layers": lambda w: (w.layers(X), repr(w)),
}


@pytest.mark.parametrize("force_eval", [True, False])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.usefixtures("unchanged")
def test_calls_leave_no_trace(model, call, force_eval):
    CALLS[call](get_model_wrapper(model, force_eval=force_eval))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.usefixtures("unchanged")
def test_modes_of_the_caller_stay(model, mode):
    with mode():
        before = TRACES["of_process"]()
        IntegratedGradients(model, resolution=3).attributions(X)
        assert TRACES["of_process"]() == before


class FailedError(Exception):
    pass


class Stop(BaseException):
    """No Exception, as KeyboardInterrupt is not."""


ERRORS = [FailedError, Stop, KeyboardInterrupt, StopIteration, GeneratorExit, SystemExit]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("where", ["model", "quantity", "distribution", "baseline", "hook"])
@pytest.mark.usefixtures("unchanged")
def test_errors_in_the_middle_leave_no_trace(model, where, error):
    def fail(*args):
        raise error("on purpose")

    class Failing(DoI):
        def __call__(self, z):
            return fail()

    doi = Failing() if where == "distribution" else LinearDoi(fail if where == "baseline" else None)
    qoi = (lambda y: fail()) if where == "quantity" else "max"
    method = InternalInfluence(model, ("norm", None), qoi, doi)
    if where == "hook":
        handle = model.head.register_forward_hook(fail)
    if where == "model":
        model.head.forward = fail
    with pytest.raises(error, match="on purpose"):
        method.attributions(X)
    if where == "hook":
        handle.remove()
    if where == "model":
        del model.head.forward


@pytest.mark.usefixtures("unchanged")
def test_an_error_at_a_later_block_leaves_no_trace(model):
    calls = []

    def fail_at_last(y):
        calls.append(None)
        if len(calls) == 4:
            raise FailedError
        return y[:, 0]

    with pytest.raises(FailedError):
        IntegratedGradients(model, qoi=fail_at_last, rebatch_size=7).attributions(X)


def test_after_an_error_the_next_call_gives_the_same(model):
    method = InternalInfluence(model, ("norm", None), 0, LinearDoi(cut="norm"))
    before = method.attributions(X)
    with pytest.raises(IndexError):
        InternalInfluence(model, ("norm", None), 7, "point").attributions(X)
    assert np.array_equal(method.attributions(X), before)


def test_dropout_draws_nothing_from_the_caller_s_generator(model):
    wrapper = get_model_wrapper(model, force_eval=False)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    InputAttribution(wrapper).attributions(X)
    assert torch.equal(torch.rand(3), expected)


def test_a_graph_made_before_can_be_differentiated_after(model):
    """Nothing that it saved was written to, nor put back by writing."""
    model.eval()
    x = torch.tensor(X, requires_grad=True)
    loss = model(x).square().sum()
    IntegratedGradients(model, resolution=3).attributions(X)
    loss.backward()
    found = x.grad.clone()
    x.grad = None
    model(x).square().sum().backward()
    assert torch.equal(found, x.grad)


def test_a_graph_made_in_training_can_be_differentiated_after(model):
    """The running statistics were written and put back, behind the graph's back."""
    loss = model(torch.tensor(X)).square().sum()
    InputAttribution(get_model_wrapper(model, force_eval=False)).attributions(X)
    loss.backward()


def test_training_goes_on_as_without_it():
    def trained(explained):
        torch.manual_seed(0)
        model = Net()
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad])
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.tensor(X)).square().sum().backward()
            if explained:
                InternalInfluence(model, ("norm", None), 0, "linear").attributions(X)
            optimizer.step()
        return TRACES["frozen"](torch.cat([p.detach().flatten() for p in model.parameters()]))

    assert trained(True) == trained(False)


def test_hooks_on_parameters_still_work(model):
    seen = []
    model.first.weight.register_hook(lambda g: seen.append("gradient"))
    model.first.weight.register_post_accumulate_grad_hook(lambda p: seen.append("accumulated"))
    IntegratedGradients(model, resolution=3).attributions(X)
    assert not seen
    model(torch.tensor(X)).sum().backward()
    assert seen == ["gradient", "accumulated"]


class Stateful(nn.Module):
    """A recurrent layer that keeps its state, and counts, as no evaluation mode prevents."""

    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(4, 4)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("last", torch.zeros(4))
        self.state, self.pair = None, (torch.zeros(1, 4), torch.zeros(1, 4))

    def forward(self, x):
        y = torch.tanh(self.cell(x) + self.pair[0])
        self.mean.mul_(0.9).add_(0.1 * y.detach().mean(0))
        self.steps += 1
        self.last = y.detach()[0]
        self.state, self.pair = y, (y, y)
        self.new = y
        return y


def test_buffers_and_tensors_that_forward_writes_are_put_back():
    model = Stateful().eval()
    before = TRACES["of"](model)
    method = IntegratedGradients(model, resolution=3, rebatch_size=5)
    found = method.attributions(X[:1])
    assert TRACES["of"](model) == before
    assert np.array_equal(method.attributions(X[:1]), found)


def test_what_forward_counts_is_its_own_business():
    class Counting(nn.Linear):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return super().forward(x)

    model = Counting(4, 2)
    InputAttribution(model).attributions(X)
    assert model.calls == 1  # and saliency is one pass


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`")  # deprecated there, still used
@pytest.mark.parametrize(
    "normed",
    [
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
        nn.utils.parametrizations.orthogonal,
    ],
    ids=["old weight_norm", "old spectral_norm", "weight_norm", "spectral_norm", "orthogonal"],
)
def test_weights_that_are_computed_from_others(normed):
    torch.manual_seed(0)
    model = nn.Sequential(normed(nn.Linear(4, 6)), nn.Tanh(), nn.Linear(6, 3))
    model(torch.tensor(X))
    weight = vars(model[0]).get("weight")
    before = TRACES["of"](model)
    found = InputAttribution(model, qoi=0, multiply_activation=False).attributions(X)
    assert TRACES["of"](model) == before
    assert vars(model[0]).get("weight") is weight
    x = torch.tensor(X, requires_grad=True)
    (expected,) = torch.autograd.grad(model.eval()(x)[:, 0].sum(), x)
    assert relative_error(found, expected) <= 1e-6


@pytest.mark.parametrize(
    "model",
    [nn.Identity(), nn.Sequential(), nn.BatchNorm1d(4, affine=False).eval()],
    ids=["nothing", "empty", "buffers only"],
)
def test_models_without_parameters(model):
    before = TRACES["of"](model)
    x = torch.tensor(X, dtype=torch.float64)
    found = InputAttribution(model, qoi=0, multiply_activation=False).attributions(X)
    assert found[:, 0] == pytest.approx(1, rel=1e-4)
    assert not found[:, 1:].any()
    assert InputAttribution(nn.Tanh(), qoi=0).attributions(x).dtype == torch.float64
    assert TRACES["of"](model) == before


def test_tensors_that_are_no_parameters_get_no_gradient():
    class Patched(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = torch.ones(4, requires_grad=True)
            self.register_buffer("mask", torch.ones(4, requires_grad=True))

        def forward(self, x):
            return x * self.patch * self.mask

    model = Patched()
    InputAttribution(model).attributions(X)
    assert model.patch.grad is None
    assert model.mask.grad is None
    assert model.patch.requires_grad
    assert model.mask.requires_grad


def test_the_caller_s_models_inside_a_quantity_are_left_alone(model):
    """A quantity may ask another model, or the same one."""
    wrapper = get_model_wrapper(model)
    before = TRACES["of"](model)

    def against_itself(y):
        return y[:, 0] * wrapper(torch.zeros(1, 4))[0, 0] + model(torch.zeros(1, 4))[0, 1]

    method = InternalInfluence(wrapper, (InputCut(), None), against_itself, LinearDoi(resolution=3))
    found = method.attributions(X)
    assert TRACES["of"](model) == before
    model.eval()
    factor = model(torch.zeros(1, 4))[0, 0].item()
    expected = InternalInfluence(
        wrapper, (InputCut(), None), lambda y: y[:, 0] * factor, LinearDoi(resolution=3)
    ).attributions(X)
    assert relative_error(found, expected) <= 1e-5


class Turned(nn.Module):
    """Gives its weights the same memory in another order, and leaves them so."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4, bias=False)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        self.layer.weight.data = self.layer.weight.data.t()
        return self.head(self.layer(x).tanh())


def test_weights_that_forward_turns_over_are_turned_back():
    torch.manual_seed(0)
    model = Turned()
    before = model.layer.weight.detach().clone()
    method = InputAttribution(model, qoi=0, multiply_activation=False)
    for _ in range(3):
        found = method.attributions(torch.from_numpy(X))
        assert torch.equal(model.layer.weight, before)
        assert model.layer.weight.is_contiguous()
    x = torch.from_numpy(X).requires_grad_()
    model(x)[:, 0].sum().backward()
    assert torch.equal(found, x.grad)


def test_a_list_that_grows_is_no_news_for_the_records_of_the_next_pass():
    """As where a model keeps keys and values of what it read before."""

    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.past = []

        def forward(self, x):
            self.past.append(x)
            return x * len(self.past)

    x, model = torch.rand(3, 4), Remembers()
    method = Saliency(model, qoi=1, rebatch_size=1)
    for _ in range(3):
        found = method.attributions(x)
        assert torch.equal(found, torch.eye(4)[1].expand(3, 4))
        assert model.past == []

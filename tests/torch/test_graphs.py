"""CUDA graphs, `get_model_wrapper(model, graphs=True)`: by a stand-in on the CPU, and on a GPU."""

import copy
import pickle
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    Conductance,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.errors import TrulensWarning
from trulens_core.testing import relative_error
from trulens_torch.constants import Constants
from trulens_torch.graphs import Graphs

Recorder = runpy.run_path(str(Path(__file__).with_name("recorded.py")))["Recorder"]
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=GPU)]


def net(width=6):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, width), nn.ReLU(inplace=True), nn.Linear(width, 4), nn.Tanh(), nn.Linear(4, 3)
    ).double()


def wrapped(model, device="cpu", **options):
    """A wrapper that records, and its recorder; on a GPU the real one, which counts nothing."""
    wrapper = get_model_wrapper(model.to(device), graphs=True, **options)
    recorder = Recorder()
    if device == "cpu":
        wrapper._graphs = Graphs(recorder)
    return wrapper, recorder


def records(i, b=2, device="cpu"):
    torch.manual_seed(i)
    return torch.randn(b, 5, dtype=torch.float64, device=device)


def line(cut):
    return LinearDoi(resolution=6, cut=cut, rule="midpoint")


METHODS = {
    "saliency": lambda w: InputAttribution(w, qoi=1),
    "IG": lambda w: IntegratedGradients(w, resolution=6, qoi=1),
    "IG in blocks": lambda w: IntegratedGradients(w, resolution=6, qoi=1, rebatch_size=4),
    "a layer's path": lambda w: InternalInfluence(w, ("1", None), 1, line("1")),
    "a layer's path in blocks": lambda w: InternalInfluence(
        w, ("1", None), 1, line("1"), rebatch_size=6
    ),
    "a baseline": lambda w: InternalInfluence(
        w, ("1", None), 1, LinearDoi(0.5, resolution=6, cut="1", rule="midpoint")
    ),
    "a layer for the input's path": lambda w: Conductance(w, "1", resolution=6, qoi=1),
    "noise": lambda w: InputAttribution(w, qoi=1, doi=GaussianDoi(0.1, 6)),
    "the largest": lambda w: InputAttribution(w, qoi="max"),
    "labels": lambda w: InputAttribution(w, qoi=ClassQoI(np.array([0, 2]))),
    "a layer's units": lambda w: InputAttribution(w, qoi_cut="2", qoi=2),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", METHODS)
def test_a_recording_gives_what_the_model_gives(kind, device):
    wrapper, recorder = wrapped(net(), device)
    ours, plain = METHODS[kind](wrapper), METHODS[kind](get_model_wrapper(net().to(device)))
    for i in range(8):
        x = records(i, device=device)
        found, expected = ours.attributions(x).cpu(), plain.attributions(x).cpu()
        assert relative_error(found.numpy(), expected.numpy()) < 1e-10
    if device == "cpu":
        assert recorder.recorded, kind
        assert recorder.replayed > 3 * recorder.recorded, kind


def test_results_are_memory_of_their_own():
    method = METHODS["IG"](wrapped(net())[0])
    found = [method.attributions(records(i)) for i in range(6)]
    before = [t.clone() for t in found]
    method.attributions(records(9))
    assert all(torch.equal(a, b) for a, b in zip(found, before, strict=True))


def test_another_class_is_the_same_recording():
    wrapper, recorder = wrapped(net())
    plain = get_model_wrapper(net())
    for i in range(9):
        found = InputAttribution(wrapper, qoi=i % 3).attributions(records(i))
        expected = InputAttribution(plain, qoi=i % 3).attributions(records(i))
        assert torch.allclose(found, expected, rtol=1e-12)
    assert recorder.recorded == 1


def test_a_class_that_is_not_there_is_an_error_before_a_recording_runs():
    wrapper, recorder = wrapped(net())
    method = InputAttribution(wrapper, qoi=1)
    for i in range(5):
        method.attributions(records(i))
    ran = recorder.replayed
    assert ran
    with pytest.raises(IndexError, match="unit 7"):
        InputAttribution(wrapper, qoi=7).attributions(records(0))
    assert recorder.replayed == ran


def recorded(method, n=5, **options):
    for i in range(n):
        method.attributions(records(i, **options))


def test_weights_that_are_written_are_followed():
    model = net()
    wrapper, recorder = wrapped(model)
    method = METHODS["IG"](wrapper)
    recorded(method)
    with torch.no_grad():
        model[0].weight.mul_(-2)
    n = recorder.recorded
    found = method.attributions(records(7))
    assert recorder.recorded == n
    expected = METHODS["IG"](get_model_wrapper(copy.deepcopy(model))).attributions(records(7))
    assert torch.allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("how", ["memory", "parameter", "module", "buffer"])
def test_weights_that_are_others_are_recorded_anew(how):
    model = nn.Sequential(*net(), nn.BatchNorm1d(3).double())
    model[-1].running_mean += 1
    wrapper, recorder = wrapped(model)
    method = METHODS["IG"](wrapper)
    recorded(method)
    n = recorder.recorded
    new = torch.full_like(model[0].weight.data, 0.5)
    if how == "memory":
        model[0].weight.data = new
    elif how == "parameter":
        model[0].weight = nn.Parameter(new)
    elif how == "module":
        model[3] = nn.Sigmoid()
    else:
        model[-1].running_var = torch.full((3,), 9.0, dtype=torch.float64)
    expected = METHODS["IG"](get_model_wrapper(copy.deepcopy(model)))
    for i in range(5):
        x = records(i)
        assert torch.allclose(method.attributions(x), expected.attributions(x), rtol=1e-12)
    assert recorder.recorded > n


def test_other_shapes_and_switches_have_recordings_of_their_own():
    wrapper, recorder = wrapped(net())
    method = METHODS["saliency"](wrapper)
    recorded(method)
    recorded(method, b=3)
    assert recorder.recorded == 2
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        recorded(method)
    finally:
        torch.set_float32_matmul_precision(before)
    assert recorder.recorded == 3


class Reads(nn.Module):
    def forward(self, x):
        return x * x.sum().item()


class Draws(nn.Module):
    def forward(self, x):
        return x * torch.rand_like(x)


class Counts(nn.Module):
    n = 0

    def forward(self, x):
        self.n += 1
        return x * self.n


def hooked():
    model = net()
    model[1].register_forward_hook(lambda m, x, y: None)
    return model


EAGER = {
    "it reads a value": (lambda: nn.Sequential(Reads(), net()), {}, "not permitted when"),
    "it draws numbers": (lambda: nn.Sequential(Draws(), net()), {}, "gives other numbers"),
    "hooks": (hooked, {}, "have hooks"),
    "training": (
        lambda: nn.Sequential(net(), nn.Dropout(0.0)).train(),
        {"force_eval": False},
        "training mode",
    ),
    "scripted": (lambda: nn.Sequential(torch.jit.script(net())), {}, "scripted"),
}


@pytest.mark.parametrize("what", EAGER)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit
def test_what_cannot_be_recorded_is_evaluated_and_said_once(what):
    make, options, message = EAGER[what]
    wrapper, recorder = wrapped(make(), **options)
    method = InputAttribution(wrapper, qoi=1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TrulensWarning)
        recorded(method, 8)
    ours = [str(w.message) for w in said if "graphs=True" in str(w.message)]
    assert len(ours) == 1
    assert message in ours[0]
    assert recorder.replayed <= 1
    assert not [
        w for w in said if issubclass(w.category, TrulensWarning) and str(w.message) not in ours
    ]


def test_a_model_that_has_its_hooks_removed_is_recorded():
    model = net()
    handle = model[1].register_forward_hook(lambda m, x, y: None)
    wrapper, recorder = wrapped(model)
    method = METHODS["saliency"](wrapper)
    with pytest.warns(TrulensWarning, match="have hooks"):
        recorded(method)
    handle.remove()
    recorded(method)
    assert recorder.replayed


def test_a_model_that_counts_its_calls_is_never_recorded():
    """Its attributes are others each time."""
    wrapper, recorder = wrapped(nn.Sequential(Counts(), net()))
    found = [InputAttribution(wrapper, qoi=1).attributions(records(0)) for _ in range(5)]
    assert not recorder.recorded
    plain = get_model_wrapper(nn.Sequential(Counts(), net()))
    expected = [InputAttribution(plain, qoi=1).attributions(records(0)) for _ in range(5)]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("options", [{"qoi": lambda y: y[:, 0]}, {"qoi": 0, "contract": -1}])
def test_what_a_recording_would_leave_out_is_evaluated_and_said_once(options):
    wrapper, recorder = wrapped(net())
    with pytest.warns(TrulensWarning, match="would leave out") as said:
        recorded(InputAttribution(wrapper, **options))
    assert len(said) == 1
    assert not recorder.recorded


def test_on_the_cpu_it_is_said_and_changes_nothing():
    method = METHODS["IG"](get_model_wrapper(net(), graphs=True))
    with pytest.warns(TrulensWarning, match="not on a GPU") as said:
        recorded(method)
    assert len(said) == 1
    expected = METHODS["IG"](get_model_wrapper(net())).attributions(records(3))
    assert torch.equal(method.attributions(records(3)), expected)


def test_without_the_option_nothing_is_recorded(monkeypatch):
    monkeypatch.setattr(Graphs, "repeated", lambda *_: pytest.fail("recorded"))
    recorded(METHODS["IG"](get_model_wrapper(net())))


@pytest.mark.filterwarnings("ignore:the gradients at")
def test_nothing_is_recorded_while_values_are_not_finite():
    """There would be nothing to compare."""
    wrapper, recorder = wrapped(net())
    method = METHODS["saliency"](wrapper)
    for _ in range(5):
        method.attributions(torch.full((2, 5), float("nan"), dtype=torch.float64))
    assert not recorder.recorded
    recorded(method)
    assert recorder.replayed


def test_copies_have_no_recordings():
    wrapper, recorder = wrapped(net())
    recorded(METHODS["saliency"](wrapper))
    assert recorder.replayed
    twin = copy.deepcopy(wrapper)
    assert not len(twin._graphs._held)
    graphs = Graphs()
    graphs._held.get("a kind", object)
    assert not len(pickle.loads(pickle.dumps(graphs))._held)


def test_copies_of_the_hosts_are_given_again_and_others_refused():
    constants = Constants()
    number = torch.tensor([1.0, 2.0])
    with constants.seen():
        first = number.to("meta")
    with constants.given():
        assert number.clone().to("meta") is first
        with pytest.raises(RuntimeError, match="another tensor of the host's"):
            number.to("meta")
    with constants.given(), pytest.raises(RuntimeError, match="another tensor of the host's"):
        (number + 1).to("meta")

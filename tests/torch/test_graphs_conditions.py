"""What a recording of CUDA graphs stands for, one condition at a time, by a stand-in on the CPU."""

import contextlib
import runpy
import subprocess
import sys
import warnings
import weakref
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import nn

from trulens_core import ClassQoI, Cut, InputAttribution, get_model_wrapper
from trulens_core.errors import TrulensWarning
from trulens_core.rules.composites import epsilon
from trulens_torch.graphs import Graphs, _close, _kind
from trulens_torch.survey import Survey

Recorder = runpy.run_path(str(Path(__file__).with_name("recorded.py")))["Recorder"]
CALLS = 4
"""After so many of one kind it has been recorded, and the recording was run."""


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3)).double()


def doubled(tensors):
    return tensors[0] * 2


class Calls:
    """Calls of one key, of a model."""

    def __init__(self, model=None, recorder=None):
        self.recorder = recorder or Recorder()
        self.graphs, self.model = Graphs(self.recorder), model or net().eval()

    def __call__(self, x, key="a key", run=doubled):
        found = [self.graphs.repeated(key, run, [x], Survey.of(self.model)) for _ in range(CALLS)]
        assert all(torch.equal(y.double(), 2 * x.double()) for y in found)
        return self.recorder.recorded


X = torch.rand(2, 3, dtype=torch.float64)


# -- the same kind of tensors ---------------------------------------------------------------------


@pytest.mark.parametrize("other", [X[:1], X.float(), X.T.contiguous().T], ids=str)
def test_other_tensors_are_another_kind(other):
    calls = Calls()
    assert (calls(X), calls(other), calls(X)) == (1, 2, 2)


def test_another_device_is_another_kind():
    assert _kind(X.to("meta")) != _kind(torch.empty_like(X))


def test_what_is_asked_is_another_kind():
    calls = Calls()
    assert (calls(X), calls(X, "another"), calls(X)) == (1, 2, 2)


# -- the same switches ----------------------------------------------------------------------------


@contextlib.contextmanager
def switched(get, put, value):
    before = get()
    put(value)
    try:
        yield
    finally:
        put(before)


def backend(name, value):
    cudnn = torch.backends.cudnn
    return lambda: switched(lambda: getattr(cudnn, name), lambda v: setattr(cudnn, name, v), value)


def half(dtype):
    return lambda: torch.autocast("cpu", dtype)


SWITCHES = {
    "autocast": half(torch.bfloat16),
    "precision": lambda: switched(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "high"
    ),
    "TF32": backend("allow_tf32", not torch.backends.cudnn.allow_tf32),
    "cuDNN": backend("enabled", not torch.backends.cudnn.enabled),
    # as told; the switch itself takes seconds to load what it governs
    "deterministic": lambda: mock.patch.object(
        torch, "are_deterministic_algorithms_enabled", return_value=True
    ),
}


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_has_a_recording_of_its_own(name):
    calls = Calls()
    assert calls(X) == 1
    with SWITCHES[name]():
        assert calls(X) == 2
    assert calls(X) == 2


def test_each_type_of_autocast_has_a_recording_of_its_own():
    calls = Calls()
    with half(torch.bfloat16)():
        assert calls(X) == 1
    with half(torch.float16)():
        assert calls(X) == 2


# -- the same memory ------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["parameter", "buffer"])
def test_each_weight_must_lie_where_it_lay(what):
    model = nn.Sequential(net(), nn.BatchNorm1d(3).double()).eval()
    calls = Calls(model)
    assert (calls(X), calls(X)) == (1, 1)
    before = model[0][0].weight if what == "parameter" else model[1].running_var
    before.data = before.data.clone()
    assert (calls(X), calls(X)) == (2, 2)


class Counting(Recorder):
    """Says how many of what it recorded are in memory when it records again."""

    def __init__(self):
        super().__init__()
        self.held, self.alive = [], []

    def record(self, run):
        self.alive.append(sum(ref() is not None for ref in self.held))
        found, replay = super().record(run)
        self.held.append(weakref.ref(found))
        return found, replay


def test_the_old_recording_goes_before_a_new_one_is_made():
    calls = Calls(recorder=Counting())
    calls(X)
    calls.model[0].weight.data = calls.model[0].weight.data.clone()
    calls(X)
    assert calls.recorder.alive == [0, 0]


def test_sixteen_recordings_are_kept():
    calls = Calls()
    for i in range(20):
        calls(X, key=i)
    assert len(calls.graphs._held) == 16


# -- what cannot be recorded ----------------------------------------------------------------------


def hooked(register):
    model = net().eval()
    register(model[1])
    return model


def with_buffer_of_inference():
    model = net().eval()
    with torch.inference_mode():
        model.register_buffer("scale", torch.ones(1))
    return model


NOTHING = lambda *_: None
OBSTACLES = {
    "training": (lambda: net().train(), "training mode"),
    "forward hook": (lambda: hooked(lambda m: m.register_forward_hook(NOTHING)), "hooks"),
    "pre-hook": (lambda: hooked(lambda m: m.register_forward_pre_hook(NOTHING)), "hooks"),
    "backward hook": (lambda: hooked(lambda m: m.register_full_backward_hook(NOTHING)), "hooks"),
    "backward pre-hook": (
        lambda: hooked(lambda m: m.register_full_backward_pre_hook(NOTHING)),
        "hooks",
    ),
    "hook of accelerate": (lambda: hooked(lambda m: setattr(m, "_hf_hook", object())), "hooks"),
    "buffer of inference": (with_buffer_of_inference, "inference_mode"),
    "data-parallel": (lambda: nn.DataParallel(net().eval()).eval(), "data-parallel"),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_each_obstacle_is_said_once_and_nothing_is_recorded(name):
    make, message = OBSTACLES[name]
    calls = Calls(make())
    with pytest.warns(TrulensWarning, match=message) as said:
        assert calls(X) == 0
    assert len(said) == 1


class OfDoubles(Recorder):
    """As if other types were on other devices."""

    def serves(self, t):
        return t.dtype is torch.float64


@pytest.mark.parametrize("what", ["inputs", "weights"])
def test_what_lies_elsewhere_is_evaluated_eagerly(what):
    model, x = (net().eval(), X.float()) if what == "inputs" else (net().eval().float(), X)
    with pytest.warns(TrulensWarning, match="not on a GPU"):
        assert Calls(model, OfDoubles())(x) == 0


def test_without_tensors_there_is_nothing_to_record():
    graphs = Graphs(Recorder())
    with pytest.warns(TrulensWarning, match="not on a GPU"):
        assert graphs.repeated("a key", len, [], Survey.of(net().eval())) == 0


def test_what_cannot_be_recorded_is_not_tried_again():
    tried = []

    def reads(tensors):
        tried.append(torch.is_grad_enabled())
        return tensors[0] * (2.0 + 0 * tensors[0].sum().item())

    calls = Calls()
    with pytest.warns(TrulensWarning, match="not permitted"):
        calls(X, run=reads)
    n = len(tried)
    calls(X, run=reads)  # which says nothing more: warnings are errors here
    assert len(tried) - n == CALLS  # one each, and no further warm-up


# -- compared with the eager pass -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ([X, 1], True),
        ([X + 1e-3, 1], False),
        ([X, 2], False),
        ([torch.full_like(X, float("nan")), 1], False),
    ],
)
def test_what_counts_as_the_same(found, same):
    assert _close(found, [X, 1]) == same


# -- nothing of the caller's is left out, and what changes is data or another kind ----------------


class Switched(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net()

    def forward(self, x, flag=None):
        y = self.net(x)
        return y if flag is None else -y


def asked(wrapper, x, *args, **options):
    return [InputAttribution(wrapper, **options).attributions(x, *args) for _ in range(CALLS)][-1]


def recording(model):
    wrapper, recorder = get_model_wrapper(model, graphs=True), Recorder()
    wrapper._graphs = Graphs(recorder)
    return wrapper, recorder


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ((), {"qoi": 0, "rules": epsilon()}),
        ((), {"qoi": 0, "qoi_cut": Cut("net.2", accessor=lambda v: v)}),
        ((object(),), {"qoi": 0}),
    ],
    ids=["rules", "accessor", "object"],
)
def test_code_and_objects_of_the_caller_s_are_evaluated(args, options):
    wrapper, recorder = recording(Switched())
    with pytest.warns(TrulensWarning, match="would leave out"):
        found = asked(wrapper, X, *args, **options)
    assert not recorder.recorded
    assert torch.equal(found, asked(get_model_wrapper(Switched()), X, *args, **options))


def test_other_plain_arguments_are_another_kind_and_labels_are_data():
    wrapper, recorder = recording(Switched())
    plain = get_model_wrapper(Switched())
    counts = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrulensWarning)
        for args, labels in (((), [0, 1]), ((), [2, 0]), ((1,), [2, 0])):
            found = asked(wrapper, X, *args, qoi=ClassQoI(labels))
            expected = InputAttribution(plain, qoi=ClassQoI(labels)).attributions(X, *args)
            assert torch.allclose(found, expected, rtol=1e-12)
            counts.append(recorder.recorded)
    assert counts == [1, 1, 2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_the_benchmark_of_a_gpu_says_that_there_is_none():
    script = Path(__file__).parents[2] / "benchmarks" / "torch_short.py"
    command = [sys.executable, str(script), "--device", "cuda"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("There is no GPU that torch ")
    assert len(done.stderr.splitlines()) == 1

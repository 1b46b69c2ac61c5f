"""Several threads at once, and Ctrl-C at any moment: nothing mixed up, nothing left behind."""

import concurrent.futures
import os
import random
import runpy
import signal
import subprocess
import sys
import textwrap
import threading
import timeit
from pathlib import Path

import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    DoI,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)

TRACES = runpy.run_path(str(Path(__file__).with_name("traces.py")))  # tests are no package
X = torch.linspace(-1, 1, 12).reshape(3, 4)
PATIENCE = 120
"""Seconds until a thread counts as stuck."""


class Gate(nn.Module):
    """Where a thread of a name waits in its first forward pass, until it is let through."""

    def __init__(self):
        super().__init__()
        self.closed = {}

    def close(self, thread):
        self.closed[thread] = reached, through = threading.Event(), threading.Event()
        return reached, through

    def forward(self, x):
        if gate := self.closed.pop(threading.current_thread().name, None):
            gate[0].set()
            assert gate[1].wait(PATIENCE)
        return x


class Gated(nn.Module):
    """A model in training mode, with dropout, that waits between its layers."""

    def __init__(self, encoder=None):
        super().__init__()
        self.first = encoder or nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
        self.gate, self.head = Gate(), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.gate(self.first(x)))


def started(name, function):
    """A thread of that name, and what its function returns."""
    result = concurrent.futures.Future()

    def run():
        try:
            result.set_result(function())
        except BaseException as error:  # noqa: BLE001 - for the test's own thread
            result.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return result


def explained(model, **options):
    wrapper = get_model_wrapper(model, **options)
    return InternalInfluence(wrapper, ("first", None), 0, LinearDoi(resolution=3)).attributions(X)


# -- threads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True], ids=["models apart", "models share an encoder"])
@pytest.mark.parametrize("first_out", ["a", "b"])
def test_two_models_explained_at_once(shared, first_out):
    """However the two overlap: the numbers are those of one alone, and nothing stays changed."""
    torch.manual_seed(0)
    a = Gated()
    models = {"a": a, "b": Gated(a.first if shared else None)}
    expected = {n: explained(m) for n, m in models.items()}
    before = {n: TRACES["of"](m) for n, m in models.items()}
    gates = {n: m.gate.close(n) for n, m in models.items()}
    found = {"a": started("a", lambda: explained(models["a"]))}
    assert gates["a"][0].wait(PATIENCE)
    found["b"] = started("b", lambda: explained(models["b"]))
    overlap = gates["b"][0].wait(0.2 if shared else PATIENCE)
    assert overlap is not shared
    last_out = "b" if first_out == "a" else "a"
    if not shared:
        gates[first_out][1].set()
        found[first_out].result(PATIENCE)
    for _, through in gates.values():
        through.set()
    assert torch.equal(found[last_out].result(PATIENCE), expected[last_out])
    assert torch.equal(found[first_out].result(PATIENCE), expected[first_out])
    assert {n: TRACES["of"](m) for n, m in models.items()} == before


@pytest.mark.parametrize("first_out", ["a", "b"])
def test_random_numbers_drawn_in_two_threads_leave_the_generator_as_it_was(first_out):
    models = {"a": Gated(), "b": Gated()}
    gates = {n: m.gate.close(n) for n, m in models.items()}
    before = torch.get_rng_state()
    found = {}
    for n, m in models.items():
        found[n] = started(n, lambda m=m: explained(m, force_eval=False))
        assert gates[n][0].wait(PATIENCE)
    for n in (first_out, *gates):
        gates[n][1].set()
        found[n].result(PATIENCE)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_model_in_many_threads():
    torch.manual_seed(0)
    model = Gated()
    calls = [
        lambda: explained(model),
        lambda: IntegratedGradients(model, resolution=5, rebatch_size=4).attributions(X),
        lambda: get_model_wrapper(model)(X),
        lambda: InputAttribution(model, qoi=1).attributions(X),
    ]
    expected = [call() for call in calls]
    before = TRACES["of"](model)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda call: call(), calls * 10))
    assert all(torch.equal(f, e) for f, e in zip(found, expected * 10, strict=True))
    assert TRACES["of"](model) == before


def test_one_method_in_many_threads():
    torch.manual_seed(0)
    method = IntegratedGradients(Gated(), resolution=4)
    inputs = [X * i for i in range(1, 9)]
    expected = [method.attributions(x) for x in inputs]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(method.attributions, inputs))
    assert all(torch.equal(f, e) for f, e in zip(found, expected, strict=True))


def test_another_thread_may_use_the_model_meanwhile():
    """A server goes on predicting: its passes see no interventions, and are not cut short."""
    model = Gated().eval()
    expected = model(X).detach()
    method = InternalInfluence(model, ("first", "gate"), lambda y: y[:, 0], LinearDoi(cut="first"))
    method.attributions(X)  # from now on the pass ends at the gate
    reached, through = model.gate.close("explaining")
    explaining = started("explaining", lambda: method.attributions(X))
    assert reached.wait(PATIENCE)
    assert torch.equal(model(X).detach(), expected)
    through.set()
    assert explaining.result(PATIENCE).shape == X.shape


@pytest.mark.parametrize("anchor", ["in", "out"])
def test_another_thread_meets_a_hook_that_is_being_removed(anchor):
    """Between torch's two steps a hook is called without the keyword arguments it asked for."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    found, expected = [], model(X).detach()

    def use():
        for kinds in ("_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs"):
            getattr(model[0], kinds).clear()
        found.append(model(X).detach())

    class Used(DoI):
        def __call__(self, z):
            return [z, z / 2]

    def quantity(y):
        if not found:
            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
        return y[:, 0]

    cut = Cut("0", anchor)
    InternalInfluence(model, cut, quantity, Used(cut), rebatch_size=3).attributions(X)
    assert torch.equal(found[0], expected)


def test_a_thread_that_failed_holds_nobody_up():
    model = Gated()

    def fail(y):
        raise ValueError("on purpose")

    failed = started("failing", lambda: InputAttribution(model, qoi=fail).attributions(X))
    with pytest.raises(ValueError, match="on purpose"):
        failed.result(PATIENCE)
    assert started("next", lambda: explained(model)).result(PATIENCE).shape == X.shape


def test_a_quantity_may_explain_in_turn():
    """The same thread may come in again, at the same model."""
    model = Gated()

    def twice(y):
        return y[:, 0] * explained(model).sum()

    inner = explained(model).sum()
    method = InputAttribution(model, qoi=twice)
    expected = InputAttribution(model, qoi=lambda y: y[:, 0] * inner)
    assert torch.equal(method.attributions(X), expected.attributions(X))


# -- interrupts ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _interruptible():
    """SIGINT raises, as in a terminal, also where a shell runs the tests in the background."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


class Interrupting(nn.Module):
    """Sends SIGINT to this process in one of its forward passes."""

    def __init__(self, at):
        super().__init__()
        self.left, self.first, self.head = [at], nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        y = self.first(x)
        self.left[0] -= 1
        if self.left[0] == 0:
            signal.raise_signal(signal.SIGINT)
        return self.head(y)


@pytest.mark.parametrize("at", [1, 3])
def test_sigint_in_a_forward_pass(at):
    model = Interrupting(at)
    before = TRACES["of"](model)
    method = IntegratedGradients(model, doi_cut="first", resolution=50, rebatch_size=30)
    with pytest.raises(KeyboardInterrupt):
        method.attributions(X)
    assert TRACES["of"](model) == before
    assert started("another", lambda: method.attributions(X)).result(PATIENCE).shape == X.shape


def test_sigint_in_a_distribution():
    class Pressed(DoI):
        def __call__(self, z):
            os.kill(os.getpid(), signal.SIGINT)
            return [z]

    model = Gated()
    before = TRACES["of"](model)
    with pytest.raises(KeyboardInterrupt):
        InputAttribution(model, doi=Pressed()).attributions(X)
    assert TRACES["of"](model) == before


# where one arrives in the callback of a weak reference, Python drops it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_sigint_by_a_timer_in_the_middle_of_a_long_call():
    model, arrived = Gated(), threading.Event()

    def press():
        while not arrived.wait(0.5):
            os.kill(os.getpid(), signal.SIGINT)

    before = TRACES["of"](model)
    method = IntegratedGradients(model, resolution=10**6, rebatch_size=30)
    thread = threading.Thread(target=press, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        method.attributions(X)
    arrived.set()
    thread.join()
    assert TRACES["of"](model) == before
    assert explained(model).shape == X.shape


# where one arrives in the callback of a weak reference, Python drops it
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers of the system")
@pytest.mark.parametrize("compiler", [False, True], ids=["", "compiler loaded"])
def test_an_interrupt_at_any_moment_leaves_no_trace(compiler):
    """Some of them arrive while the model is put right or put back, where most time is spent."""
    if compiler:
        torch.compile(lambda x: x, backend="eager")
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()) for _ in range(30)]
    model = nn.Sequential(*blocks, nn.Linear(4, 2))
    method = InternalInfluence(model, ("3", None), 0, "point")
    expected = method.attributions(X)
    duration = min(timeit.repeat(lambda: method.attributions(X), number=1, repeat=5))
    before = TRACES["of"](model)
    generator = random.Random(0)
    armed, interrupted = [False], 0

    def interrupt(signum, frame):
        if armed[0]:  # not in the test's own lines
            armed[0] = False
            raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(200):
            signal.setitimer(signal.ITIMER_REAL, generator.uniform(1e-5, duration))
            try:
                armed[0] = True
                method.attributions(X)
                armed[0] = False
            except KeyboardInterrupt:
                interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert all(m.training and not m._forward_hooks for m in model.modules())
            assert all(p.requires_grad for p in model.parameters())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert interrupted > 20
    assert TRACES["of"](model) == before
    found = started("another", lambda: method.attributions(X)).result(PATIENCE)
    assert torch.equal(found, expected)


def test_ctrl_c_in_a_program_with_a_progress_bar(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import torch
            from torch import nn
            from trulens_core import IntegratedGradients

            model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 2))
            x = torch.ones(3, 4)
            method = IntegratedGradients(model, resolution=10**5, rebatch_size=30, progress=True)
            try:
                method.attributions(x)
            except KeyboardInterrupt:
                assert all(m.training for m in model.modules())
                assert all(p.requires_grad for p in model.parameters())
                assert torch.backends.mha.get_fastpath_enabled()
                print("interrupted", IntegratedGradients(model).attributions(x).shape)
            """
        )
    )
    with subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        shown = ""
        while " of " not in shown and child.poll() is None:  # the bar counts records
            shown += child.stderr.read(20)
        child.send_signal(signal.SIGINT)
        out, rest = child.communicate(timeout=PATIENCE)
    assert out.strip() == "interrupted torch.Size([3, 4])", shown + rest
    assert child.returncode == 0
    assert "Traceback" not in rest

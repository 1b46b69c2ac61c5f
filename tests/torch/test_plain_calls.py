"""Calls like one before, of the plainest kind: one pass of the model, and the same in all else."""

import contextlib
import copy
import cProfile
import functools
import gc
import pickle
import pstats
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    InputAttribution,
    InputCut,
    InternalChannelQoI,
    InternalInfluence,
    LambdaQoI,
    Saliency,
    SmoothGrad,
    get_model_wrapper,
)
from trulens_core.errors import CutError, TrulensWarning
from trulens_core.models import wrapper as wrappers
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
    assert not seen  # another number of records is one pass, too
    assert method.explain(x, unused, mask=mask).quantity is not None


def test_numbers_and_words_among_the_arguments_are_part_of_the_kind(monkeypatch):
    class Chooses(nn.Module):
        def forward(self, x, power, how="sum"):
            return (x**power).sum(1, keepdim=True) if how == "sum" else x.prod(1, keepdim=True)

    wrapper, x = get_model_wrapper(Chooses()), torch.rand(3, 4) + 0.5
    method = Saliency(wrapper, qoi=0)
    calls = [(2, "sum"), (2.0, "sum"), (3, "sum"), (2, "product")]
    expected = [2 * x, 2 * x, 3 * x**2, x.prod(1, keepdim=True) / x]
    seen = passes(wrapper, monkeypatch)
    for first in (True, False):
        for (power, how), g in zip(calls, expected, strict=True):
            seen.clear()
            assert relative_error(method.attributions(x, power, how=how), g) <= 1e-5
            assert bool(seen) is first


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


# -- one tensor and nothing else: nothing is prepared again ---------------------------------------


class Stack(nn.Module):
    """A model of one tensor, with everything that may change between calls."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 3)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("shift", torch.zeros(8))
        self.scale, self.options, self.named = 1.0, {"depth": 1}, False

    def forward(self, x):
        h = torch.tanh(self.first(x) + self.shift) * self.options["depth"]
        y = self.second(self.drop(h)) * self.scale
        return {"logits": y} if self.named else y


class Doubled(Stack):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.fixture
def stack():
    torch.manual_seed(0)
    return Stack()


@pytest.fixture
def prepared(monkeypatch):
    """The calls whose inputs were prepared, counted."""
    seen, before = [], wrappers.prepared
    monkeypatch.setattr(wrappers, "prepared", lambda *a: seen.append(1) or before(*a))
    return seen


def afresh(model, x, qoi=1, **options):
    """What a wrapper of its own gives, in its first call."""
    torch.manual_seed(3)
    return InputAttribution(get_model_wrapper(model, **options), qoi=qoi).attributions(x)


def assert_as_afresh(method, model, x, qoi=1, **options):
    expected = afresh(model, x, qoi, **options)
    torch.manual_seed(3)
    found = method.attributions(x)
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    if isinstance(found, torch.Tensor):
        assert not found.requires_grad
        assert torch.equal(found, expected)
    else:
        assert np.array_equal(found, expected)


def rebuilt(name, make):
    return lambda m: setattr(m, name, make())


CHANGES = {
    "a weight in place": lambda m: m.first.weight.data.mul_(2),
    "a weight's memory": lambda m: setattr(m.first.weight, "data", torch.ones(8, 4)),
    "a weight": lambda m: setattr(m.first, "weight", nn.Parameter(torch.ones(8, 4))),
    "a buffer in place": lambda m: m.shift.fill_(0.3),
    "a buffer": lambda m: setattr(m, "shift", torch.full((8,), 0.3)),
    "a module": rebuilt("second", lambda: nn.Linear(8, 3)),
    "a module of more outputs": rebuilt("second", lambda: nn.Linear(8, 5)),
    "an attribute": lambda m: setattr(m, "scale", 3.0),
    "what is inside an attribute": lambda m: m.options.update(depth=2),
    "the structure of the output": lambda m: setattr(m, "named", True),
    "a hook": lambda m: m.second.register_forward_hook(lambda m, a, y: y * y),
    "a hook before": lambda m: m.second.register_forward_pre_hook(lambda m, a: (a[0] * 2,)),
    "forward of an instance": lambda m: setattr(m.second, "forward", lambda h: h[:, :3] ** 2),
    "the class": lambda m: setattr(m, "__class__", Doubled),
    "the type of the weights": lambda m: m.double(),
    "the type of one weight": lambda m: m.second.double() and setattr(m, "drop", Widened()),
    "training mode": lambda m: m.train(),
    "evaluation mode": lambda m: m.eval(),
    "frozen weights": lambda m: m.requires_grad_(False),
}


class Widened(nn.Module):
    def forward(self, h):
        return h.double()


@pytest.mark.parametrize("force_eval", [True, False])
@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_of_the_model_is_seen_by_calls_with_one_tensor(
    stack, name, force_eval, prepared
):
    method = InputAttribution(get_model_wrapper(stack, force_eval=force_eval), qoi=1)
    x = torch.rand(3, 4)
    for _ in range(2):
        method.attributions(x)
    prepared.clear()
    torch.manual_seed(3)
    method.attributions(x)
    assert not prepared
    CHANGES[name](stack)
    assert_as_afresh(method, stack, x, force_eval=force_eval)
    assert_as_afresh(method, stack, x, force_eval=force_eval)


def test_weights_of_a_half_type_by_now_are_told_of_each_time(stack):
    method, x = InputAttribution(stack, qoi=1), torch.rand(3, 4)
    for _ in range(3):
        method.attributions(x)
    stack.bfloat16()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="must have the same dtype"):
            method.attributions(x)
    for _ in range(3):
        assert_as_afresh(method, stack, x.bfloat16())


GIVEN = {
    "other numbers": lambda x: x + 1,
    "fewer records": lambda x: x[:2],
    "more records": lambda x: torch.cat([x, x + 1]),
    "float64": lambda x: x.double(),
    "float16": lambda x: x.half(),
    "NumPy": lambda x: x.numpy(),
    "with a graph": lambda x: x.clone().requires_grad_() * 2,
    "a parameter": nn.Parameter,
    "expanded": lambda x: x[:1].expand(3, 4),
    "of its columns": lambda x: x.T.contiguous().T,
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_given_differently_is_answered_as_afresh(stack, name):
    method, x = InputAttribution(stack, qoi=1), torch.rand(3, 4)
    other = GIVEN[name](x)
    if name == "float16":  # of a model of float32: an error of the model's, each time
        for _ in range(2):
            method.attributions(x)
            with pytest.raises(RuntimeError):
                method.attributions(other)
        return
    kept = other.detach().clone() if isinstance(other, torch.Tensor) else other.copy()
    for _ in range(3):
        assert_as_afresh(method, stack, other)
        assert_as_afresh(method, stack, x)
    assert bool((other == kept).all())


def test_the_circumstances_of_a_call_with_one_tensor_are_those_of_the_call(stack):
    method, x = InputAttribution(stack, qoi=1), torch.rand(3, 4)
    circumstances = [
        torch.no_grad,
        torch.inference_mode,
        functools.partial(torch.autocast, "cpu", torch.bfloat16),
        contextlib.nullcontext,
    ]
    for _ in range(2):
        for entered in circumstances:
            with entered():
                assert_as_afresh(method, stack, x)
    with torch.inference_mode():
        made = torch.rand(3, 4)
    for _ in range(2):
        assert_as_afresh(method, stack, made)


def test_what_a_quantity_is_made_of_is_that_of_the_call(stack):
    x = torch.rand(3, 4)
    targets = ClassQoI(np.array([0, 2, 1]))
    pair = ClassQoI(0) - ClassQoI(2)
    channel = InternalChannelQoI(0)
    both = LambdaQoI(lambda y: y[:, :2])
    for qoi in (targets, pair, channel):
        method = InputAttribution(stack, qoi=qoi)
        for _ in range(3):
            assert_as_afresh(method, stack, x, qoi)
        if qoi is targets:
            qoi.cl[:] = [1, 1, 0]
        elif qoi is channel:
            qoi.channels = (2,)
        assert_as_afresh(method, stack, x, qoi)
    method = InputAttribution(stack, qoi=both)
    for _ in range(3):
        each = method.attributions(x)
        assert [torch.equal(g, afresh(stack, x, i)) for i, g in enumerate(each)] == [True, True]


class Unseen(nn.Module):
    """What its output is made to be is told by nothing that can be looked at before it runs."""

    def __init__(self, made):
        super().__init__()
        self.layer, self.made = nn.Linear(4, 3), made

    def forward(self, x):
        y = self.layer(torch.tanh(x))
        return self.made(y) if len(x) > 3 or int(x[0, 0]) == 7 else y


MADE = {
    "rows that see one another": lambda y: y.softmax(0),
    "rows in another order": lambda y: y.flip(0),
    "float16": lambda y: y.half(),
    "a dict": lambda y: {"logits": 2 * y, "other": y},
    "a tuple": lambda y: (3 * y, y),
    "fewer classes": lambda y: y[:, :2],
    "one class": lambda y: y[:, :1],
    "not finite": lambda y: y / 0,
    "zero": lambda y: y * 0,
    "other rows": lambda y: torch.cat([y, y]),
    "no graph": lambda y: y.detach(),
    "integers": lambda y: y.long(),
    "complex": lambda y: y + 0j,
}


def told(method, x):
    """What a call gives or raises, and what it warns of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = method.attributions(x).tolist()
        except (ValueError, IndexError, RuntimeError) as error:
            found = type(error), str(error)
    return repr(found), [str(w.message) for w in said]


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("qoi", [1, "max"])
def test_an_output_that_is_another_by_the_values_given_is_told_as_afresh(name, qoi, prepared):
    torch.manual_seed(0)
    model, x = Unseen(MADE[name]), torch.rand(3, 4)
    method = InputAttribution(model, qoi=qoi)
    for _ in range(2):
        method.attributions(x)
    prepared.clear()
    method.attributions(x)
    assert not prepared
    seven = x.index_fill(0, torch.tensor([0]), 7.0)
    for given in (seven, x, torch.rand(5, 4), torch.rand(5, 4), seven, x[:1], torch.rand(6, 4)):
        assert told(method, given) == told(InputAttribution(model, qoi=qoi), given)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_method_knows_its_own_model_alone(stack, copied):
    method, x = InputAttribution(stack, qoi=1), torch.rand(3, 4)
    for _ in range(3):
        expected = method.attributions(x)
    other = copied(method)
    own = other.model.model
    with torch.no_grad():
        own.first.weight.mul_(2)
    own.second = nn.Linear(8, 2)
    for _ in range(3):
        assert_as_afresh(other, own, x)
        assert torch.equal(method.attributions(x), expected)


def test_options_set_between_calls_with_one_tensor_hold(stack, prepared):
    wrapper = get_model_wrapper(stack)
    method, x = InputAttribution(wrapper, qoi=1), torch.rand(3, 4)
    expected = method.attributions(x)
    for size in (None, 1, 2, None):
        method.rebatch_size = size
        for _ in range(2):
            assert relative_error(method.attributions(x), expected) <= 1e-6
    wrapper.batched = {"y": True}
    with pytest.warns(TrulensWarning, match="names no argument"):
        method.attributions(x)
    wrapper.batched = {}
    method.attributions(x)
    prepared.clear()
    method.attributions([x])
    method.attributions(x, differentiable=True)
    assert len(prepared) == 2
    assert torch.equal(method.explain(x).attributions, expected)


def test_calls_with_one_tensor_in_threads_give_what_each_alone_gives(stack):
    method = InputAttribution(stack, qoi=1)
    inputs = [torch.rand(1 + i % 2, 4) for i in range(4)]
    expected = [afresh(stack, x) for x in inputs]
    wrong = []

    def work(i):
        found = [method.attributions(inputs[i]) for _ in range(30)]
        wrong.extend(g for g in found if not torch.equal(g, expected[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_random_model_draws_the_same_and_leaves_the_generator(stack):
    stack.train()
    method = InputAttribution(get_model_wrapper(stack, force_eval=False), qoi=1)
    x = torch.rand(3, 4)
    for _ in range(3):
        torch.manual_seed(5)
        found, after = method.attributions(x), torch.rand(2)
        torch.manual_seed(5)
        assert torch.equal(after, torch.rand(2))
        torch.manual_seed(5)
        leaf = x.clone().requires_grad_()
        expected = torch.autograd.grad(stack(leaf)[:, 1].sum(), leaf)[0]
        assert torch.equal(found, expected * x)


# -- inputs of other lengths -----------------------------------------------------------------------


class Scaled(nn.Module):
    """A scale of all records, which may have as many numbers as there are records, by chance."""

    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(5, 3)

    def forward(self, x, scale):
        return self.lin(x * scale)


def test_inputs_of_other_lengths_are_answered_as_afresh(model, given, monkeypatch):
    wrapper = get_model_wrapper(model)
    method = InputAttribution(wrapper, qoi=1)
    x, unused, mask = given
    method.attributions(x, unused, mask=mask)
    seen = passes(wrapper, monkeypatch)
    for n in (1, 2, 5):
        more = [torch.rand(n, t.shape[1]).double() for t in given]
        found = method.attributions(*more[:2], mask=more[2])[0]
        assert relative_error(found, by_hand(model, more, lambda y: y[:, 1], True)) <= 1e-12
    assert not seen
    model.second = nn.Linear(8, 1).double()
    with pytest.raises(IndexError, match="class or unit 1"):
        method.attributions(*[t[:2].repeat(3, 1) for t in given[:2]])


def test_arguments_that_come_to_have_a_row_per_record_are_judged_anew():
    torch.manual_seed(0)
    net, scale = Scaled(), torch.rand(5)
    method = InputAttribution(net, qoi=1)
    for n in (2, 3, 5, 4):
        x = torch.rand(n, 5)
        found = method.attributions(x, scale)
        expected = InputAttribution(net, qoi=1).attributions(x, scale)
        assert isinstance(found, list) is isinstance(expected, list) is (n == 5)
        pairs = zip(found, expected, strict=True) if n == 5 else [(found, expected)]
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_question_is_answered_the_whole_way_before_others_of_its_form():
    net, x, scale = Scaled(), torch.rand(3, 5), torch.rand(5)
    wrapper = get_model_wrapper(net)
    for n in (3, 2):
        InputAttribution(wrapper, qoi=1).attributions(x[:n], scale)
    named = InternalInfluence(wrapper, InputCut(names=["scale"]), 1, "point")
    for _ in range(2):
        with pytest.raises(CutError, match="5 rows"):
            named.attributions(x, scale)


def test_more_records_than_a_pass_has_are_divided(stack):
    method = InputAttribution(stack, qoi=1, rebatch_size=4)
    sizes = []
    stack.first.register_forward_pre_hook(lambda m, a: sizes.append(len(a[0])))
    for n in (2, 4, 3, 9, 9):
        x = torch.rand(n, 4)
        found = method.attributions(x)
        assert max(sizes) <= 4
        assert relative_error(found, InputAttribution(stack, qoi=1).attributions(x)) <= 1e-6
        sizes.clear()


def test_it_takes_few_calls_of_python():
    """The whole way takes 1170. Where torch._dynamo is loaded, a switch of its own is held, too."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4), nn.Tanh())
    method, x = Saliency(net, qoi=1), torch.rand(1, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            method.attributions(x)
        profile = cProfile.Profile()
        profile.runcall(method.attributions, x)
    assert pstats.Stats(profile).total_calls <= (350 if "torch._dynamo" in sys.modules else 335)

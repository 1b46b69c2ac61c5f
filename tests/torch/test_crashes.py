"""Models and values that used to be refused, or to end in an error of torch's own."""

import copy
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.torch.writers import writer
from torch import nn

from trulens_core import (
    Cut,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    UnsupportedModelError,
    explain_generation,
    get_model_wrapper,
)
from trulens_core.errors import TrulensWarning
from trulens_core.testing import relative_error

TRACES = runpy.run_path(str(Path(__file__).with_name("traces.py")))  # tests are no package
X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
N = 6


def small():
    torch.manual_seed(0)
    layers = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2)
    return nn.Sequential(*layers).double().eval()


def along_line(f, z, k):
    """Integrated gradients of f(z)[:, k] from zero, by the midpoint rule, in a plain loop."""
    total = torch.zeros_like(z)
    for i in range(N):
        point = (z * (i + 0.5) / N).detach().requires_grad_()
        total += torch.autograd.grad(f(point)[:, k].sum(), point)[0] / N
    return total * z


def midpoints(cut=None):
    return LinearDoi(resolution=N, rule="midpoint", cut=cut)


@pytest.mark.filterwarnings("ignore:`torch.jit")  # deprecated there, still used
class TestFrozen:
    """torch.jit.freeze: a program without parameters, buffers or a flag for training."""

    @pytest.fixture
    def frozen(self):
        return torch.jit.freeze(torch.jit.script(small()))

    def test_numbers(self, frozen):
        found = IntegratedGradients(frozen, qoi=1, resolution=N).attributions(X)
        assert relative_error(found, along_line(small(), X, 1)) <= 1e-10
        assert relative_error(get_model_wrapper(frozen)(X), small()(X).detach()) <= 1e-10

    def test_arrays_become_what_the_program_computes_with(self):
        model = torch.jit.freeze(torch.jit.trace(small().float(), X.float()).eval())
        found = IntegratedGradients(model, qoi=0, resolution=N).attributions(np.asarray(X))
        assert found.dtype == np.float64
        assert relative_error(found, along_line(small(), X, 0)) <= 1e-5

    def test_as_a_part(self, frozen):
        model = nn.Sequential(nn.Linear(4, 4).double(), frozen)
        model.train()
        before = TRACES["of_process"]()
        found = InternalInfluence(model, ("0", None), 1, midpoints("0")).attributions(X)
        assert TRACES["of_process"]() == before
        assert model.training
        z = model[0](X).detach()
        assert relative_error(found, along_line(small(), z, 1)) <= 1e-10

    def test_cuts_inside_are_refused(self, frozen):
        with pytest.raises(ValueError, match="no layer '0'"):
            InternalInfluence(frozen, ("0", None), 0, "point").attributions(X)

    def test_without_weights(self):
        model = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Tanh()).eval()))
        found = InputAttribution(model, qoi=0).attributions(X)
        assert relative_error(found[:, :1], (1 - torch.tanh(X) ** 2)[:, :1] * X[:, :1]) <= 1e-10


class Offload:
    """What accelerate's AlignDevicesHook does: weights are there only while a layer runs."""

    def __init__(self, module, loads=True):
        self.module, self.loads = module, loads
        self.weights = {n: p.detach().clone() for n, p in module.named_parameters(recurse=False)}
        self.buffers = {n: b.clone() for n, b in module.named_buffers(recurse=False)}
        self.put(lambda t: t.to("meta"))
        module._hf_hook, forward = self, module.forward

        def new_forward(*args, **kwargs):
            if self.loads:
                self.put(lambda t: t)
            try:
                return forward(*args, **kwargs)
            finally:
                self.put(lambda t: t.to("meta"))

        module.forward = new_forward

    def put(self, where):
        for name, weight in self.weights.items():
            needs = self.module._parameters[name].requires_grad
            self.module._parameters[name] = nn.Parameter(where(weight), requires_grad=needs)
        for name, buffer in self.buffers.items():
            self.module._buffers[name] = where(buffer)


def offloaded(model, which=range(4), loads=True):
    for i in which:
        Offload(model[i], loads)
    return model


class TestOffloaded:
    """Weights on the meta device that hooks load when a layer is called."""

    @pytest.mark.parametrize("which", [range(4), [0], [1, 3]], ids=["all", "first", "some"])
    def test_numbers_and_no_trace(self, which):
        model = offloaded(small(), which)
        held = [(n, t, t.requires_grad) for n, t in model.state_dict(keep_vars=True).items()]
        wrapper = get_model_wrapper(model)
        found = IntegratedGradients(wrapper, qoi=1, resolution=N).attributions(np.asarray(X))
        assert relative_error(found, along_line(small(), X, 1)) <= 1e-10
        z = small()[0](X).detach()
        found = InternalInfluence(wrapper, ("0", None), 0, midpoints("0")).attributions(X)
        assert relative_error(found, along_line(small()[1:], z, 0)) <= 1e-10
        assert not wrapper.like().is_meta
        assert wrapper.like().dtype == torch.float64
        now = model.state_dict(keep_vars=True)
        assert all(now[n] is t and t.requires_grad == needs for n, t, needs in held)
        assert all(now[f"{i}.weight"].is_meta for i in which if hasattr(model[i], "weight"))

    @pytest.mark.filterwarnings("ignore:completeness fails")
    def test_a_language_model(self):
        """Its embeddings are on the meta device while a baseline is made of them."""
        whole, ids = writer("gpt2"), torch.tensor([[5, 9, 12, 7]])

        def explained(model):
            (found,) = explain_generation(model, None, ids, [[8, 11]], method="ig", resolution=3)
            return torch.as_tensor(found.attributions)

        model = copy.deepcopy(whole)
        for layer in [m for m in model.modules() if not list(m.children())]:
            Offload(layer)
        assert model.transformer.wte.weight.is_meta
        assert relative_error(explained(model), explained(whole)) <= 1e-10

    def test_an_error_inside(self):
        model = offloaded(small())
        held = list(model.parameters())
        model[2].forward = lambda x: x + "not a tensor"
        with pytest.raises(TypeError) as caught:
            InputAttribution(model, qoi=0).attributions(X)
        assert all(a is b for a, b in zip(model.parameters(), held, strict=True))
        assert "Sequential has weights on the meta device" in caught.value.__notes__[0]

    def test_hooks_that_load_nothing(self):
        with pytest.raises(Exception, match="meta") as caught:
            InputAttribution(offloaded(small(), loads=False), qoi=0).attributions(X)
        assert "to_empty" in caught.value.__notes__[0]
        assert "hooks were expected to load them" in caught.value.__notes__[0]

    def test_weights_that_nobody_loads(self):
        model = offloaded(small(), [0])
        model[3].to("meta")
        with pytest.raises(UnsupportedModelError, match=r"meta device.*to_empty"):
            InputAttribution(model, qoi=0).attributions(X)

    def test_a_hook_of_another_library(self):
        """One that loads all that is inside a module, by a plain hook before it."""
        model = nn.Sequential(small(), nn.Linear(2, 2).double())
        state = copy.deepcopy(model[0].state_dict())
        expected = along_line(copy.deepcopy(model), X, 0)
        model[0].to("meta")
        model[0].register_forward_pre_hook(
            lambda m, args: m.load_state_dict(state, assign=True) and None
        )
        found = IntegratedGradients(model, qoi=0, resolution=N).attributions(X)
        assert relative_error(found, expected) <= 1e-10
        assert all(t.is_meta for t in model[0].state_dict().values())


class TimeMajor(nn.Module):
    """Steps first at a layer, whose value is then looked at by `view`."""

    def __init__(self, view):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.at, self.last = nn.Linear(4, 6), nn.Identity(), nn.Linear(6, 2)
        self.view = view
        self.double()

    def forward(self, x):
        return self.after(self.at(self.before(x)))

    def before(self, x):  # (records, steps, 4) to (steps, records, 6)
        h = torch.tanh(self.first(x))
        if self.view == "sliced":
            h = torch.cat([h, h], 1)[:, : x.shape[1]]
        h = h.transpose(0, 1)
        return h.contiguous() if self.view == "contiguous" else h

    def after(self, z):
        steps, rows = z.shape[:2]
        if self.view == "contiguous":
            return torch.tanh(self.last(z.view(steps * rows, 6))).view(steps, rows, 2).sum(0)
        z = z.transpose(0, 1).view(rows, steps * 6).view(rows, steps, 6)
        return torch.tanh(self.last(z)).sum(1)


@pytest.mark.parametrize("view", ["contiguous", "transposed", "sliced"])
@pytest.mark.parametrize("source", ["at", None])
def test_a_value_with_the_records_on_axis_1_lies_in_memory_as_the_layer_s_own(view, source):
    model = TimeMajor(view)
    x = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    cut = Cut("at", batch_axis=1)
    wrapper = get_model_wrapper(model)
    if source is None:  # only tapped, then only replaced
        found = InternalInfluence(wrapper, (cut, None), 1, "point").attributions(x)
        z = model.before(x).detach()
        (gradient,) = torch.autograd.grad(model.after(z.requires_grad_())[:, 1].sum(), z)
        expected = gradient * z.detach()
        shown = wrapper.fprop(x, doi_cut=cut, intervention=2 * z.detach())
        assert relative_error(shown, model.after(2 * model.before(x)).detach()) <= 1e-10
    else:
        found = InternalInfluence(wrapper, (cut, None), 1, midpoints(cut)).attributions(x)
        expected = along_line(model.after, model.before(x).detach(), 1)
    assert found.shape == (5, 3, 6)
    assert relative_error(found, expected) <= 1e-10


def test_a_recurrent_layer_between_views():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(4, 3), nn.Linear(3, 2)

        def forward(self, x):
            h = self.rnn(x.transpose(0, 1))[0]
            return self.after(h)

        def after(self, h):
            return self.head(torch.tanh(h.view(-1, 3))).view(*h.shape[:2], 2).sum(0)

    torch.manual_seed(0)
    model = Recurrent().double()
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    cut = Cut("rnn", batch_axis=1)
    found = InternalInfluence(model, (cut, None), 0, midpoints(cut)).attributions(x)
    h = model.rnn(x.transpose(0, 1))[0].detach()
    assert relative_error(found, along_line(model.after, h, 0)) <= 1e-10


def test_channels_that_are_last_in_memory_stay_so():
    class Picture(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.after(torch.tanh(self.conv(x)))

        def after(self, z):
            return self.head(z.permute(0, 2, 3, 1).view(len(z), -1, 4).square()).sum(1)

    torch.manual_seed(0)
    model = Picture().double().to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64).to(memory_format=torch.channels_last)
    found = InternalInfluence(model, ("conv", None), 1, midpoints("conv")).attributions(x)
    z = model.conv(x).detach()
    total = torch.zeros_like(z)
    for i in range(N):
        p = (z * (i + 0.5) / N).requires_grad_()
        total += torch.autograd.grad(model.after(torch.tanh(p))[:, 1].sum(), p)[0] * z / N
    assert relative_error(found, total) <= 1e-10


class Sums(nn.Module):
    """Takes anything; its layer `part` gives a value of any number of columns, zero included."""

    def __init__(self, columns=0):
        super().__init__()
        torch.manual_seed(0)
        self.part, self.head, self.columns = nn.Identity(), nn.Linear(1, 2), columns
        self.double()

    def forward(self, x, y=None):
        total = torch.tanh(x).flatten(1).sum(1, keepdim=True)
        if y is not None:
            total = total + y.flatten(1).square().sum(1, keepdim=True)
        return self.head(
            torch.tanh(total + self.part(x[:, : self.columns]).flatten(1).sum(1, True))
        )


METHODS = {
    "saliency": lambda w: InputAttribution(w, qoi=0),
    "integrated": lambda w: IntegratedGradients(w, qoi=0, resolution=N),
    "noise": lambda w: InputAttribution(w, qoi=0, doi=GaussianDoi(0.1, 3)),
    "in blocks": lambda w: IntegratedGradients(w, qoi=0, rebatch_size=1),
    "tolerance": lambda w: IntegratedGradients(w, qoi=0, tolerance=1e-2),
    "single points": lambda w: InputAttribution(
        w, qoi=0, doi="linear", return_grads=True, return_doi=True
    ),
}


@pytest.mark.parametrize("shape", [(2, 0), (2, 0, 3), (2, 3, 0)])
@pytest.mark.parametrize("method", METHODS)
def test_inputs_with_an_empty_axis(method, shape):
    x = torch.zeros(shape, dtype=torch.float64)
    result = METHODS[method](Sums()).explain(x)
    assert result.attributions.shape == shape
    assert METHODS[method](Sums()).attributions(x.numpy()).shape == shape
    if method == "integrated":
        assert torch.equal(result.residual, torch.zeros(2, dtype=torch.float64))
        assert torch.equal(result.quantity, Sums()(x)[:, 0].detach())
    if method == "single points":
        assert result.gradients.shape == result.interventions.shape == (10, *shape)


@pytest.mark.parametrize("first", [0, 1])
def test_an_empty_input_beside_another(first):
    x, empty = X[:2], torch.zeros(2, 0, dtype=torch.float64)
    given = [(x, empty), (empty, x)][first]
    method = IntegratedGradients(Sums(), qoi=1, resolution=N)
    found = method.attributions(*given)
    model = Sums()
    expected = along_line(lambda p: model(*((p, empty) if first == 0 else (empty, p))), x, 1)
    assert relative_error(found[first], expected) <= 1e-10
    assert found[1 - first].shape == (2, 0)
    named = method.attributions(x=given[0], y=given[1])
    assert relative_error(named["xy"[first]], expected) <= 1e-10


@pytest.mark.parametrize("cut", ["part", Cut("part", anchor="in"), Cut("part", batch_axis=1)])
def test_a_value_with_an_empty_axis(cut):
    cut = Cut(cut) if isinstance(cut, str) else cut
    if cut.batch_axis:

        class Turned(Sums):
            def forward(self, x):
                return self.head(x[:, :1] + self.part(x[:, :0].T).sum(0)[:, None])

        model = Turned()
    else:
        model = Sums()
    found = InternalInfluence(model, (cut, None), 0, midpoints(cut)).attributions(X)
    assert found.shape == ((0, 3) if cut.batch_axis else (3, 0))


def test_a_quantity_of_an_empty_value():
    method = InternalInfluence(Sums(), (None, "part"), lambda y: y.sum(1), "linear")
    with pytest.warns(TrulensWarning, match="zero everywhere"):
        found = method.attributions(X)
    assert not found.any()

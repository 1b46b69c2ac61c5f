"""What is not needed is neither computed nor kept: weight gradients, what comes before a cut."""

import gc
import weakref

import pytest
import torch
from torch import nn

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.steps.contraction import Contraction

X = torch.linspace(-1, 1, 30).reshape(3, 10)


@pytest.fixture
def model():
    torch.manual_seed(0)
    layers = [[nn.Linear(10, 10), nn.Tanh()] for _ in range(6)]
    return nn.Sequential(*[m for pair in layers for m in pair], nn.Linear(10, 2))


def saved(model, call):
    """The numbers that autograd keeps for the backward pass, the model's weights left out."""
    weights = {p.data_ptr() for p in model.parameters()}
    kept = []

    def pack(t):
        kept.append(0 if t.data_ptr() in weights else t.numel())
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        call()
    return sum(kept)


def test_nothing_is_kept_for_gradients_of_weights(model):
    """Of six layers each keeps its tanh, and no linear layer its input."""
    x = X.clone().requires_grad_()
    plain = saved(model, lambda: torch.autograd.grad(model(x)[:, 0].sum(), x))
    ours = saved(model, lambda: InputAttribution(model, qoi=lambda y: y[:, 0]).attributions(X))
    assert ours == 6 * X.numel()
    assert plain == 13 * X.numel()


def test_nothing_before_a_cut_is_kept(model):
    def call(doi):
        method = InternalInfluence(model, ("8", None), lambda y: y[:, 0], doi)
        method.attributions(X), method.attributions(X)  # the first calls look closer
        return lambda: method.attributions(X)

    assert saved(model, call("point")) == 2 * X.numel()
    assert saved(model, call(LinearDoi(cut="8", resolution=4))) == 4 * 2 * X.numel()


def test_what_comes_before_a_cut_has_no_graph(model):
    seen = []
    model[3].register_forward_hook(lambda m, args, y: seen.append(y.requires_grad))
    model[9].register_forward_hook(lambda m, args, y: seen.append(y.requires_grad))
    method = InternalInfluence(model, ("8", None), 0, "point")
    method.attributions(X)  # the first call looks closer
    seen.clear()
    method.attributions(X)
    assert seen == [False, True]


def test_values_without_gradients_have_no_graph(model):
    seen = []
    model[9].register_forward_hook(lambda m, args, y: seen.append(y.requires_grad))
    wrapper = get_model_wrapper(model)
    wrapper(X.clone().requires_grad_())
    wrapper.fprop(X, doi_cut="4", intervention=X, to_cut="9")
    assert seen == [False, False]


def test_what_is_kept_does_not_grow_with_the_points(model):
    """There are as many tensors with the rows of a block in the 50th pass as in the 2nd."""
    passes, alive = [], []

    def count(module, args, y):
        passes.append(None)
        if len(passes) in (2, 50):
            every = (o for o in gc.get_objects() if type(o) is torch.Tensor)
            alive.append(sum(t.shape[:1] == (6,) for t in every))

    model[-1].register_forward_hook(count)
    method = IntegratedGradients(model, resolution=100, rebatch_size=6)
    method.attributions(X)  # the first call looks closer
    passes.clear(), alive.clear()
    method.attributions(X)
    assert len(passes) == 50
    assert abs(alive[0] - alive[1]) < 5


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_blocks_are_halved_when_memory_runs_out(error):
    rows = []

    class Hungry(nn.Module):
        def forward(self, x):
            rows.append(len(x))
            if len(x) > 5:
                raise error("no more")
            return x**2

    method = IntegratedGradients(Hungry(), resolution=8, qoi=0, rebatch_size="auto")
    found = method.attributions(X)
    assert torch.allclose(found[:, 0], X[:, 0] ** 2, rtol=1e-5)
    assert rows[-1] <= 5
    with pytest.raises(error):
        IntegratedGradients(Hungry(), rebatch_size=6).attributions(X)


@pytest.mark.parametrize(
    "options",
    [{}, {"doi_cut": "3"}, {"qoi_cut": "4", "qoi": 1}, {"doi_cut": "3", "qoi_cut": "8", "qoi": 1}],
    ids=["whole", "from a layer", "to a layer", "between layers"],
)
def test_what_a_call_made_is_gone_without_the_garbage_collector(model, options):
    """No cycle of references holds a tensor, and so a graph, until the collector comes by."""
    method = IntegratedGradients(model, resolution=6, rebatch_size=6, **options)
    method.attributions(X)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        method.attributions(X)
        gc.collect()
        held = [x for x in gc.garbage if isinstance(x, torch.Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not held


def test_of_many_quantities_one_has_its_gradients_at_a_time(monkeypatch):
    """Contracted as they come; the sums are what is kept."""
    given, alive = [], []
    contracted = Contraction.of

    def of(self, gradients, *rest, **more):
        given.extend(weakref.ref(g) for g in gradients)
        alive.append(sum(g() is not None for g in given))
        return contracted(self, gradients, *rest, **more)

    monkeypatch.setattr(Contraction, "of", of)
    many = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 20))
    method = IntegratedGradients(many, qoi=lambda y: y, resolution=4, contract=-1)
    found = method.attributions(X)
    assert len(alive) >= 20
    assert max(alive) == 1
    whole = IntegratedGradients(many, qoi=lambda y: y, resolution=4).attributions(X)
    for a, b in zip(found, whole, strict=True):
        assert torch.allclose(a, b.sum(-1), atol=1e-6)

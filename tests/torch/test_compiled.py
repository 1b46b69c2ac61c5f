"""Models that are compiled, scripted or wrapped show their layers as the plain model does."""

import runpy
from pathlib import Path

import pytest
import torch
from torch import nn

from trulens_core import InputAttribution, get_model_wrapper
from trulens_core.testing import relative_error

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))  # tests are no package
X, Net = PLAIN["X"], PLAIN["Net"]
agrees, gradient, influence = PLAIN["agrees"], PLAIN["gradient"], PLAIN["influence"]


@pytest.fixture
def model():
    torch.manual_seed(1)
    return Net().double()


def test_compiled_models_that_are_warm(model):
    compiled = torch.compile(model, backend="eager")
    for _ in range(2):
        compiled(X)
    agrees(compiled, model)
    agrees(compiled, model, cut="_orig_mod.a")
    assert torch._dynamo.eval_frame._stance.stance == "default"


def test_models_compiled_in_place(model):
    model.compile(backend="eager")
    model(X)
    agrees(model)


def test_compiled_layers(model):
    plain = Net().double()
    plain.load_state_dict(model.state_dict())
    model.a = torch.compile(model.a, backend="eager")
    model(X)
    agrees(model, plain)
    assert get_model_wrapper(model).layers()[0].kind == "Linear"


def test_compiled_functions_inside(model):
    inner = torch.compile(model.after, backend="eager")
    plain = model.after

    class Around(Net):
        def forward(self, x):
            return inner(self.a(x))

    around = Around().double()
    around.a = model.a
    with torch.no_grad():
        around(X)
    found = influence(around, "a")
    assert relative_error(found, gradient(plain, model.a(X))) <= 1e-10


def test_the_caller_s_stance_is_his_again(model):
    compiled = torch.compile(model, backend="eager")
    compiled(X)
    with torch.compiler.set_stance("eager_on_recompile"):
        agrees(compiled, model)
        assert torch._dynamo.eval_frame._stance.stance == "eager_on_recompile"


def test_data_parallel(model):
    agrees(nn.DataParallel(model), model)
    assert [x.name for x in get_model_wrapper(nn.DataParallel(model)).layers()] == ["a", "act", "b"]
    agrees(nn.DataParallel(model), model, cut="module.a")
    agrees(nn.DataParallel(torch.compile(model, backend="eager")), model)


def test_data_parallel_inside(model):
    model.a = nn.DataParallel(model.a)
    agrees(model)


def test_distributed(model):
    """Its hooks on the parameters still see their gradients."""
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    try:
        distributed = nn.parallel.DistributedDataParallel(model)
        agrees(distributed, model)
        agrees(distributed, model, cut="module.a")
        distributed(X).sum().backward()
        found = [p.grad.clone() for p in model.parameters()]
    finally:
        torch.distributed.destroy_process_group()
    model.zero_grad()
    model(X).sum().backward()
    assert all(torch.equal(f, p.grad) for f, p in zip(found, model.parameters(), strict=True))


def test_traced_to_a_graph(model):
    agrees(torch.fx.symbolic_trace(model), model)


@pytest.mark.filterwarnings("ignore:`torch.jit")  # deprecated there, still used
class TestScripted:
    """A ScriptModule calls no hooks: it can be explained as a whole, or as an opaque part."""

    def test_whole(self, model):
        for scripted in (torch.jit.script(model), torch.jit.trace(model, X)):
            found = InputAttribution(scripted, qoi=0, multiply_activation=False).attributions(X)
            assert relative_error(found, gradient(model, X)) <= 1e-10
            with pytest.raises(TypeError, match=r"ScriptModule.*before torch.jit.script"):
                influence(scripted, "a")

    def test_as_a_part(self, model):
        outer = nn.Sequential(torch.jit.script(model), nn.Linear(3, 2).double())
        plain = nn.Sequential(model, outer[1])
        assert relative_error(influence(outer, None), gradient(plain, X)) <= 1e-10
        assert influence(outer, "1").shape == (3, 2)
        for name in ("0", "0.a"):
            with pytest.raises(TypeError, match=f"{name!r}.*ScriptModule"):
                influence(outer, name)

    def test_flags_and_buffers_inside(self):
        model = torch.jit.script(nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2)))
        model = model.double().train()
        method = InputAttribution(model, qoi=0)
        before = {n: t.clone() for n, t in model.state_dict().items()}
        assert torch.equal(method.attributions(X), method.attributions(X))
        InputAttribution(get_model_wrapper(model, force_eval=False)).attributions(X)
        assert all(m.training for m in model.modules())
        assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())

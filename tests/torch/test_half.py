"""Half precision: gradients that would underflow, and `torch.autocast`."""

import copy
import warnings

import pytest
import torch
from torch import nn

from trulens_core import (
    Conductance,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    TrulensWarning,
)
from trulens_core.testing import relative_error
from trulens_torch.half import is_half


class Deep(nn.Module):
    """Of small factors, the last of which on the way back is large again."""

    def __init__(self, layers=4, gain=1.5e-2):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Linear(8, 8, bias=False) for _ in range(layers))
        self.gain = gain

    def forward(self, x):
        h = 2e4 * x
        for layer in self.layers:
            h = 1 + self.gain * layer(h)
        return h


def half(model):
    return copy.deepcopy(model).half()


def saliency(model):
    return InputAttribution(model, qoi=1, multiply_activation=False)


def records(n=3):
    torch.manual_seed(1)
    return 1e-3 * torch.randn(n, 8)


def error(found, expected):
    return relative_error(found.double().numpy(), expected.double().numpy())


def by_hand(model, x):
    z = x.clone().requires_grad_()
    return torch.autograd.grad(model(z)[:, 1].sum(), z)[0]


def test_gradients_that_underflow_on_their_way_are_found():
    model, x = Deep(), records()
    exact = saliency(copy.deepcopy(model).double()).attributions(x.double())
    alone = by_hand(half(model), x.half())
    assert error(alone, exact) > 0.1  # what is to be mended
    assert error(saliency(half(model)).attributions(x.half()), exact) < 0.02


def test_what_is_known_to_a_few_bits_only_is_zero_as_without_a_factor():
    class Tiny(nn.Module):
        def forward(self, x):
            for _ in range(3):
                x = x * torch.tensor([2.0**-12, 2.0**-13], dtype=x.dtype)
            return x

    x = torch.ones(2, 2).half()
    with pytest.warns(TrulensWarning, match="float16 underflow"):
        assert not saliency(Tiny()).attributions(x).any()


@pytest.mark.parametrize("blocks", [5, 15])
def test_paths_too(blocks):
    model, x = Deep(), records()
    doi = LinearDoi(resolution=5, rule="midpoint")

    def found(model, x):
        parts = model, None, 1, doi, False
        return InternalInfluence(*parts, rebatch_size=blocks).attributions(x)

    exact = found(copy.deepcopy(model).double(), x.double())
    assert error(found(half(model), x.half()), exact) < 0.02


class Steep(nn.Module):
    """Of the records that begin with 1 the gradient is large, of the others small."""

    def forward(self, x):
        large = 3000.0 * x
        small = 1e-3 * (1e-3 * (1e-3 * x)) * 1000
        return torch.where(x[:, :1] > 0.5, large, small)


def test_a_record_depends_on_none_of_its_neighbours():
    x = torch.tensor([[1.0, 0.5], [0.25, 0.5], [1.0, 0.25], [0.0, 0.125]]).half()
    method = saliency(Steep())
    together = method.attributions(x)
    alone = torch.cat([method.attributions(x[i : i + 1]) for i in range(len(x))])
    assert torch.equal(together, alone)
    assert together[:, 1].tolist() == pytest.approx([3000, 1e-6, 3000, 1e-6], rel=0.05)


def test_what_is_not_finite_stays_so():
    class Root(nn.Module):
        def forward(self, x):
            return torch.sqrt(x)

    x = torch.tensor([[0.0, 0.0], [1.0, 4.0]]).half()
    with pytest.warns(UserWarning, match="not finite"):
        found = saliency(Root()).attributions(x)
    assert torch.isinf(found[0, 1])
    assert found[1].tolist() == [0.0, 0.25]


class Sees(nn.Module):
    """Its rows see one another."""

    def forward(self, x):
        return x * x.mean(0, keepdim=True) * 100


def test_rows_that_see_one_another_have_one_factor():
    x = torch.tensor([[1.0, 0.5], [300.0, 0.5]])
    expected = saliency(Sees()).attributions(x)
    assert error(saliency(Sees()).attributions(x.half()), expected) < 0.02


class Clips(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        del ctx
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        del ctx
        return g.clamp(-1, 1)


def test_a_backward_function_of_the_models_own_sees_what_it_would():
    class Clipped(nn.Module):
        def forward(self, x):
            return 4 * Clips.apply(0.25 * x)

    x = records().half()
    assert saliency(Clipped()).attributions(x)[:, 1].tolist() == [0.25] * 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_other_types_are_as_they_were(dtype):
    model, x = Deep().to(dtype), records().to(dtype)
    assert torch.equal(saliency(model).attributions(x), by_hand(model, x))


def test_sums_of_bfloat16_are_float32():
    """A sum of a thousand bfloat16 would stop growing on the way."""
    model = nn.Sequential(nn.Linear(8, 3)).bfloat16()
    found = IntegratedGradients(model, resolution=1000, qoi=1).attributions(
        torch.ones(1, 8).bfloat16()
    )
    assert error(found, model[0].weight[1:2].detach()) < 1e-2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast(dtype):
    model, x = Deep(2, 0.1), records()
    exact = saliency(copy.deepcopy(model)).attributions(x)
    with torch.autocast("cpu", dtype=dtype):
        found = saliency(model).attributions(x)
        path = IntegratedGradients(model, resolution=5, qoi=1).attributions(x)
    assert found.dtype == torch.float32
    assert error(found, exact) < (0.02 if dtype == torch.float16 else 0.1)
    assert torch.isfinite(path).all()


def test_under_autocast_gradients_that_underflow_are_found():
    model, x = Deep(), records()
    exact = saliency(copy.deepcopy(model).double()).attributions(x.double())
    with torch.autocast("cpu", dtype=torch.float16):
        alone = by_hand(model, x)
        found = saliency(model).attributions(x)
    assert error(found, exact) < 0.02
    assert error(alone, exact) > error(found, exact)


class Between(Deep):
    """float32 at both ends; in between a block that is half, or a region of autocast."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        if how == "block":
            self.layers.half()

    def forward(self, x):
        h = 2e4 * x
        if self.how == "block":
            h = h.half()
        with torch.autocast("cpu", dtype=torch.float16, enabled=self.how == "region"):
            for layer in self.layers:
                h = 1 + self.gain * layer(h)
        return h.to(x.dtype)


INSIDE = {
    "saliency": saliency,
    "path": lambda m: IntegratedGradients(m, qoi=1, resolution=4, rebatch_size=6),
    "conductance": lambda m: Conductance(m, "layers.0", qoi=1, resolution=4, rebatch_size=6),
}


@pytest.mark.parametrize("how", ["block", "region"])
@pytest.mark.parametrize("kind", INSIDE)
def test_float16_that_neither_end_shows_is_found(how, kind):
    model, x = Between(how), records()
    exact = INSIDE[kind](Between("nowhere").double()).attributions(x.double())
    assert not by_hand(model, x).any()  # what is to be mended
    method = INSIDE[kind](model)
    for _ in range(3):  # looked at, and then not
        assert error(method.attributions(x), exact) < 0.02


@pytest.mark.parametrize("how", ["block", "region"])
def test_inside_too_a_record_depends_on_none_of_its_neighbours(how):
    model, x = Between(how), records()
    x[0] *= 1e3
    method = saliency(model)
    alone = torch.cat([method.attributions(x[i : i + 1]) for i in range(len(x))])
    assert torch.equal(method.attributions(x), alone)


def test_a_region_that_begins_later_is_found():
    """Nothing is kept of what a model's code ran before."""
    model, x = Between("nowhere"), records()
    method = saliency(model)
    exact = method.attributions(x)
    model.how = "region"
    assert error(method.attributions(x), exact) < 0.02


def sixteen():
    return torch.full((4,), 0.5, dtype=torch.float16)


def complex_half(x, kind=torch.complex32):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's, that it is not yet for everything
        return x.to(kind)


BEGINNINGS = {
    "cast": lambda x: x.half().float(),
    "cast, and arithmetic of what has a graph": lambda x: (x.half() * x.half()).float(),
    "cast, and what keeps the type": lambda x: x.half().neg().pow(2).exp().rsqrt().float(),
    "multiplied into a constant": lambda x: sixteen().mul_(x).float(),
    "added to a constant": lambda x: sixteen().add_(x).float(),
    "taken from a constant": lambda x: sixteen().sub_(x).float(),
    "a constant divided": lambda x: sixteen().div_(x).float(),
    "copied into a constant": lambda x: sixteen().copy_(x).float(),
    "written into a view of a constant": lambda x: (c := sixteen(), c[:2].mul_(x[:2]), c)[
        2
    ].float(),
    "put into a constant": lambda x: (c := sixteen(), c.__setitem__(0, x[0]), c)[2].float(),
    "a number times a constant": lambda x: (x.sum() * sixteen()) * x,
    "a constant over a number": lambda x: (sixteen() / x.sum()) * x,
    "a number and a constant": lambda x: (x.sum() + sixteen()) * x,
    "a number less a constant": lambda x: (x.sum() - sixteen()) * x,
    "a sum": lambda x: x.sum(0, dtype=torch.float16, keepdim=True).float(),
    "a mean": lambda x: x.mean(0, dtype=torch.float16, keepdim=True).float(),
    "a softmax": lambda x: x.softmax(0, dtype=torch.float16).float(),
    "a leaf inside": lambda x: (sixteen().requires_grad_() * 2).neg().float() * x,
    "a power of a constant": lambda x: sixteen().pow_(x).float(),
    "complex numbers": lambda x: complex_half(x * (1 + 1j)).to(torch.complex64).real,
    "complex numbers times a number": lambda x: (
        (complex_half(torch.ones(4)) * x.sum()).to(torch.complex64).real
    ),
    "nowhere": lambda x: torch.cat([(x * 2 + x).neg(), x.half().float().detach() * x]).exp(),
    "a constant that widens": lambda x: sixteen() * x + sixteen(),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_wherever_float16_begins_it_is_found(name):
    """As by asking every node."""
    x = torch.rand(4, requires_grad=True)
    q = BEGINNINGS[name](x).sum()
    nodes, found = [q.grad_fn], []
    for node in nodes:
        found += [given.dtype for given in node._input_metadata]
        nodes += [n for n, _ in node.next_functions if n is not None]
    begins = not {torch.float16, torch.complex32}.isdisjoint(found)
    assert begins is (name not in ("nowhere", "a constant that widens"))
    assert is_half(q, [x]) is begins


def test_complex_gradients_that_underflow_are_found():
    class Model(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.kind = kind

        def forward(self, x):
            h = complex_half(2e4 * x * (1 + 1j), self.kind)
            for _ in range(3):
                h = 1 + 1e-3 * h
            return h.to(torch.complex128).real

    x = records()
    exact = saliency(Model(torch.complex128)).attributions(x)
    assert not by_hand(Model(torch.complex32), x).any()
    method = saliency(Model(torch.complex32))
    for _ in range(3):
        assert error(method.attributions(x), exact) < 0.02


class Hooked(nn.Module):
    """A hook on a tensor inside."""

    def __init__(self, hook):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.hook = nn.Linear(8, 8), nn.Linear(8, 8), hook

    def forward(self, x):
        h = torch.tanh(self.first(x))
        if h.requires_grad:
            h.register_hook(self.hook)
        return self.second(h)


def test_a_hook_that_clips_inside_is_told():
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(0)).half()
    method = saliency(Hooked(lambda g: g.clamp(-0.02, 0.02)).half())
    with pytest.warns(TrulensWarning, match="explain a float32 copy"):
        method.attributions(x)
    linear = saliency(Hooked(lambda g: 2 * g))
    expected = linear.attributions(x.float())
    assert error(saliency(Hooked(lambda g: 2 * g).half()).attributions(x), expected) < 0.02


KEPT = "not scaled where results stay in the graph"


def warned(method, x, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = method.attributions(x, **options)
    return found.detach(), [str(w.message) for w in said]


@pytest.mark.parametrize("gain", [1.5e-2, 1.0])
def test_in_a_graph_that_is_kept_gradients_that_underflow_are_told(gain):
    model, x = half(Deep(gain=gain)), records().half()
    exact = by_hand(model.double(), x.double())
    found, said = warned(saliency(model.half()), x, differentiable=True)
    lost = error(found, exact) > 2.0**-5
    assert lost == any(KEPT in text for text in said)
    assert lost == (gain < 1)


@pytest.mark.parametrize("scale", [1e-7, 1e-3, 1.0])
def test_attributions_that_float16_does_not_hold_are_told(scale):
    torch.manual_seed(0)
    model = Mixed(scale)
    method = saliency(model)
    for _ in range(3):  # in later calls, too
        found, said = warned(method, torch.randn(3, 8).half())
        assert any("float16, the type of the inputs" in text for text in said) == (scale < 1e-6)
        assert found.dtype == torch.float16


class Mixed(nn.Module):
    """Takes float16 and computes in float32."""

    def __init__(self, scale):
        super().__init__()
        self.layer, self.scale = nn.Linear(8, 2), scale

    def forward(self, x):
        return self.scale * torch.tanh(self.layer(x.float()))

"""The model's float type inside, the caller's outside; autocast; devices."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    UnsupportedModelError,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))  # tests are no package
X, Z, gradient, Net = PLAIN["X"], PLAIN["Z"], PLAIN["gradient"], PLAIN["Net"]
TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
ROUNDING = {t: 16 * torch.finfo(t).eps for t in TYPES}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Net()


def saliency(model, x, source=None, **options):
    method = InternalInfluence(model, (source, None), 0, "point", multiply_activation=False)
    return method.attributions(x)


WIDE = TYPES[:2]
SERVED = [(m, i) for m in TYPES for i in TYPES if m == i or (m in WIDE and i in WIDE)]
REFUSED = [(m, i) for m in TYPES for i in TYPES if (m, i) not in SERVED]


@pytest.mark.parametrize(("of_model", "of_input"), SERVED)
def test_the_model_sees_its_type_and_the_caller_gets_theirs(model, of_model, of_input):
    model.to(of_model)
    seen = []
    model.a.register_forward_pre_hook(lambda m, args: seen.append(args[0].dtype))
    x = X.to(of_input)
    found = saliency(model, x)
    assert found.dtype == of_input
    assert set(seen) == {of_model}
    expected = gradient(model, x.to(of_model))
    assert relative_error(found.double(), expected.double()) <= ROUNDING[of_input]
    assert get_model_wrapper(model)(x).dtype == of_input
    if of_input != torch.bfloat16:  # NumPy has none
        assert saliency(model, x.numpy()).dtype == x.numpy().dtype


@pytest.mark.parametrize(("of_model", "of_input"), REFUSED)
def test_nothing_is_cast_to_a_half_type_or_from_one(model, of_model, of_input):
    """PyTorch's own error, and what to do."""
    model.to(of_model)
    note = rf"given 0 as {of_input}, and its weights are {of_model}: nothing is cast to a half"
    for call in (saliency, lambda m, x: get_model_wrapper(m)(x)):
        with pytest.raises(RuntimeError, match="same dtype") as raised:
            call(model, X.to(of_input))
        assert any(note in n for n in raised.value.__notes__)


@pytest.mark.parametrize("dtype", TYPES)
def test_arrays_become_the_model_s_type_but_never_a_half_one(model, dtype):
    model.to(dtype)
    for kind in ("f2", "f4", "f8"):
        array = X.numpy().astype(kind)
        if dtype in WIDE or (kind, dtype) == ("f2", torch.float16):
            found = saliency(model, array)
            assert found.dtype == array.dtype
            expected = gradient(model, torch.tensor(array).to(dtype))
            assert relative_error(found, expected.numpy()) <= max(
                ROUNDING[dtype], 16 * np.finfo(kind).eps
            )
        else:
            with pytest.raises(RuntimeError, match="same dtype"):
                saliency(model, array)


@pytest.mark.parametrize("dtype", TYPES)
def test_values_that_replace_others_get_their_type(model, dtype):
    model.to(dtype)
    wrapper = get_model_wrapper(model)
    for z in (Z, Z.float(), Z.numpy()):
        found = wrapper.fprop(X.to(dtype), doi_cut="a", intervention=z)
        limit = max(ROUNDING[dtype], ROUNDING[torch.float32])
        expected = model.after(Z.to(dtype)).detach().double()
        assert relative_error(found.double(), expected) <= limit
    line = LinearDoi(Z, 3, cut="a")
    assert InternalInfluence(model, ("a", None), 0, line).attributions(X.to(dtype)).dtype == dtype


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_over_points_are_wide(dtype):
    """A mean of 200 gradients of a narrow type is as exact as each of them."""

    class Casting(Net):
        def forward(self, x):
            return super().forward(x.to(dtype))

    torch.manual_seed(0)
    model, x = Casting().to(dtype), X.float()
    found = IntegratedGradients(model, resolution=200, qoi=0).explain(x)
    points = [(i + 0.5) / 200 * x for i in range(200)]
    expected = x.double() * (sum(gradient(model, p).double() for p in points) / 200)
    assert relative_error(found.attributions.double(), expected) <= 1e-6
    assert found.residual.abs().max() <= 0.02


def test_a_model_of_several_types():
    class Mixed(Net):
        def __init__(self):
            super().__init__()
            self.a.bfloat16()

        def forward(self, x):
            return self.after(self.a(x.bfloat16()).float())

    torch.manual_seed(0)
    model = Mixed()
    x = X.float()
    for source, value in ((None, x.bfloat16()), ("a", model.a(x.bfloat16()))):
        found = saliency(model, x, source)
        function = model if source is None else lambda z: model.after(z.float())
        assert found.dtype == torch.float32
        assert relative_error(found, gradient(function, value).float()) <= 1e-6
    method = InternalInfluence(model, ("act", None), 0, LinearDoi(cut="act"))
    assert method.attributions(x).dtype == torch.float32


def test_without_parameters_the_input_tells():
    for dtype in TYPES:
        assert saliency(nn.Tanh(), X.to(dtype)).dtype == dtype
    assert saliency(nn.Tanh(), X.numpy().astype("f2")).dtype == np.float16
    integral = IntegratedGradients(nn.Tanh(), qoi=0).attributions(X)
    assert relative_error(integral[:, 0], X[:, 0].tanh()) <= 1e-2


# -- autocast ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [None, "a"])
def test_under_autocast_the_model_is_the_caller_s(model, cut):
    """Its layers run in bfloat16, as they do for him; sums over points stay in float32."""
    x = X.float()
    with torch.autocast("cpu", torch.bfloat16):
        z = x if cut is None else model.a(x).detach()
        function = model if cut is None else model.after
        found = saliency(model, x, cut)
        method = InternalInfluence(
            model,
            (cut, None),
            0,
            LinearDoi(cut=cut, resolution=50, rule="midpoint"),
            multiply_activation=False,
        )
        integrated = method.attributions(x)
        inside = method.model(x)
        points = [gradient(function, (i + 0.5) / 50 * z).float() for i in range(50)]
        expected = gradient(function, z).float()
        assert torch.equal(inside, model(x).detach().float())
    assert found.dtype == integrated.dtype == torch.float32
    assert relative_error(found, expected) <= 1e-6
    assert relative_error(integrated, sum(points) / 50) <= 1e-3
    assert not torch.is_autocast_enabled("cpu")


def test_training_under_autocast_goes_on(model):
    """The cache of cast weights, which autocast keeps, still leads to the weights."""
    with torch.autocast("cpu", torch.bfloat16):
        before = model(X.float()).sum()
        IntegratedGradients(model, resolution=3).attributions(X.float())
        after = model(X.float()).sum()
    before.backward()
    expected = model.a.weight.grad.clone()
    model.zero_grad()
    after.backward()
    assert torch.equal(model.a.weight.grad, expected)


# -- devices -------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["meta", torch.device("meta"), "gpu", "cpu:x", 3.5, "hpu"])
def test_devices_that_cannot_hold_the_model(model, device):
    before = {n: (p, p.clone()) for n, p in model.named_parameters()}
    with pytest.raises(ValueError, match=r"device=.*leave device= out"):
        get_model_wrapper(model, device=device)
    assert all(p is before[n][0] and p.equal(before[n][1]) for n, p in model.named_parameters())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there it can be used")
def test_a_device_that_is_not_there(model):
    with pytest.raises(ValueError, match=r"device='cuda'.*CUDA.*leave device= out"):
        get_model_wrapper(model, device="cuda")


def test_the_device_where_the_model_is(model):
    weights = [p.data_ptr() for p in model.parameters()]
    wrapper = get_model_wrapper(model, device="cpu")
    assert wrapper.model is model
    assert [p.data_ptr() for p in model.parameters()] == weights


def test_models_and_inputs_without_values(model):
    with pytest.raises(TypeError, match="input 0 is on the meta device"):
        InputAttribution(model).attributions(X.to("meta"))
    with pytest.raises(TypeError, match="input 'x' is on the meta device"):
        InputAttribution(model).attributions(x=X.to("meta"))
    for lost in (model.to("meta"), Net().to("meta"), nn.BatchNorm1d(4, affine=False).to("meta")):
        with pytest.raises(UnsupportedModelError, match=r"meta device.*to_empty.*load_state_dict"):
            InputAttribution(lost).attributions(X)


def test_defaults_of_torch_do_not_matter(model):
    """Tensors of our own are made where the model is, in its type."""
    x = X.float()
    calls = [
        lambda: InputAttribution(model).attributions(x),
        lambda: InputAttribution(model, qoi="predicted", doi=GaussianDoi(0.1, 3)).attributions(x),
        lambda: IntegratedGradients(model, np.zeros(4), qoi=(0, 2)).explain(x).residual,
        lambda: InternalInfluence(model, ("a", "b"), 1, LinearDoi(0.5, cut="a")).attributions(x),
        lambda: get_model_wrapper(model)(x.numpy()),
    ]
    expected = [call() for call in calls]
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        found = [call() for call in calls]
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    for f, e in zip(found, expected, strict=True):
        assert f.dtype == e.dtype
        assert np.array_equal(f, e)

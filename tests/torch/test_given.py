"""What the caller gave arrives in the model as it was given, and results go back likewise."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    Cut,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    NotDifferentiableError,
    QoI,
    ThresholdQoI,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
IDS = torch.tensor([1, 3, 8])


def saliency(model, *args, cut=None, **kwargs):
    method = InputAttribution(model, qoi=0, doi_cut=cut, multiply_activation=False)
    return method.attributions(*args, **kwargs)


# -- nothing is cast but float32 and float64 -----------------------------------------------------


class Log:
    """What a model saw; in a list of its own it would be put back after each call."""

    def __init__(self):
        self.got = []


class Beside(nn.Module):
    """A head of one type, and ids, times or a scale of another beside it."""

    def __init__(self, dtype, read):
        super().__init__()
        self.head, self.read, self.log = nn.Linear(4, 3).to(dtype), read, Log()

    def forward(self, x, more):
        self.log.got.append((x.dtype, more.dtype, more.clone()))
        return self.head(x.to(self.head.weight.dtype) * self.read(more).to(self.head.weight.dtype))


def test_ids_in_floats_beside_half_weights_keep_their_digits():
    ids = torch.tensor([[1001.0], [1003.0], [4097.0]])
    for dtype in (torch.bfloat16, torch.float16):
        for given in (ids, ids.double(), ids.numpy(), ids.double().numpy()):
            model = Beside(dtype, lambda t: t % 7)
            found = saliency(model, X.to(dtype), given, cut=InputCut(names=["x"]))
            rows = (ids % 7).to(dtype) * model.head.weight[0].detach()
            assert relative_error(found.double(), rows.double()) <= 1e-2
            assert all(torch.equal(more[:3].double(), ids.double()) for _, _, more in model.log.got)
            kept = torch.float32 if isinstance(given, np.ndarray) else given.dtype
            assert {m for _, m, _ in model.log.got} == {kept}


def test_times_in_float64_beside_float32_weights_of_two_types():
    """Several types: a tensor goes in as it is; NumPy floats are float32."""

    class Towers(Beside):
        def __init__(self):
            super().__init__(torch.float32, lambda t: t - 1.7e9)
            self.clock = nn.Linear(1, 1).double()

    times = torch.tensor([[1.7e9 + 0.25], [1.7e9 + 0.5], [1.7e9 + 0.75]], dtype=torch.float64)
    model = Towers()
    found = saliency(model, X, times, cut=InputCut(names=["x"]))
    expected = (times - 1.7e9) * model.head.weight[0].detach()
    assert relative_error(found.double(), expected.double()) <= 1e-6
    assert {m for _, m, _ in model.log.got} == {torch.float64}
    with pytest.warns(TrulensWarning, match="zero everywhere"):  # in float32 these times are equal
        saliency(model, X.numpy(), times.numpy(), cut=InputCut(names=["x"]))
    assert model.log.got[-1][:2] == (torch.float32, torch.float32)


class Towers(nn.Module):
    """Two towers of two types."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 2), nn.Linear(4, 2).double()

    def forward(self, x, y):
        return torch.tanh(self.a(x)).double() + torch.tanh(self.b(y))


def test_two_towers_of_two_types():
    torch.manual_seed(0)
    model, y = Towers(), X.double().flip(0)
    for size in (None, 1, 4):
        method = IntegratedGradients(model, resolution=5, qoi=0, rebatch_size=size)
        found = method.attributions(X, y)
        totals = [0, 0]
        for i in range(5):
            a = (i + 0.5) / 5
            points = [(a * X).requires_grad_(), (a * y).requires_grad_()]
            gradients = torch.autograd.grad(model(*points)[:, 0].sum(), points)
            totals = [t + g / 5 for t, g in zip(totals, gradients, strict=True)]
        assert [t.dtype for t in found] == [torch.float32] * 2  # of the first float input
        assert relative_error(found[0], totals[0] * X) <= 1e-6
        assert relative_error(found[1].double(), totals[1] * y) <= 1e-6


def test_a_float32_bias_beside_float16_weights_stays_finite():
    class Biased(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow = nn.Linear(4, 3).half()

        def forward(self, x, bias):
            return self.narrow(x.half()).float() + bias

    torch.manual_seed(0)
    model, bias = Biased(), torch.full((3, 3), 1e5)
    found, of_bias = saliency(model, X, bias)
    assert torch.isfinite(get_model_wrapper(model)(X, bias)).all()
    assert relative_error(found, model.narrow.weight[0].detach().float().expand(3, 4)) <= 1e-6
    assert torch.equal(of_bias, torch.eye(3)[:1].expand(3, 3))


def test_the_types_are_looked_up_at_every_call():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    wrapper = get_model_wrapper(model)
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float64, torch.float32):
        model.to(dtype)
        x = X if dtype != torch.bfloat16 else X.bfloat16()
        z = x.to(dtype, copy=True).requires_grad_()
        (expected,) = torch.autograd.grad(model(z)[:, 0].sum(), z)
        assert relative_error(saliency(wrapper, x).double(), expected.double()) <= 1e-2
    model.append(nn.Linear(3, 3).double())
    with pytest.raises(RuntimeError, match="same dtype") as raised:
        saliency(wrapper, X)
    assert not hasattr(raised.value, "__notes__")  # the input is of a type of the weights
    with pytest.raises(RuntimeError, match="same dtype") as raised:
        saliency(wrapper, X.half())
    assert "weights are torch.float32, torch.float64" in raised.value.__notes__[0]


def test_buffers_tell_the_type_where_no_parameter_does():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("w", torch.rand(4, 3, dtype=torch.float64))

        def forward(self, x):
            return x @ self.w

    model = Frozen()
    for given in (X, X.numpy()):
        found = np.asarray(saliency(model, given))
        assert found.dtype == np.float32
        assert relative_error(found, model.w[:, 0].expand(3, 4).numpy()) <= 1e-6


def test_arrays_of_a_quantity_and_weights_of_points():
    """They follow the same rule: of the model's type, or float32 beside half weights."""

    class Error(QoI):
        arrays = ("targets",)

        def __init__(self, targets):
            self.targets = targets

        def __call__(self, y):
            seen.append((y.dtype, self.targets.dtype))
            return -((y - self.targets) ** 2).sum(1)

    targets = np.random.default_rng(0).normal(size=(3, 3))
    for dtype, kept in (
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.bfloat16, torch.float32),
    ):
        torch.manual_seed(0)
        model, seen, x = nn.Sequential(nn.Linear(4, 3), nn.Tanh()).to(dtype), [], X.to(dtype)
        found = IntegratedGradients(model, qoi=Error(targets), resolution=7).attributions(x)
        assert set(seen) == {(dtype, kept)}
        total = 0
        for i in range(7):
            z = ((i + 0.5) / 7 * x).requires_grad_()
            value = Error(torch.tensor(targets).to(kept))(model(z)).sum()
            total = total + torch.autograd.grad(value, z)[0].to(kept) / 7
        limit = 1e-10 if dtype == torch.float64 else 1e-5 if dtype == torch.float32 else 2e-2
        assert relative_error(found.double(), (total * x).double()) <= limit
        threshold = InternalInfluence(model, None, ThresholdQoI(0.1), "point")
        assert threshold.attributions(x).dtype == dtype


def test_points_in_float64_behind_a_float32_layer_are_weighted_in_float64():
    class Widening(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.last = nn.Embedding(9, 4), nn.Linear(4, 3).double()

        def forward(self, ids):
            return self.last(torch.sin(self.words(ids).double()))

    torch.manual_seed(0)
    model, inside = Widening(), Cut("last", anchor="in")
    path = LinearDoi(0.0, 7, cut=inside, rule="midpoint")
    found = InternalInfluence(model, (inside, None), lambda y: (y**2).sum(1), path)
    z, total = torch.sin(model.words(IDS).double()).detach(), 0
    for i in range(7):
        point = ((i + 0.5) / 7 * z).requires_grad_()
        total = total + torch.autograd.grad((model.last(point) ** 2).sum(), point)[0] / 7
    assert relative_error(found.attributions(IDS), total * z) <= 1e-10


# -- results go back as the inputs came -----------------------------------------------------------


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, ids, x):
        return self.head(self.embed(ids) * x.float())


@pytest.mark.filterwarnings("ignore:completeness fails")  # with three points
def test_the_kind_is_that_of_the_first_input_and_its_type_that_of_the_first_float():
    model = Pair()
    cases = [
        ((IDS, X.double()), torch.float64),
        ((IDS, X.double().numpy()), torch.float64),
        ((IDS, X.bfloat16()), torch.bfloat16),
        ((IDS.numpy(), X.double()), np.float64),
        ((IDS.numpy(), X.numpy().astype("f2")), np.float16),
        ((IDS.numpy(), X.bfloat16()), np.float32),  # NumPy has no bfloat16
    ]
    for args, dtype in cases:
        for found in (
            saliency(model, *args, cut="embed"),
            get_model_wrapper(model)(*args),
            IntegratedGradients(model, doi_cut="embed", resolution=3).explain(*args).quantity,
        ):
            assert isinstance(found, type(args[0]))
            assert found.dtype == dtype
            if isinstance(found, torch.Tensor):
                assert not found.requires_grad
                assert found.device == args[0].device
    only_ids = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 3)).double()
    assert saliency(only_ids, IDS, cut="1").dtype == torch.float64
    assert saliency(only_ids.bfloat16(), IDS.numpy(), cut="1").dtype == np.float32


# -- integers beside floats ----------------------------------------------------------------------


class Ages(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(5, 3)

    def forward(self, x, age, seen=None):
        return self.head(torch.cat([x, age.float()], 1))


AGES = torch.tensor([[30], [40], [50]])
LEFT_OUT = r"left out of the explanation: 1 \(torch\.int64\).*\.float\(\).*names=\['x'\]"


@pytest.mark.parametrize("ages", [AGES, AGES.numpy()])
def test_integers_beside_floats_are_named_once_a_call(ages):
    model = Ages()
    methods = [
        IntegratedGradients(model, qoi=0, resolution=9, rebatch_size=2),
        IntegratedGradients(model, qoi=0, tolerance=0.1),
        InputAttribution(model, qoi=0),
    ]
    for method in methods:
        for call in (method.attributions, method.explain):
            with pytest.warns(TrulensWarning, match=LEFT_OUT) as caught:
                call(X, ages)
            assert len(caught) == 1
            assert caught[0].filename == __file__
    both = saliency(model, X, AGES.float())
    assert [t.shape for t in both] == [(3, 4), (3, 1)]


def test_nothing_is_said_where_the_caller_chose():
    model = Ages()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saliency(model, X, AGES, cut=InputCut(names=["x"]))
        saliency(model, X, AGES, cut=InputCut(accessor=lambda inputs: inputs.args[0]))
        saliency(model, X, AGES, cut="head")
        saliency(model, X, AGES.float(), seen=AGES)  # beside positional ones
        saliency(model, X, AGES > 35)
        saliency(model, x=X, age=AGES)  # as masks are given
        get_model_wrapper(model)(X, AGES)
        saliency(Pair(), IDS, X, cut="embed")


def test_what_to_write_where_the_parameters_have_no_names():
    class Any(Ages):
        def forward(self, *args):
            return super().forward(*args)

    with pytest.warns(TrulensWarning, match=r"1 \(torch.uint8\).*inputs: inputs.args\[0\]"):
        saliency(Any(), X, AGES.to(torch.uint8))


def test_integers_alone():
    model = nn.Linear(4, 3)
    for x in (torch.arange(12).reshape(3, 4), np.arange(12).reshape(3, 4)):
        with pytest.raises(NotDifferentiableError, match=r"numbers .* as floats, with \.float\(\)"):
            saliency(model, x)

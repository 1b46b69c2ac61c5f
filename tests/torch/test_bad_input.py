"""Models, inputs, options and slices that are wrong: what, and what to do; nothing is lost."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    ClassQoI,
    Cut,
    CutError,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    NoBackendError,
    NotConnectedError,
    UnsupportedModelError,
    get_model_wrapper,
)

TRACES = runpy.run_path(str(Path(__file__).with_name("traces.py")))  # tests are no package
says, cases = TRACES["says"], TRACES["cases"]
X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
T = torch.tensor(X)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.act, self.b = nn.Linear(4, 6), nn.Dropout(), nn.Linear(6, 3)
        self.beside = nn.Linear(4, 3)

    def forward(self, x, more=None):
        self.beside(x)
        return self.b(self.act(self.a(x)))


@pytest.fixture
def model():
    torch.manual_seed(0)
    net = Net()
    net(T).sum().backward()
    x, t = X.copy(), T.clone()
    yield net
    assert np.array_equal(X, x)
    assert torch.equal(T, t)


# -- models --------------------------------------------------------------------------------------


def wrapped(model, **options):
    return lambda _: get_model_wrapper(model, **options)


MODELS = {
    "a class": (wrapped(Net), (TypeError, NoBackendError), r"class.*instance|instance.*class"),
    "nothing": (wrapped(None), NoBackendError, "NoneType"),
    "weights": (wrapped({"a": T}), NoBackendError, "dict"),
    "a function": (wrapped(lambda x: x), NoBackendError, 'backend="torch"'),
    "a tensor": (wrapped(T), NoBackendError, "Tensor"),
    "forced": (
        wrapped(3, backend="torch"),
        UnsupportedModelError,
        r"an nn.Module or a function, found int",
    ),
    "a class, forced": (wrapped(Net, backend="torch"), TypeError, "pass an instance of the class"),
    "no backend": (wrapped(Net(), backend="torhc"), NoBackendError, r"torhc.*torch"),
    "an option": (wrapped(Net(), sofmax=1), TypeError, "sofmax"),
    "of Keras": (wrapped(Net(), softmax_layer=2), TypeError, r"softmax_layer=2.*Keras.*torch"),
    "of JAX": (wrapped(Net(), params={}), TypeError, r"params=.*JAX.*torch"),
}


@cases(MODELS)
def test_models(model, call, error, message):
    says(model, call, error, message)


def test_options_of_others_at_their_defaults_are_ignored(model):
    wrapper = get_model_wrapper(model, softmax_layer=-1, params=None, replace_softmax=False)
    assert wrapper.model is model
    with pytest.warns(DeprecationWarning, match="input_shape= is no longer needed"):
        get_model_wrapper(model, input_shape=(4,))


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("layer", [nn.LazyLinear(3), nn.LazyBatchNorm1d(affine=False)])
def test_lazy_models_are_called_once_first(layer):
    model = nn.Sequential(layer)
    with pytest.raises(UnsupportedModelError, match=r"lazy layers.*call it once with data"):
        InputAttribution(model).attributions(X)
    assert type(model[0]) is type(layer)
    model(T)
    assert InputAttribution(model).attributions(X).shape == X.shape


def test_models_made_under_inference_mode_are_refused_before_anything_is_touched():
    with torch.inference_mode():
        model = Net()
    with pytest.raises(UnsupportedModelError, match=r"inference_mode.*copy.deepcopy it, outside"):
        InputAttribution(model).attributions(X)
    assert all(m.training for m in model.modules())
    assert all(p.requires_grad for p in model.parameters())


def test_buffers_made_under_inference_mode_serve():
    class Masked(nn.Linear):
        def forward(self, x):
            return super().forward(x * self.mask)[self.order]

    model = Masked(4, 3)
    with torch.inference_mode():
        model.register_buffer("mask", torch.ones(4))
        model.register_buffer("order", torch.arange(3))
    before = TRACES["of"](model)
    found = InputAttribution(model, qoi=0, multiply_activation=False).attributions(T)
    assert torch.equal(found, model.weight[0].detach().expand(3, 4))
    assert TRACES["of"](model) == before


# -- inputs --------------------------------------------------------------------------------------


def given(*args, **kwargs):
    return lambda model: InputAttribution(model).attributions(*args, **kwargs)


class Frame:
    """As a data frame: it has a shape, and is no tensor."""

    shape = (3, 4)


INPUTS = {
    "nothing": (given(), TypeError, r"no array or tensor.*found: nothing.*numpy.asarray"),
    "an empty list": (given([]), TypeError, "found: nothing"),
    "numbers": (given([1.0, 2.0]), TypeError, r"found: float, float"),
    "lists": (given([[1.0, 2.0], [3.0, 4.0]]), TypeError, r"found: list, list.*numpy.asarray"),
    "texts": (given(["a", "b"]), TypeError, "found: str, str"),
    "a scalar": (given(np.float32(1)), TypeError, "batch axis"),
    "no axis": (given(torch.tensor(1.0)), TypeError, "batch axis"),
    "no records": (given(X[:0]), ValueError, "0 records; give at least one"),
    "objects": (given(np.array([["a"], [None]], object)), TypeError, "input 0 has dtype object"),
    "strings": (given(np.array([["a"], ["b"]])), TypeError, "input 0 has dtype <U1"),
    "times": (given(np.zeros((3, 4), "M8[s]")), TypeError, "input 0 has dtype datetime64"),
    "records": (given(np.zeros(3, [("a", "f4")])), TypeError, "input 0 has dtype"),
    "complex": (given(X + 0j), ValueError, r"no floating tensor \(0: torch.complex64\)"),
    "integers": (given(X.astype(int)), ValueError, r"no floating tensor \(0: torch.int64\)"),
    "booleans": (given(x=T > 0), ValueError, r"no floating tensor \('x': torch.bool\)"),
    "a frame": (given(Frame()), TypeError, r"input 0 is a .*Frame; a torch model takes NumPy"),
    "masked": (given(np.ma.masked_array(X, X > 0)), TypeError, r"masked array.*x.filled\(0\)"),
    "no argument of it": (given(T, nothing=T), TypeError, "unexpected keyword argument 'nothing'"),
    "its own error": (given(T[:, :2]), RuntimeError, "shapes cannot be multiplied"),
}


@cases(INPUTS)
def test_inputs(model, call, error, message):
    says(model, call, error, message)


def test_an_option_of_another_library_in_the_call(model):
    """What the model raises stays, with what to write."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'target'") as caught:
        InputAttribution(model).attributions(T, target=1)
    notes = " ".join(caught.value.__notes__)
    assert "Captum's target= is qoi= here; it belongs to the method, not to the call" in notes


def test_a_name_that_was_not_given(model):
    def call(m):
        return InputAttribution(m, doi_cut=InputCut(names=["y"])).attributions(T)

    says(model, call, CutError, r"names 'y', which is not given; arguments: \['x'\]")
    with pytest.raises(CutError, match=r"names='x'\): give a list, \['x'\]"):
        InputCut(names="x")


def test_a_model_that_loses_records():
    class Mean(nn.Module):
        def forward(self, x):
            return x.mean(0, keepdim=True)

    with pytest.raises(CutError, match=r"shape \(1, 4\): 1 rows.*have 3.*batched="):
        InputAttribution(Mean(), qoi=0).attributions(X)
    model = nn.Sequential(nn.Linear(4, 6), nn.Flatten(0), nn.Unflatten(0, (6, 3)))
    method = InternalInfluence(model, ("0", None), 0, "point")
    with pytest.raises(CutError, match=r"6 rows.*batch_axis="):
        method.attributions(X)


# -- methods and their options -------------------------------------------------------------------


def method(*args, **options):
    return lambda model: InternalInfluence(model, *args, **options)


def integrated(**options):
    return lambda model: IntegratedGradients(model, **options)


OPTIONS = {
    "rebatch_size": (integrated(rebatch_size=0), ValueError, "rebatch_size is 0"),
    "rebatch_size, text": (integrated(rebatch_size="all"), ValueError, "rebatch_size is 'all'"),
    "rebatch_size, bool": (integrated(rebatch_size=True), ValueError, "rebatch_size is True"),
    "resolution": (integrated(resolution=0), ValueError, r"resolution is 0; .* int >= 1"),
    "resolution, float": (integrated(resolution=2.5), ValueError, "resolution is 2.5"),
    "rule": (integrated(rule="simpson"), ValueError, r"'simpson'.*'midpoint'"),
    "unknown": (integrated(resolutoin=3), TypeError, "resolutoin"),
    "qoi": (integrated(qoi="maximum"), ValueError, r"'maximum'.*'max', 'predicted'"),
    "qoi, bool": (integrated(qoi=True), ValueError, "qoi is True"),
    "qoi, class": (integrated(qoi=ClassQoI), ValueError, "qoi is <class"),
    "qoi of two": (integrated(qoi=lambda y, z: y), ValueError, r"exactly one argument.*\(y, z\)"),
    "doi": (method(None, 0, "line"), ValueError, r"'line'.*'point' or 'linear'"),
    "doi, None": (method(None, 0, None), ValueError, "doi is None"),
    "anchor": (lambda m: Cut("a", "middle"), CutError, r"'middle'.*'in' or 'out'"),
    "accessor": (lambda m: Cut("a", accessor=3), CutError, "must be a function"),
    "call": (lambda m: Cut("a", call=-1), CutError, "count from 0"),
    "batch_axis": (lambda m: Cut("a", batch_axis="t"), CutError, "batch_axis is 't'"),
    "no layer": (lambda m: Cut([]), CutError, "names no layer"),
    "two cuts of a path": (
        lambda m: InputAttribution(m, doi_cut="a", doi=LinearDoi(cut="b")),
        ValueError,
        r"own cut, Cut\('b'\), but doi_cut is Cut\('a'\).*InternalInfluence",
    ),
}


@cases(OPTIONS)
def test_options(model, call, error, message):
    says(model, call, error, message)


# -- slices --------------------------------------------------------------------------------------


def influence(source, target=None, doi="point", qoi=0):
    return lambda m: InternalInfluence(m, (source, target), qoi, doi).attributions(X)


SLICES = {
    "backwards": (influence("b", "a"), NotConnectedError, r"at Cut\('a'\).*at Cut\('b'\).*after"),
    "beside": (influence("beside"), NotConnectedError, "source cut after the target"),
    "before its distribution": (
        influence("a", doi=LinearDoi(cut="act")),
        NotConnectedError,
        r"once the value at Cut\('act'\) is given",
    ),
    "input before a distribution": (
        influence(None, doi=LinearDoi(cut="a")),
        NotConnectedError,
        r"InputCut\(\) once the value at Cut\('a'\) is given",
    ),
}


@cases(SLICES)
def test_slices(model, call, error, message):
    says(model, call, error, message)


class Pair(nn.Module):
    def forward(self, x, y):
        return x + y


def test_a_models_own_error_says_what_was_not_repeated():
    method = IntegratedGradients(Pair(), resolution=5)
    with pytest.raises(RuntimeError, match=r"must match the size") as raised:
        method.attributions(T, T[:2])
    (note,) = raised.value.__notes__
    assert "was given 1 of shape (2, 4) as it is" in note
    assert "if there are as many (3)" in note
    with pytest.raises(RuntimeError) as raised:
        method.attributions(T, torch.ones(3, 5))
    assert not hasattr(raised.value, "__notes__")


def test_a_models_own_error_says_how_pictures_go_in():
    cnn = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    image = torch.rand(3, 8, 8)
    assert IntegratedGradients(cnn, resolution=2).attributions(image[None]).shape == (1, 3, 8, 8)
    wrong = {
        r"\(3, 8, 8\) as 3 records, .* one picture alone is x\[None\]": image,
        r"\(8, 8, 3\) as 8 records": image.permute(1, 2, 0),
        r"\(1, 8, 8, 3\), whose channels seem to be last": image.permute(1, 2, 0)[None],
        r"2 arguments of shape \(3, 8, 8\): .* torch.stack\(x\)": [image, image],
    }
    for said, x in wrong.items():
        with pytest.raises((RuntimeError, TypeError)) as raised:
            IntegratedGradients(cnn, resolution=2).attributions(x)
        assert re.search(said, " ".join(raised.value.__notes__)), raised.value.__notes__
    with pytest.raises(RuntimeError) as raised:
        IntegratedGradients(cnn, resolution=2).attributions(torch.rand(2, 3, 9, 9))
    assert not hasattr(raised.value, "__notes__")

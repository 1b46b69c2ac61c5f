"""Functions as models: what they call is found, frozen, evaluated, cut at and put back."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    NoBackendError,
    UnsupportedModelError,
    get_model_wrapper,
)
from trulens_core.testing import relative_error


class Towers(nn.Module):
    """A model with two heads, of which a user explains one, as those of text and image are."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Dropout(0.5))
        self.text, self.image = nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, x, return_dict=False):
        h = self.body(x)
        found = {"text": self.text(h), "image": self.image(h)}
        return found if return_dict else (found["text"], found["image"])

    def encode_text(self, x):
        return self.text(self.body(x))


class Scorer:
    """An object of the caller's that holds a model and is called."""

    def __init__(self, model):
        self.kept = {"model": model}

    def __call__(self, x):
        return self.kept["model"](x)[0]


torch.manual_seed(0)
MODEL = Towers().double().train()
X = torch.randn(3, 4, dtype=torch.float64)


def text(x):
    return MODEL(x, return_dict=True)["text"]


def by_hand(x=X, at="body", of=1):
    """Gradients of the text head's score at the input and at the body, in evaluation mode."""
    model = Towers().double().eval()
    model.load_state_dict(MODEL.state_dict())
    rows = []
    for record in x:
        z = record[None].clone().requires_grad_()
        h = model.body(z)
        score = model.text(h)[0, of]
        rows.append(torch.autograd.grad(score, h if at == "body" else z)[0][0])
    return torch.stack(rows).numpy()


def closure(model):
    return lambda x: model(x)[0]


FUNCTIONS = {
    "a bound method": MODEL.encode_text,
    "a global name": lambda x: MODEL(x, return_dict=True)["text"],
    "a function that calls another": lambda x: text(x) * 1.0,
    "a closure": closure(MODEL),
    "a partial": functools.partial(lambda model, x: model.encode_text(x), MODEL),
    "a default": lambda x, m=MODEL: m(x)[0],
    "an object": Scorer(MODEL),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_gradients_at_the_input_and_at_a_layer(kind):
    """Dropout is off meanwhile, and on again after."""
    wrapper = get_model_wrapper(FUNCTIONS[kind], backend="torch")
    found = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(X.numpy())
    assert relative_error(found, by_hand(at="input")) < 1e-12
    at = InternalInfluence(wrapper, "body", 1, "point", multiply_activation=False)
    assert relative_error(at.attributions(X.numpy()), by_hand()) < 1e-12
    assert all(m.training for m in MODEL.modules())
    assert all(p.requires_grad and p.grad is None for p in MODEL.parameters())


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_layers_are_listed(kind):
    (first, *_) = [x.name for x in get_model_wrapper(FUNCTIONS[kind], backend="torch").layers()]
    assert first in {"model", "MODEL", "m"}


def test_a_path_is_complete():
    wrapper = get_model_wrapper(text, backend="torch")
    result = IntegratedGradients(wrapper, qoi=2, resolution=200).explain(X)
    assert abs(result.residual).max() < 1e-5
    assert type(result.attributions) is torch.Tensor


def test_two_modules_by_name():
    first, second = nn.Linear(4, 5).double(), nn.Linear(5, 2).double()

    def both(x):
        return second(torch.tanh(first(x)))

    wrapper = get_model_wrapper(both, backend="torch")
    assert {x.name for x in wrapper.layers()} == {"first", "second"}
    found = InternalInfluence(wrapper, "first", 0, "point", multiply_activation=False)
    h = first(X).detach()
    expected = second.weight[0] * (1 - torch.tanh(h) ** 2)
    assert relative_error(found.attributions(X.numpy()), expected.detach().numpy()) < 1e-12
    assert "the function both" in repr(wrapper)


def hidden():
    """A function whose module is where nothing is looked for."""
    inside = iter([nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5)).double()])
    module = next(inside)
    holder = [[[[[[module]]]]]]
    return (lambda x: holder[0][0][0][0][0][0](x) * 1), module


def test_a_module_that_is_not_found_is_an_error_and_can_be_named():
    """Not a wrong number: it would run in training mode."""
    f, module = hidden()
    with pytest.raises(UnsupportedModelError, match=r"calls a Sequential .*layers=\[\.\.\.\]"):
        InputAttribution(get_model_wrapper(f, backend="torch"), qoi=1).attributions(X)
    for layers, name in ((module, "0"), ([module], "0.0"), ({"mine": module}, "mine.0")):
        wrapper = get_model_wrapper(f, backend="torch", layers=layers)
        found = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(X)
        assert torch.equal(found, module[0].weight[1].detach().expand(3, 4))
        assert wrapper.fprop(X, to_cut=name).shape == (3, 2)
    assert not nn.modules.module._global_forward_pre_hooks


def test_a_name_that_gets_another_module_is_followed():
    space = {"net": nn.Linear(4, 2).double(), "__name__": "notebook"}
    exec("def f(x): return net(x)", space)
    wrapper = get_model_wrapper(space["f"], backend="torch")
    method = InputAttribution(wrapper, qoi=0, multiply_activation=False)
    for _ in range(2):
        assert torch.equal(method.attributions(X)[0], space["net"].weight[0].detach())
        space["net"] = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.9)).double()
        space["net"].weight = space["net"][0].weight
    assert "0" in [x.name.rpartition(".")[2] for x in wrapper.layers()]


@pytest.mark.parametrize(
    ("model", "options", "error", "said"),
    [
        (text, {}, NoBackendError, r"plain function .*backend=\"torch\""),
        (Towers, {"backend": "torch"}, UnsupportedModelError, "pass an instance"),
        (3, {"backend": "torch"}, UnsupportedModelError, "an nn.Module or a function, found int"),
        (MODEL, {"layers": MODEL.body}, TypeError, "layers= names the modules of a function"),
        (
            text,
            {"backend": "torch", "layers": [3]},
            UnsupportedModelError,
            "layers= takes a Module, .* found in it a int",
        ),
    ],
)
def test_what_is_no_function(model, options, error, said):
    with pytest.raises(error, match=said):
        get_model_wrapper(model, **options)


def test_a_function_without_modules():
    """Of tensors alone: there is nothing to freeze, and inputs go in as they are."""
    weights = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    wrapper = get_model_wrapper(lambda x: torch.tanh(x) @ weights, backend="torch")
    found = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(X.numpy())
    expected = (1 - np.tanh(X.numpy()) ** 2) * weights.detach().numpy()[:, 1]
    assert relative_error(found, expected) < 1e-12
    assert weights.grad is None

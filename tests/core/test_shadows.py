"""Layers taken over without hooks: the shadow of a model of plain objects."""

import copy

import numpy as np
import pytest

from trulens_core import Cut, InternalInfluence, LayerNotReachedError, register_backend
from trulens_core.models import Layer, ModelWrapper, get_model_wrapper
from trulens_core.passes import Pass, Shadows
from trulens_core.plugins import BackendDescription, LoadedBackend
from trulens_core.testing.reference import BACKEND, Tensor, register_reference
from trulens_core.testing.reference import namespace as xp

register_reference()
RNG = np.random.default_rng(0)


class Module:
    """A framework's layer: nothing but attributes, and a mode."""

    training = True

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)


class Dense(Module):
    def __init__(self, i, o):
        self.weight = Tensor(RNG.standard_normal((i, o)))

    def forward(self, x, *, scale=1.0):
        return xp.tanh(xp.matmul(x, self.weight)) * scale


class Dropout(Module):
    def forward(self, x):
        return x * 0.0 if self.training else x


class Block(Module):
    def __init__(self, n):
        self.parts = [Dense(n, n), Dropout()]
        self.named = {"last": (Dense(n, n),)}

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        (last,) = self.named["last"]
        return last(x, scale=0.5)


class Model(Module):
    def __init__(self):
        self.first = Dense(5, 4)
        self.block = Block(4)
        self.again = self.block.parts[0]
        self.head = Dense(4, 3)
        self.kept = self.head.forward  # a bound method of the model's own

    def forward(self, x):
        y = self.again(self.block(self.first(x)))
        return self.kept(y) + xp.sum(self.first.weight) + float(isinstance(self.block, Block))


class Wrapper(ModelWrapper):
    backend = BACKEND
    shadows = Shadows(Module)

    def layers(self):
        found = self.shadows.layers(self.model).items()
        return [Layer(name, type(layer).__name__) for name, layer in found]

    def forward(self, inputs, *, replace, tap, want):
        p = Pass(self, replace=replace, tap=tap, want=want)
        inputs = p.enter(inputs)
        model = self.shadows.of(self.model, p)
        for layer in self.shadows.layers(model).values():
            layer.training = False
        return p.leave(model(*inputs.args, **inputs.kwargs))


register_backend(
    BackendDescription(
        "objects", lambda m: isinstance(m, Module), lambda: LoadedBackend(BACKEND, Wrapper)
    )
)


@pytest.fixture(scope="module")
def model():
    return Model()


@pytest.fixture
def x():
    return RNG.standard_normal((3, 5))


def by_hand(model, x):
    """Values by NumPy: after the first layer, its block, and the shared layer."""
    first, block = model.first.weight.data, model.block
    h = np.tanh(x @ first)
    inner = np.tanh(h @ block.parts[0].weight.data)
    b = 0.5 * np.tanh(inner @ block.named["last"][0].weight.data)
    again = np.tanh(b @ block.parts[0].weight.data)
    return h, inner, b, again, np.tanh(again @ model.head.weight.data) + first.sum() + 1.0


def test_every_layer_has_a_name(model):
    names = [layer.name for layer in get_model_wrapper(model).layers()]
    assert names == [
        "first",
        "block",
        "block.parts.0",
        "block.parts.1",
        "block.named.last.0",
        "head",
    ]


def test_values_at_every_cut(model, x):
    wrapper = get_model_wrapper(model)
    h, inner, b, again, y = by_hand(model, x)
    cuts = ["first", Cut("block.parts.0", call=0), "block", Cut("block.parts.0", call=1)]
    for cut, expected in zip(cuts, (h, inner, b, again), strict=True):
        assert np.allclose(wrapper.fprop(x, to_cut=cut), expected, rtol=1e-13)
    assert np.allclose(wrapper(x), y, rtol=1e-13)
    before = wrapper.fprop(x, to_cut=Cut("block.named.last.0", "in"))
    assert np.allclose(before, inner, rtol=1e-13)


def test_gradients_at_an_inner_layer(model, x):
    *_, again, _ = by_hand(model, x)
    w = model.head.weight.data
    cut = Cut("block.parts.0", call=1)
    found = InternalInfluence(model, cut, 1, "point").attributions(x)
    expected = (1 - np.tanh(again @ w[:, 1]) ** 2)[:, None] * w[:, 1] * again
    assert np.allclose(found, expected, rtol=1e-10)


def test_what_is_not_called_by_its_attribute_is_not_seen(model, x):
    with pytest.raises(LayerNotReachedError, match="head"):
        get_model_wrapper(model).fprop(x, to_cut="head")


def test_the_model_is_never_touched(model, x):
    layers = Shadows(Module).layers(model)
    before = {n: (type(m), dict(vars(m))) for n, m in layers.items()}
    held = copy.copy(model.block.parts), dict(model.block.named)
    get_model_wrapper(model).fprop(x, to_cut="block")
    assert {n: (type(m), dict(vars(m))) for n, m in layers.items()} == before
    assert (model.block.parts, model.block.named) == held
    assert all(m.training for m in layers.values())


def test_the_weights_are_those_of_now(x):
    model = Model()
    wrapper = get_model_wrapper(model)
    wrapper(x)
    model.head.weight.data[:] = 0  # kept by reference
    model.first = Dense(5, 4)
    *_, y = by_hand(model, x)
    assert np.allclose(wrapper(x), y, rtol=1e-13)


def test_layers_that_hold_one_another():
    first, second = Block(4), Block(4)
    first.peer, second.peer = second, first
    names = Shadows(Module).layers(first)
    assert {"peer", "peer.parts.0"} <= names.keys()
    assert "peer.peer" not in names

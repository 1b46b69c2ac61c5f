"""The weights of NNX modules are read by reference, and never stale."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trulens_core import InputAttribution, get_model_wrapper
from trulens_jax.adapters.references import References


class Net(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.first, self.norm = nnx.Linear(3, 4, rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
        self.rest = nnx.List([nnx.Linear(4, 4, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)])
        self.tied = self.rest[0]
        self.table = np.ones(4, "float32")
        self.sizes = {"scale": 2.0}

    def __call__(self, x):
        h = self.norm(jnp.tanh(self.first(x))) * self.sizes["scale"]
        for layer in self.rest:
            h = layer(h)
        return self.tied(h * self.table)


@pytest.fixture
def net():
    net = Net()
    net.eval()
    return net


def same(references, net):
    """Whether what is read is what a split gives."""
    arrays, skeleton = references.now()
    merged = skeleton.filled(arrays)
    leaves, structure = jax.tree.flatten(merged)
    expected, expected_structure = jax.tree.flatten(nnx.split(net))
    return structure == expected_structure and all(
        a is b for a, b in zip(leaves, expected, strict=True)
    )


def splits(monkeypatch):
    """How often a module is split from now on."""
    counted, split = [], nnx.split
    monkeypatch.setattr(nnx, "split", lambda *a: counted.append(1) or split(*a))
    return counted


def test_it_is_split_once_and_its_values_are_seen(net, monkeypatch):
    references = References(net)
    first = references.now()
    counted = splits(monkeypatch)
    assert references.now() is first
    net.first.kernel[...] = 2 * net.first.kernel[...]
    net.norm.mean.set_value(jnp.ones(4))
    second = references.now()
    assert not counted
    assert second[1] is first[1]
    assert second is references.now()
    monkeypatch.undo()
    assert same(references, net)


def rename(net):
    net.rest[0] = nnx.Linear(4, 4, rngs=nnx.Rngs(5))


CHANGES = {
    "a static attribute": lambda net: setattr(net.norm, "epsilon", 0.5),
    "a mode": lambda net: net.train(),
    "a variable": lambda net: setattr(net.first, "bias", nnx.Param(jnp.ones(4))),
    "no variable": lambda net: setattr(net.first, "bias", None),
    "a layer in a list": rename,
    "a layer less": lambda net: net.rest.pop(),
    "a tied layer": lambda net: setattr(net, "tied", net.first),
    "an array": lambda net: setattr(net, "table", np.zeros(4, "float32")),
    "an entry": lambda net: net.sizes.update(scale=3.0),
    "a class": lambda net: setattr(net.first, "__class__", type("Linear", (nnx.Linear,), {})),
    "another type": lambda net: net.first.kernel.set_value(jnp.ones((3, 4), "float16")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_seen(net, change):
    references = References(net)
    for _ in range(2):
        references.now()
    change(net)
    assert same(references, net)
    assert same(references, net)


def test_what_cannot_be_followed_is_split_at_every_call(net, monkeypatch):
    net.first.kernel = nnx.Param({"a": jnp.ones((3, 4))})
    references = References(net)
    references.now()
    counted = splits(monkeypatch)
    references.now()
    assert counted


def test_an_explanation_follows(net, compiled, close):
    method = InputAttribution(get_model_wrapper(net), qoi=0, multiply_activation=False)
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")

    def expected():
        graph, state = nnx.split(net)
        return jax.grad(lambda x: nnx.merge(graph, state)(x)[:, 0].sum())(x)

    close(method.attributions(x), expected(), 1e-5)
    net.first.kernel[...] = 2 * net.first.kernel[...]
    with compiled() as names:
        changed = method.attributions(x)
    assert names == []
    close(changed, expected(), 1e-5)
    net.norm.epsilon = 0.5
    close(method.attributions(x), expected(), 1e-5)

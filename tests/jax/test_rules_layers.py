"""Rules chosen by layers' names on JAX, whatever library the layers are of."""

import equinox as eqx
import flax.linen
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trulens_core import LRP, RuleSet, get_model_wrapper
from trulens_core.rules import Epsilon, Identity
from trulens_core.testing import relative_error
from trulens_jax import tap

R = np.random.default_rng(0)
W, B = R.standard_normal((4, 6)), R.standard_normal(6)
V, C = R.standard_normal((6, 2)), R.standard_normal(2)
X = R.standard_normal((3, 4))
FIRST, REST = 0.5, 1e-3


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def in_nnx():
    class Net(nnx.Module):
        def __init__(self):
            rngs, wide = nnx.Rngs(0), "float64"
            self.a = nnx.Linear(4, 6, param_dtype=wide, rngs=rngs)
            self.b = nnx.Linear(6, 2, param_dtype=wide, rngs=rngs)

        def __call__(self, x):
            return self.b(jax.nn.relu(self.a(x)))

    net = Net()
    for layer, w, b in ((net.a, W, B), (net.b, V, C)):
        layer.kernel[...], layer.bias[...] = jnp.asarray(w), jnp.asarray(b)
    return get_model_wrapper(net), "a"


def in_linen():
    class Net(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, x):
            h = flax.linen.Dense(6, param_dtype="float64", name="a")(x)
            return flax.linen.Dense(2, param_dtype="float64", name="b")(jax.nn.relu(h))

    params = {"a": {"kernel": W, "bias": B}, "b": {"kernel": V, "bias": C}}
    return get_model_wrapper(Net(), params={"params": jax.tree.map(jnp.asarray, params)}), "a"


def in_haiku():
    net = hk.transform(lambda x: hk.Linear(2, name="b")(jax.nn.relu(hk.Linear(6, name="a")(x))))
    params = {"a": {"w": W, "b": B}, "b": {"w": V, "b": C}}
    return get_model_wrapper(net, params=jax.tree.map(jnp.asarray, params)), "a"


def in_equinox():
    net = eqx.nn.MLP(4, 2, 6, 1, key=jax.random.key(0))
    new = [jnp.asarray(a) for a in (W.T, B, V.T, C)]
    net = eqx.tree_at(
        lambda m: [x for layer in m.layers for x in (layer.weight, layer.bias)], net, new
    )
    return get_model_wrapper(net), "layers.0"


def as_function():
    def net(p, x):
        return jax.nn.relu(tap(x @ p[0] + p[1], "a")) @ p[2] + p[3]

    weights = tuple(map(jnp.asarray, (W, B, V, C)))
    return get_model_wrapper(net, backend="jax", params=weights), None


def by_hand():
    z = X @ W + B
    h = np.maximum(z, 0)
    y = h @ V + C

    def ratio(v, eps):
        return v / (v + eps * np.where(v >= 0, 1, -1))

    g = (V[:, 1] * ratio(y, REST)[:, 1:]) * (z > 0)
    return X * ((g * ratio(z, FIRST)) @ W.T)


@pytest.mark.parametrize("made", [in_nnx, in_linen, in_haiku, in_equinox])
def test_layers_are_named(made):
    wrapper, name = made()
    rules = [(f"layer:{name}", Epsilon(FIRST)), ("linear", Epsilon(REST)), ("relu", Identity())]
    found = LRP(wrapper, RuleSet(rules), qoi=1).explain(X)
    assert relative_error(np.asarray(found.attributions), by_hand()) < 1e-10
    assert found.coverage.by_kind() == {
        ("linear", repr(Epsilon(FIRST))): 1,
        ("linear", repr(Epsilon(REST))): 1,
        ("relu", repr(Identity())): 1,
    }


def test_functions_have_no_layers():
    """A tap names a value, and no operation: what a layer's rule is for is not there."""
    wrapper, _ = as_function()
    rules = RuleSet([("layer:a", Epsilon(FIRST)), ("linear", Epsilon(REST)), ("relu", Identity())])
    found = LRP(wrapper, rules, qoi=1).explain(X)
    assert found.coverage.by_kind()[("linear", repr(Epsilon(REST)))] == 2

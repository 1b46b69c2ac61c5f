"""Rules chosen by layers' names on JAX, whatever library the layers are of."""

import equinox as eqx
import flax.linen
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trulens_core import LRP, RuleSet, TrulensWarning, get_model_wrapper
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
    with pytest.warns(TrulensWarning, match="'layer:a' met no operation .* there are none"):
        found = LRP(wrapper, rules, qoi=1).explain(X)
    assert found.coverage.by_kind()[("linear", repr(Epsilon(REST)))] == 2


# -- batch normalisation, as a part of the convolution before it ----------------------------------

KERNEL, SHIFT = R.standard_normal((3, 3, 2, 4)), R.standard_normal(4)
MEAN, SPREAD = R.standard_normal(4), R.uniform(0.5, 2, 4)
SCALE, OFFSET = R.standard_normal(4), R.standard_normal(4)
HEAD = R.standard_normal((4, 2))
IMAGES = R.standard_normal((2, 4, 4, 2))  # as many positions as channels


def normalised_nnx():
    class Net(nnx.Module):
        def __init__(self):
            rngs, wide = nnx.Rngs(0), {"param_dtype": "float64"}
            self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs, **wide)
            self.norm = nnx.BatchNorm(4, use_running_average=True, rngs=rngs, **wide)
            self.head = nnx.Linear(4, 2, use_bias=False, rngs=rngs, **wide)

        def __call__(self, x):
            return self.head(jax.nn.relu(self.norm(self.conv(x))).mean((1, 2)))

    net = Net()
    net.conv.kernel[...], net.conv.bias[...] = jnp.asarray(KERNEL), jnp.asarray(SHIFT)
    net.norm.mean = nnx.BatchStat(jnp.asarray(MEAN))  # float32 as it is made
    net.norm.var = nnx.BatchStat(jnp.asarray(SPREAD))
    net.norm.scale[...], net.norm.bias[...] = jnp.asarray(SCALE), jnp.asarray(OFFSET)
    net.head.kernel[...] = jnp.asarray(HEAD)
    return get_model_wrapper(net), IMAGES, lambda a: a


def normalised_equinox():
    class Net(eqx.Module):
        conv: eqx.nn.Conv2d
        weights: tuple

        def __call__(self, x):
            mean, spread, scale, offset, head = self.weights
            y = (self.conv(x) - mean[:, None, None]) / jnp.sqrt(spread + 1e-5)[:, None, None]
            y = y * scale[:, None, None] + offset[:, None, None]
            return jax.nn.relu(y).mean((1, 2)) @ head

    conv = eqx.nn.Conv2d(2, 4, 3, padding=1, key=jax.random.key(0))
    new = jnp.asarray(KERNEL.transpose(3, 2, 0, 1)), jnp.asarray(SHIFT[:, None, None])
    conv = eqx.tree_at(lambda c: (c.weight, c.bias), conv, new)
    net = Net(conv, tuple(map(jnp.asarray, (MEAN, SPREAD, SCALE, OFFSET, HEAD))))
    return get_model_wrapper(net), IMAGES.transpose(0, 3, 1, 2), lambda a: a.transpose(0, 2, 3, 1)


def normalised_linen():
    class Net(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, x):
            wide = {"param_dtype": "float64"}
            y = flax.linen.Conv(4, (3, 3), name="conv", **wide)(x)
            y = flax.linen.BatchNorm(use_running_average=True, name="norm", **wide)(y)
            y = jax.nn.relu(y).mean((1, 2))
            return flax.linen.Dense(2, use_bias=False, name="head", **wide)(y)

    params = {
        "conv": {"kernel": KERNEL, "bias": SHIFT},
        "norm": {"scale": SCALE, "bias": OFFSET},
        "head": {"kernel": HEAD},
    }
    held = {"params": params, "batch_stats": {"norm": {"mean": MEAN, "var": SPREAD}}}
    wrapper = get_model_wrapper(Net(), params=jax.tree.map(jnp.asarray, held))
    return wrapper, IMAGES, lambda a: a


def normalised_haiku():
    def net(x, is_training=False):
        y = hk.Conv2D(4, 3, name="conv")(x)
        y = hk.BatchNorm(True, True, 0.9, name="norm")(y, is_training)
        return hk.Linear(2, with_bias=False, name="head")(jax.nn.relu(y).mean((1, 2)))

    model = hk.transform_with_state(net)
    params, state = model.init(jax.random.key(0), jnp.asarray(IMAGES), True)
    params = {
        "conv": {"w": KERNEL, "b": SHIFT},
        "norm": {"scale": SCALE.reshape(1, 1, 1, -1), "offset": OFFSET.reshape(1, 1, 1, -1)},
        "head": {"w": HEAD},
    }
    means = {"norm/~/mean_ema": MEAN, "norm/~/var_ema": SPREAD}
    state = {
        layer: {
            name: a if a.ndim == 0 else jnp.asarray(means[layer]).reshape(1, 1, 1, -1)
            for name, a in held.items()
        }
        for layer, held in state.items()
    }
    given = {"params": jax.tree.map(jnp.asarray, params), "state": state}
    return get_model_wrapper(model, **given), IMAGES, lambda a: a


def folded():
    """The same network without a normalisation."""
    factor = SCALE / np.sqrt(SPREAD + 1e-5)

    def net(p, x):
        numbers = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(x, p[0], (1, 1), "SAME", dimension_numbers=numbers)
        return jax.nn.relu(y + p[1]).mean((1, 2)) @ p[2]

    weights = KERNEL * factor, (SHIFT - MEAN) * factor + OFFSET, HEAD
    return get_model_wrapper(net, backend="jax", params=tuple(map(jnp.asarray, weights)))


MADE = [normalised_nnx, normalised_linen, normalised_haiku, normalised_equinox]


@pytest.mark.parametrize("made", MADE)
def test_normalisation_is_merged(made):
    wrapper, x, back = made()
    expected = LRP(folded(), "epsilon_plus", qoi=1).attributions(IMAGES)
    found = LRP(wrapper, "epsilon_plus", qoi=1, merge=True).explain(x)
    assert relative_error(back(np.asarray(found.attributions)), np.asarray(expected)) < 1e-10
    assert "affine" not in {kind for kind, _ in found.coverage.by_kind()}
    apart = LRP(wrapper, "epsilon_plus", qoi=1).attributions(x)
    assert relative_error(back(np.asarray(apart)), np.asarray(expected)) > 1e-3

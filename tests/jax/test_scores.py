"""Which output is meant, and that a layer named as `logit_layer` gives scores, on JAX."""

import equinox as eqx
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.core import FrozenDict

from trulens_core import (
    Cut,
    CutError,
    InputAttribution,
    InputCut,
    InternalInfluence,
    LogitCut,
    OutputCut,
    get_model_wrapper,
)
from trulens_jax import tap

RNG = np.random.default_rng(0)
W, V = (jnp.asarray(RNG.normal(size=s), "float32") for s in ((4, 3), (4, 2)))
X = RNG.normal(size=(3, 4)).astype("float32")


@flax.struct.dataclass
class Output:
    z: jax.Array
    a: jax.Array
    note: str = flax.struct.field(pytree_node=False, default="kept")


class Module(eqx.Module):
    z: jax.Array
    a: jax.Array
    note: str = eqx.field(static=True, default="kept")


KINDS = {
    "dict": lambda z, a: {"z": z, "a": a},
    "dataclass": Output,
    "module": Module,
    "frozen": lambda z, a: FrozenDict(z=z, a=a),
}


@pytest.mark.parametrize("kind", KINDS)
def test_heads_by_name(kind):
    def heads(x):
        return tap(KINDS[kind](x @ W, jnp.tanh(x @ V)), "heads")

    wrapper = get_model_wrapper(heads, backend="jax")
    for ask in (wrapper, InputAttribution(wrapper, qoi=0).attributions):
        with pytest.raises(CutError, match=r"OutputCut.*'z' \(3, 3\); 'a' \(3, 2\).*accessor="):
            ask(X)
    z, a = wrapper.fprop(X, to_cut=OutputCut(accessor=lambda v: v))
    np.testing.assert_allclose(z, X @ W, rtol=1e-5)
    np.testing.assert_allclose(a, np.tanh(X @ V), rtol=1e-5)

    def pick(v):
        return v.z if hasattr(v, "z") else v["z"]

    method = InputAttribution(wrapper, OutputCut(accessor=pick), 1, multiply_activation=False)
    np.testing.assert_allclose(method.attributions(X), np.broadcast_to(W[:, 1], X.shape), rtol=1e-5)
    both = Cut("heads", accessor=lambda v: v)
    method = InternalInfluence(wrapper, (both, OutputCut(accessor=pick)), 1, "point", False)
    of_z, of_a = method.attributions(X)
    np.testing.assert_array_equal(of_z, np.tile([0.0, 1.0, 0.0], (3, 1)))
    assert not of_a.any()


def test_inputs_in_their_order():
    wrapper = get_model_wrapper(lambda b: b["z"] @ W + b["a"].sum(1, keepdims=True), backend="jax")
    given = {"z": X, "a": RNG.normal(size=(3, 2)).astype("float32")}
    assert [t.shape for t in wrapper.fprop([given], to_cut=InputCut())] == [(3, 4), (3, 2)]
    found = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(given)
    assert list(found) == ["z", "a"]
    np.testing.assert_allclose(found["z"], np.broadcast_to(W[:, 1], X.shape), rtol=1e-5)


class Softly(nnx.Module):
    def __init__(self):
        self.dense = nnx.Linear(4, 3, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return jax.nn.softmax(self.dense(x))


class Classifier(nnx.Module):
    def __init__(self):
        self.p = Softly()

    def __call__(self, x):
        return self.p(x)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (lambda x: tap(jax.nn.softmax(x @ W), "p"), {"backend": "jax"}),
        (lambda x: tap(jax.nn.log_softmax(x @ W), "p"), {"backend": "jax"}),
        (Classifier(), {}),
    ],
    ids=["function", "logarithms", "module"],
)
def test_probabilities_are_no_scores(model, options):
    for ask in (
        lambda w: w.logits(X),
        lambda w: InputAttribution(w, LogitCut(), 0).attributions(X),
    ):
        with pytest.raises(CutError, match="'p' gives probabilities"):
            ask(get_model_wrapper(model, logit_layer="p", **options))


def test_scores_are():
    def model(x):
        return jax.nn.softmax(tap(x @ W, "scores"))

    wrapper = get_model_wrapper(model, backend="jax", logit_layer="scores")
    found = InputAttribution(wrapper, LogitCut(), 0, multiply_activation=False).attributions(X)
    np.testing.assert_allclose(found, np.broadcast_to(W[:, 0], X.shape), rtol=1e-5)

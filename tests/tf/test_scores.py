"""Which output is meant, and that a layer named as `logit_layer` gives scores, on TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

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

RNG = np.random.default_rng(3)
W, V = (RNG.normal(size=s).astype("float32") for s in ((4, 3), (4, 2)))
X = RNG.normal(size=(3, 4)).astype("float32")
SPEC = tf.TensorSpec([None, 4], tf.float32, name="x")


class Heads(tf.Module):
    """Two of them, in no alphabetical order."""

    def __init__(self):
        super().__init__()
        self.inner = Inner()

    def __call__(self, x):
        return self.inner(x)


class Inner(tf.Module):
    def __call__(self, x):
        return {"z": x @ W, "a": tf.tanh(x @ V)}


@tf.function(input_signature=[SPEC])
def heads(x):
    return {"z": x @ W, "a": tf.tanh(x @ V)}


@pytest.mark.parametrize("make", [Heads, lambda: heads, heads.get_concrete_function])
def test_heads_by_name(make):
    wrapper = get_model_wrapper(make())
    for ask in (wrapper, InputAttribution(wrapper, qoi=0).attributions):
        with pytest.raises(CutError, match=r"'z' \((3|None), 3\); 'a' \((3|None), 2\).*accessor="):
            ask(X)
    z, a = wrapper.fprop(X, to_cut=OutputCut(accessor=lambda v: v))
    np.testing.assert_allclose(z, X @ W, rtol=1e-5)
    np.testing.assert_allclose(a, np.tanh(X @ V), rtol=1e-5)
    cut = OutputCut(accessor=lambda v: v["z"])
    found = InputAttribution(wrapper, cut, 1, multiply_activation=False).attributions(X)
    np.testing.assert_allclose(found, np.broadcast_to(W[:, 1], X.shape), rtol=1e-5)


def test_heads_at_a_layer():
    wrapper = get_model_wrapper(Heads())
    with pytest.raises(CutError, match=r"Cut\('inner', accessor=lambda v: v\['z'\]\)"):
        wrapper.fprop(X, to_cut="inner")
    both = Cut("inner", accessor=lambda v: v)
    target = OutputCut(accessor=lambda v: v["a"])
    method = InternalInfluence(wrapper, (both, target), 1, "point", multiply_activation=False)
    of_z, of_a = method.attributions(X)
    assert not of_z.any()
    np.testing.assert_array_equal(of_a, np.tile([0.0, 1.0], (3, 1)))


def test_inputs_in_their_order():
    class Pair(tf.Module):
        def __call__(self, batch):
            return batch["z"] @ W + tf.reduce_sum(batch["a"], 1, keepdims=True)

    wrapper = get_model_wrapper(Pair())
    given = {"z": X, "a": RNG.normal(size=(3, 2)).astype("float32")}
    shapes = [t.shape for t in wrapper.fprop([given], to_cut=InputCut())]
    assert shapes == [(3, 4), (3, 2)]
    found = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(given)
    assert list(found) == ["z", "a"]
    np.testing.assert_allclose(found["z"], np.broadcast_to(W[:, 1], X.shape), rtol=1e-5)
    np.testing.assert_allclose(found["a"], np.ones((3, 2)), rtol=1e-5)


class Softly(tf.Module):
    def __call__(self, x):
        return tf.nn.softmax(x @ W)


class Classifier(tf.Module):
    def __init__(self):
        super().__init__()
        self.p = Softly()

    def __call__(self, x):
        return self.p(x)


def test_a_module_that_gives_probabilities():
    for ask in (
        lambda w: w.logits(X),
        lambda w: InputAttribution(w, LogitCut(), 0).attributions(X),
    ):
        with pytest.raises(CutError, match="'p' gives probabilities"):
            ask(get_model_wrapper(Classifier(), logit_layer="p"))


@pytest.mark.parametrize("squash", [tf.nn.softmax, tf.nn.sigmoid, tf.nn.log_softmax])
def test_an_operation_that_gives_probabilities(squash):
    @tf.function(input_signature=[SPEC])
    def model(x):
        scores = tf.matmul(x, W, name="scores")
        return tf.identity(squash(scores, name="p"), name="shown")

    for name in ("p", "shown"):
        wrapper = get_model_wrapper(model, logit_layer=name)
        with pytest.raises(CutError, match=rf"'{name}' gives probabilities.*name 'scores' with"):
            InputAttribution(wrapper, LogitCut(), 0)
    wrapper = get_model_wrapper(model, logit_layer="scores")
    np.testing.assert_allclose(wrapper.logits(X), X @ W, rtol=1e-5)


def test_a_graph_s_own_name_for_probabilities():
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 4], name="x")
        y = tf.nn.softmax(tf.matmul(x, W, name="scores"), name="y")
        session = tf.compat.v1.Session(graph=graph)
    wrapper = get_model_wrapper(
        graph,
        input_tensors=x,
        output_tensors=y,
        internal_tensor_dict={"logits": y},
        session=session,
    )
    with pytest.raises(CutError, match=r"'logits' gives probabilities.*'scores'"):
        wrapper.logits(X)

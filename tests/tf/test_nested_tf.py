"""Cuts of several layers that depend on each other: graphs, sessions and eagerly, by tapes."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import Cut, CutError, DoI, InternalInfluence, LinearDoi, get_model_wrapper
from trulens_core.influence import dependent_layers
from trulens_tf.backend import BACKEND

v1 = tf.compat.v1
RNG = np.random.default_rng(2)
A, B, C = (RNG.normal(size=s) / 2 for s in ((4, 4), (4, 4), (4, 3)))
X = RNG.normal(size=(3, 4))
NAMES = ["h", "b", "last"]


def model(x, at=lambda name, z: z):
    """Three layers one after the other, and a way around the second."""
    h = at("h", tf.tanh(x @ A, name="h"))
    b = at("b", tf.sin(h @ B, name="b"))
    last = at("last", tf.multiply(b + h, b, name="last"))
    return tf.matmul(last, C, name="y")


def by_hand(name, held=None):
    """The gradient of the second output at a layer; `held` is a layer with a constant for value."""
    with tf.GradientTape() as tape:
        zeros = tf.zeros((3, 4), tf.float64)
        tape.watch(zeros)

        def at(n, z):
            z = tf.zeros_like(z) + 0.5 if n == held else z
            return z + zeros if n == name else z

        total = tf.reduce_sum(model(tf.constant(X), at)[:, 1])
    return tape.gradient(total, zeros).numpy()


class Half(DoI):
    """Whatever is there, 0.5."""

    def __call__(self, z):
        return [0 * z + 0.5]


def session():
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float64, [None, 4], name="x")
        y = model(x)
    return get_model_wrapper(
        graph, input_tensors=x, output_tensors=y, session=v1.Session(graph=graph)
    )


def function():
    spec = tf.TensorSpec([None, 4], tf.float64)
    traced = tf.function(lambda x: model(x))  # noqa: PLW0108 - `at` must be no argument of it
    return get_model_wrapper(traced.get_concrete_function(spec))


@pytest.mark.parametrize("made", [session, function])
def test_each_layer_has_its_total_derivative(made, equal):
    wrapper = made()
    for names in (NAMES, NAMES[::-1], ["b", "h"]):
        method = InternalInfluence(wrapper, (Cut(names), None), 1, "point", False)
        for name, gradient in zip(names, method.attributions(X), strict=True):
            equal(gradient, by_hand(name), 1e-10)
    cut = Cut(["last", "h"])
    with pytest.raises(CutError, match="'last' is computed from that at 'h'"):
        InternalInfluence(wrapper, cut, 1, LinearDoi(cut=cut)).attributions(X)


@pytest.mark.parametrize("made", [session, function])
def test_nothing_goes_through_a_value_that_is_replaced(made, equal):
    method = InternalInfluence(made(), ("h", None), 1, Half(cut="b"), False)
    equal(method.attributions(X), by_hand("h", held="b"), 1e-10)


def test_eagerly(equal):
    def run(tap):
        return [model(tf.constant(X), lambda _, z: tap([z])[0])[:, 1]]

    found = BACKEND.differentiate(run)
    for name, gradient in zip(NAMES, found.gradients[0], strict=True):
        equal(gradient, by_hand(name), 1e-10)


def test_layers_beside_each_other_are_told_once(monkeypatch):
    """Of a graph it is known whatever the numbers are, so that the next call traces nothing."""
    checked, check = [], dependent_layers._check
    monkeypatch.setattr(dependent_layers, "_check", lambda *a: checked.append(check(*a)))
    spec = tf.TensorSpec([None, 4], tf.float64)
    traced = tf.function(lambda x: tf.tanh(x, name="left") * tf.sin(x, name="right"))
    wrapper = get_model_wrapper(traced.get_concrete_function(spec))
    cut = Cut(["left", "right"])
    doi = LinearDoi(0.1, 20, cut=cut, rule="gauss-legendre")
    for x in (X, 2 * X, X[:2]):
        result = InternalInfluence(wrapper, cut, 1, doi).explain(x)
        assert np.abs(result.residual).max() <= 1e-10
    assert checked == [None]

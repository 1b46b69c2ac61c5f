"""A step of a plain model is traced once: what changes between calls is data."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    BinaryQoI,
    ClassQoI,
    DistanceQoI,
    GaussianDoi,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    LogProbQoI,
    OutputCut,
    PredictedClassQoI,
    RegressionQoI,
    TokenQoI,
    get_model_wrapper,
)
from trulens_tf.backend import BACKEND


class Net(tf.Module):
    """Counts how often Python runs it: once in a trace."""

    runs = 0

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        self.w = tf.Variable(rng.normal(size=(4, 5)).astype("float32"))
        self.v = tf.Variable(rng.normal(size=(5, 3)).astype("float32"))

    def __call__(self, x):
        type(self).runs += 1
        return tf.tanh(x @ self.w) @ self.v


@pytest.fixture
def net():
    Net.runs = 0
    return Net()


def test_classes_batches_points_and_weights_are_data(net, draw, equal):
    wrapper, x = get_model_wrapper(net), draw(7, 4)
    explain = IntegratedGradients(wrapper, resolution=5, qoi=ClassQoI(0)).attributions
    first = explain(x)
    assert Net.runs == 1
    equal(explain(x[:3]), first[:3])
    IntegratedGradients(wrapper, resolution=9, qoi=ClassQoI(2), rebatch_size=4).attributions(x)
    for doi in (LinearDoi(resolution=3), GaussianDoi(0.1, 4)):
        InternalInfluence(wrapper, (0, None), ClassQoI(1), doi).attributions(x)
    net.v.assign(2 * net.v)
    equal(explain(x), 2 * first)
    assert Net.runs == 2, "one more for whether records see one another"


def test_classes_regions_and_references_are_data(net, draw):
    """Of maps, sequences, one unit and scores."""
    rng = np.random.default_rng(4)
    one, each = rng.random((3, 1, 5)), rng.random((3, 7, 1, 5)) > 0.3
    some = rng.integers(3, size=(3, 7, 1, 5))
    shapes = {"maps": [-1, 1, 5, 3], "steps": [-1, 5, 3], "scores": [-1, 15], "unit": [-1, 1]}
    kinds = [
        ("maps", lambda i: ClassQoI(i, one[i])),
        ("maps", lambda i: ClassQoI(some[i], each[i])),
        ("maps", lambda i: PredictedClassQoI(region=each[i])),
        ("steps", lambda i: TokenQoI(np.full(7, i), np.arange(7) % (i + 2), quantity="log_prob")),
        ("unit", lambda i: BinaryQoI(i % 2, activation="sigmoid")),
        ("scores", RegressionQoI),
        ("scores", lambda i: DistanceQoI(draw(7, 15), "cosine") - i * LogProbQoI(i)),
    ]

    class Shaped(tf.Module):
        runs = 0

        def __init__(self, shape):
            super().__init__()
            width = 1 if shape == [-1, 1] else 15
            self.w, self.shape = tf.Variable(draw(4, width)), shape

        def __call__(self, x):
            Shaped.runs += 1
            return tf.reshape(tf.tanh(x @ self.w), self.shape)

    models = {name: get_model_wrapper(Shaped(shape)) for name, shape in shapes.items()}

    def every(i):
        for name, kind in kinds:
            method = InternalInfluence(models[name], (0, None), kind(i), LinearDoi(resolution=3))
            assert method.attributions(draw(7, 4)).any()

    every(0)
    runs = Shaped.runs
    every(1)
    every(2)
    assert Shaped.runs == runs


def test_twenty_quantities_of_the_caller_s_trace_each_half_once(net, draw, equal):
    wrapper, x = get_model_wrapper(net), draw(2, 4)
    for c in range(20):
        method = InternalInfluence(
            wrapper, (0, None), lambda y, c=c: y[:, c % 3] * (c + 1.0), "point", False
        )
        with tf.GradientTape() as tape:
            tape.watch(given := tf.constant(x))
            q = (tf.tanh(given @ net.w) @ net.v)[:, c % 3] * (c + 1.0)
        equal(method.attributions(x), tape.gradient(q, given).numpy())
    assert Net.runs == 2


def test_which_values_have_a_cotangent_is_traced(net, draw, equal):
    """A quantity of one of two tensors, then of the other, then of both."""

    class Two(tf.Module):
        def __call__(self, x):
            h = tf.tanh(x @ net.w)
            return h, tf.nn.relu(h @ net.v)

    wrapper, x = get_model_wrapper(Two()), draw(2, 4)
    both = OutputCut(accessor=lambda v: v)
    terms = [lambda v: tf.reduce_sum(v[0] ** 2, 1), lambda v: tf.reduce_sum(v[1] ** 2, 1)]
    quantities = [*terms, lambda v: terms[0](v) + terms[1](v), terms[0]]
    for q in quantities:
        found = InternalInfluence(wrapper, (0, both), q, "point", False).attributions(x)
        with tf.GradientTape() as tape:
            tape.watch(given := tf.constant(x))
            y = q(Two()(given))
        equal(found, tape.gradient(y, given).numpy())


def test_another_quantity_is_traced_anew(net, draw):
    wrapper, x = get_model_wrapper(net), draw(2, 4)
    found = [
        InternalInfluence(wrapper, (0, None), qoi, "point").attributions(x)
        for qoi in (lambda y: y[:, 0], lambda y: y[:, 1], "max", 0)
    ]
    assert Net.runs == 4
    np.testing.assert_array_equal(found[0], found[3])
    assert not np.allclose(found[0], found[1])


def test_jit_compile(net, draw, equal):
    x = draw(3, 4)
    plain, compiled = (
        IntegratedGradients(get_model_wrapper(net, jit_compile=jit), resolution=4)
        for jit in (False, True)
    )
    equal(compiled.attributions(x), plain.attributions(x))


def test_gpus_sum_without_a_product_that_rounds(draw, equal, monkeypatch):
    """A matrix product has fewer digits than its tensors there."""
    x, w = draw(3, 2, 4), draw(3)
    on_cpu = BACKEND.weighted_sum(tf.constant(x), tf.constant(w))
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [f"{kind}:0"])
    summed = tf.function(BACKEND.weighted_sum).get_concrete_function(
        tf.TensorSpec([None, None, 4]), tf.TensorSpec([None])
    )
    assert "MatMul" not in {op.type for op in summed.graph.get_operations()}
    for found in (on_cpu, summed(tf.constant(x), tf.constant(w))):
        equal(found, np.einsum("k,kbn->bn", w, x))

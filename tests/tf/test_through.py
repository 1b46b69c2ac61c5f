"""`through` on TensorFlow: eager, in functions with open shapes, in loops, in graphs of 1."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    InputAttribution,
    InternalInfluence,
    LambdaQoI,
    get_backend,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

v1 = tf.compat.v1
RNG = np.random.default_rng(3)
X, V, W = (RNG.standard_normal(s) for s in ((3, 4), (3, 4), (4,)))
B = get_backend(tf.constant(0.0))
ROWS = [tf.TensorSpec([None, 4], tf.float64)] * 2
UNKNOWN = [tf.TensorSpec(None, tf.float64)] * 2
TOTAL = LambdaQoI(lambda y: tf.reduce_sum(y, 1))


def positive(g, v):
    return tf.where(g > 0, g * v, tf.zeros_like(g))


def scores(x, v):
    y = B.through(tf.tanh(x), positive, v)
    return y * W + y * y


def value(x, v):
    return tf.reduce_sum(scores(x, v))


def expected(x, v):
    y = np.tanh(x)
    g = W + 2 * y
    return np.where(g > 0, g * v, 0.0) * (1 - y * y)


def of(function):
    """Its gradient at its first argument, by a tape."""

    def gradient(x, *rest):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x, *rest)
        return tape.gradient(y, x)

    return gradient


def row(given):
    return value(*given)


def each_row(x, v):
    return tf.reduce_sum(tf.map_fn(row, (x, v), fn_output_signature=tf.float64))


def vectorized(x, v):
    return tf.reduce_sum(tf.vectorized_map(row, (x, v)))


def own_gradient(given):
    return of(value)(*given)


def by_gradients(x, v):
    return tf.gradients(value(x, v), x)[0]


CONTEXTS = {
    "eager": of(value),
    "tape around a function": of(tf.function(value, input_signature=ROWS)),
    "tape in a function": tf.function(of(value), input_signature=ROWS),
    "of unknown rank": tf.function(of(value), input_signature=UNKNOWN),
    "tf.gradients": tf.function(by_gradients, input_signature=ROWS),
    "compiled by XLA": tf.function(of(value), jit_compile=True),
    "map_fn": of(each_row),
    "map_fn in a function": tf.function(of(each_row)),
    "in vectorized_map": lambda x, v: tf.vectorized_map(own_gradient, (x, v)),
}


def close(found, wanted):
    assert relative_error(np.asarray(found), np.asarray(wanted)) <= 1e-10


@pytest.mark.parametrize("name", CONTEXTS)
def test_wherever_it_is_differentiated(name):
    close(CONTEXTS[name](tf.constant(X), tf.constant(V)), expected(X, V))


def test_a_vectorized_map_that_loses_it_raises():
    """TensorFlow would pass the cotangent on as it is."""
    close(vectorized(tf.constant(X), V), value(tf.constant(X), V))
    with pytest.raises(LookupError, match=r"differentiate inside it, or take tf\.map_fn"):
        of(vectorized)(tf.constant(X), V)


def test_from_round_to_round():
    vs = np.stack([V, -V, V * V])

    def rounds(x):
        def one(i, y):
            return i + 1, B.through(1.5 * y, positive, tf.gather(vs, i))

        return tf.reduce_sum(tf.while_loop(lambda i, _: i < 3, one, (0, x))[1] * W)

    by_hand = np.broadcast_to(W, X.shape)
    for v in vs[::-1]:
        by_hand = 1.5 * np.where(by_hand > 0, by_hand * v, 0.0)
    assert by_hand.any()
    for gradient in (of(rounds), tf.function(of(rounds)), of(tf.function(rounds))):
        close(gradient(tf.constant(X)), by_hand)


def test_users_that_gather_rows():
    """Their cotangents come as slices; it is their sum that is pulled."""

    def gathered(x):
        y = B.through(x, lambda g: g * g)
        return tf.reduce_sum(tf.gather(y, [0, 2, 0]) * V)

    by_hand = np.stack([V[0] + V[2], 0 * V[0], V[1]]) ** 2
    close(of(gathered)(tf.constant(X)), by_hand)
    close(tf.function(of(gathered), input_signature=ROWS[:1])(X), by_hand)


def test_nothing_is_passed_back_to_what_is_held():
    """Not by a derivative of higher order either, which is pulled too."""
    assert of(lambda v: value(tf.constant(X), v))(tf.constant(V)) is None
    assert of(lambda v: of(value)(tf.constant(X), v))(tf.constant(V)) is None
    y = np.tanh(X)
    slope, g = 1 - y * y, W + 2 * y
    passed = np.where(g > 0, V, 0.0)
    second = slope * np.where(passed > 0, 2 * passed * slope * V, 0.0) - 2 * y * slope * g * passed
    close(of(of(value))(tf.constant(X), V), second)


def test_variables():
    x = tf.Variable(X)
    with tf.GradientTape() as tape:
        y = B.through(x, positive, tf.Variable(V))
    close(tape.gradient(y, x), np.where(V, V, 0.0))


def test_what_cannot_be_pulled():
    counts = tf.range(3)
    assert (B.through(counts, None).numpy() == [0, 1, 2]).all()
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(3, 4\)"):
        of(lambda x: B.through(x, lambda g: tf.reduce_sum(g, 1)))(tf.constant(X))

    @tf.function(input_signature=ROWS[:1])
    def fewer(x):
        return of(lambda x: B.through(x, lambda g: tf.reduce_sum(g, 0, keepdims=True)))(x)

    assert fewer(X[:1]).shape == (1, 4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`pull` gave a tensor of another"):
        fewer(X)


def test_narrow_types():
    for dtype in (tf.bfloat16, tf.float16):
        x = tf.cast(X, dtype)
        found = of(lambda x: B.through(x, lambda g: 3.0 * tf.cast(g, tf.float64)))(x)
        assert found.dtype == dtype
        assert (found.numpy() == 3).all()


class Model(tf.Module):
    """Rows of scores; what is held is computed from them."""

    @tf.function
    def __call__(self, x):
        return scores(x, tf.tanh(x) ** 2 + 1)


def test_no_graph_is_kept():
    """TensorFlow keeps the gradients that it is given for as long as the process lives."""

    def traced():
        weights = tf.Variable(W)

        def scored(x):
            return B.through(x * weights, positive, x * x)

        functions = [of(scored), lambda x: tf.gradients(scored(x), x)]
        graphs = [tf.function(f).get_concrete_function(ROWS[0]).graph for f in functions]
        return list(map(weakref.ref, (weights, *graphs)))

    found = traced()
    gc.collect()
    assert [reference() for reference in found] == [None, None, None]


def test_inside_a_model():
    def explained(model, **options):
        wrapper = get_model_wrapper(model, backend="tensorflow", **options)
        return InputAttribution(wrapper, qoi=TOTAL, multiply_activation=False).attributions(X)

    by_hand = expected(X, np.tanh(X) ** 2 + 1)
    close(explained(Model()), by_hand)
    holds_nothing = tf.function(
        lambda x: B.through(tf.tanh(x), lambda g: positive(g, 2.0)) * W, input_signature=ROWS[:1]
    )
    found = explained(holds_nothing.get_concrete_function())
    close(found, np.where(W > 0, 2 * W, 0.0) * (1 - np.tanh(X) ** 2))
    holds = tf.function(Model(), input_signature=ROWS[:1]).get_concrete_function()
    with pytest.raises(TypeError, match="out of scope"):  # the graph is imported
        explained(holds)


def test_a_graph_of_tensorflow_1():
    """In the graph, and in a quantity of the wrapper's backend."""
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float64, [None, 4], name="x")
        h = tf.tanh(x, name="h")
        y = B.through(h, positive, h * h + 1)
        out = tf.identity(y * W + y * y, name="out")
        session = v1.Session(graph=graph)
    wrapper = get_model_wrapper(graph, input_tensors=x, output_tensors=out, session=session)
    method = InputAttribution(wrapper, qoi=TOTAL, multiply_activation=False)
    close(method.attributions(X), expected(X, np.tanh(X) ** 2 + 1))
    qoi = LambdaQoI(
        lambda h: tf.reduce_sum(wrapper.backend.through(h, positive, h + 1) * W, axis=1)
    )
    method = InternalInfluence(wrapper, ("x", "h"), qoi, "point", multiply_activation=False)
    y = np.tanh(X)
    close(method.attributions(X), np.where(W > 0, W * (y + 1), 0.0) * (1 - y * y))

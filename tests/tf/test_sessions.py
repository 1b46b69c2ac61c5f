"""Graphs of TensorFlow 1 with their session, by the documented parameters."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    ClassQoI,
    Cut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    LogitCut,
    get_model_wrapper,
)

v1 = tf.compat.v1
RNG = np.random.default_rng(2)
W, V = (RNG.normal(size=s).astype("float32") for s in ((4, 5), (5, 3)))


class Built:
    """A graph, its session and its tensors."""

    def __init__(self):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.x = v1.placeholder(tf.float32, [None, 4], name="x")
            self.scale = v1.placeholder(tf.float32, [], name="scale")
            w = v1.get_variable("w", initializer=W, use_resource=False)
            self.h = tf.tanh(self.x @ w, name="h")
            self.logits = tf.matmul(self.h, V, name="scores") * self.scale
            self.y = tf.nn.softmax(self.logits, name="y")
            self.session = v1.Session(graph=self.graph)
            self.session.run(v1.global_variables_initializer())

    def wrap(self, **options):
        given = {
            "input_tensors": self.x,
            "output_tensors": self.y,
            "internal_tensor_dict": {"logits": self.logits, "hidden": "h"},
            "default_feed_dict": {self.scale: 2.0},
            "session": self.session,
        }
        return get_model_wrapper(self.graph, **{**given, **options})


@pytest.fixture(scope="module")
def built():
    return Built()


def hidden(x):
    return tf.tanh(x @ W)


def scores(h):
    return 2.0 * (h @ V)


def test_all_parameters(built, draw, gradients, equal):
    wrapper, x = built.wrap(), draw(3, 4)
    h = hidden(x).numpy()
    equal(wrapper(x), tf.nn.softmax(scores(h)).numpy())
    equal(wrapper.logits(x), scores(h))
    for cut in ("h", "hidden", "h:0", Cut("scores", anchor="in", accessor=lambda v: v.args[0])):
        found = InternalInfluence(wrapper, (cut, LogitCut()), 1, "point", multiply_activation=False)
        equal(found.attributions(x), gradients(lambda t: scores(t)[:, 1], h)[0])
    [by_hand] = gradients(lambda t: tf.nn.softmax(scores(t))[:, 1], 0.5 * h)
    half = InternalInfluence(
        wrapper, ("h", None), 1, LinearDoi(resolution=1, rule="midpoint", cut="h"), False
    )
    equal(half.attributions(x), by_hand)
    alphas = (np.arange(4) + 0.5) / 4
    steps = [gradients(lambda t: scores(hidden(t))[:, 0], np.float32(a) * x)[0] for a in alphas]
    ig = IntegratedGradients(wrapper, resolution=4, qoi=ClassQoI(0), qoi_cut=LogitCut())
    result = ig.explain(x)
    equal(result.attributions, x * np.mean(steps, axis=0))
    assert result.quantity.shape == (3,)


def test_a_second_quantity_has_its_own_gradients(built, draw, gradients, equal):
    wrapper, x = built.wrap(), draw(2, 4)
    for c in (0, 1, 2, lambda y: y[:, 0] ** 2):
        q = c if callable(c) else (lambda y, c=c: y[:, c])
        found = InternalInfluence(wrapper, (0, LogitCut()), c, "point", multiply_activation=False)
        equal(found.attributions(x), gradients(lambda t, q=q: q(scores(hidden(t))), x)[0])


def test_a_second_call_adds_no_operations(built, draw):
    wrapper = built.wrap()
    method = InternalInfluence(wrapper, ("h", None), ClassQoI(1), "linear")
    method.attributions(draw(2, 4))
    before = len(built.graph.get_operations())
    method.attributions(draw(5, 4))
    InternalInfluence(wrapper, ("h", None), ClassQoI(2), "linear").attributions(draw(5, 4))
    assert len(built.graph.get_operations()) == before


def test_keywords_are_names(built, draw, equal):
    wrapper, x = built.wrap(default_feed_dict=None), draw(2, 4)
    wrapper = built.wrap(internal_tensor_dict={"picture": built.x, "factor": built.scale})
    found = wrapper(picture=x, factor=np.float32(3.0))
    equal(found, tf.nn.softmax(1.5 * scores(hidden(x))).numpy())
    with pytest.raises(ValueError, match="'other' is no name in internal_tensor_dict"):
        wrapper(other=x)


def test_within_the_graph_and_the_session_of_the_caller(built, draw, equal):
    wrapper, x = built.wrap(), draw(2, 4)
    expected = IntegratedGradients(wrapper, resolution=3).explain(x)
    with built.graph.as_default(), built.session.as_default():
        found = IntegratedGradients(wrapper, resolution=3).explain(x)
    equal(found.attributions, expected.attributions)


def test_variables_are_the_session_s(built, draw, equal):
    wrapper, x = built.wrap(), draw(2, 4)
    with built.graph.as_default():
        [w] = v1.global_variables()
        built.session.run(v1.assign(w, 2 * W))
    equal(wrapper.logits(x), scores(tf.tanh(x @ (2 * W))))
    with built.graph.as_default():
        built.session.run(v1.assign(w, W))


def test_what_is_missing_is_told_at_once(built):
    for name in ("input_tensors", "output_tensors"):
        with pytest.raises(ValueError, match=f"a graph needs {name}="):
            built.wrap(**{name: None})
    with pytest.raises(ValueError, match="variables"):
        built.wrap(session=None)
    with pytest.raises(ValueError, match="another graph"):
        built.wrap(session=v1.Session(graph=tf.Graph()))
    with pytest.raises(ValueError, match="did you mean 'x'"):
        built.wrap(input_tensors="xx")
    finalized = Built()
    finalized.graph.finalize()
    with pytest.raises(ValueError, match="finalized"):
        finalized.wrap()


def test_a_graph_without_variables_needs_no_session(draw, gradients, equal):
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        scale = v1.placeholder_with_default(1.0, [], name="scale")
        tf.multiply(tf.tanh(x @ W, name="h"), scale, name="y")
    wrapper = get_model_wrapper(
        graph, input_tensors=["x"], output_tensors="y", default_feed_dict={"scale": 3.0}
    )
    given = draw(2, 4)
    found = InternalInfluence(wrapper, (0, None), 1, "point", multiply_activation=False)
    equal(found.attributions(given), gradients(lambda t: 3 * hidden(t)[:, 1], given)[0])


class Fixed:
    """A graph whose placeholder is of four rows."""

    def __init__(self):
        with tf.Graph().as_default() as graph:
            self.x = v1.placeholder(tf.float64, [4, 4], name="x")
            hidden = tf.tanh(self.x @ W.astype("float64"), name="h")
            self.y = tf.reshape(hidden @ V.astype("float64"), [4, 3])
            self.gradient = v1.gradients(tf.reduce_max(self.y, 1), self.x)[0]
        self.session = v1.Session(graph=graph)
        self.wrapper = get_model_wrapper(
            graph, input_tensors=self.x, output_tensors=self.y, session=self.session
        )

    def by_hand(self, x):
        rows = [
            self.session.run(self.gradient, {self.x: x[i : i + 4]}) for i in range(0, len(x), 4)
        ]
        return np.concatenate(rows)


@pytest.fixture(scope="module")
def fixed():
    return Fixed()


def test_placeholders_of_a_fixed_size_by_blocks_of_that(fixed, equal):
    x = RNG.normal(size=(8, 4))
    method = InternalInfluence(fixed.wrapper, (0, None), "max", "point", False, rebatch_size=4)
    equal(method.attributions(x), fixed.by_hand(x), 1e-10)
    ig = IntegratedGradients(fixed.wrapper, resolution=5, rebatch_size=4).explain(x)
    points = [fixed.by_hand((i + 0.5) / 5 * x) for i in range(5)]
    equal(ig.attributions, x * np.mean(points, axis=0), 1e-10)


@pytest.mark.parametrize(
    ("records", "doi", "rebatch_size", "rows"),
    [(3, "point", None, 3), (4, "linear", None, 40), (8, "point", 6, 6), (6, "point", 4, 2)],
)
def test_other_numbers_of_rows_are_told_which(fixed, records, doi, rebatch_size, rows):
    x = np.ones((records, 4))
    for source in (0, "h"):
        method = InternalInfluence(
            fixed.wrapper, (source, None), "max", doi, False, rebatch_size=rebatch_size
        )
        message = f"'x:0' is declared for 4 rows, but is fed {rows}; give a multiple of 4 records"
        with pytest.raises(ValueError, match=message):
            method.attributions(x)
    with pytest.raises(ValueError, match="rebatch_size=4"):
        fixed.wrapper(np.ones((5, 4)))

"""Graphs of TensorFlow 1 with their session, by the documented parameters."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    ClassQoI,
    Cut,
    GaussianDoi,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    LogitCut,
    OutputCut,
    UnsupportedModelError,
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
    """A graph whose placeholder is of so many rows, and the same one of any number."""

    def __init__(self, rows):
        with tf.Graph().as_default() as graph:
            x = v1.placeholder(tf.float64, [rows, 4], name="x")
            scale = v1.placeholder(tf.float64, [3], name="scale")
            h = tf.tanh(x @ W.astype("float64"), name="h")
            y = tf.reshape(h @ V.astype("float64") * scale, [rows or -1, 3], name="y")
        self.session = v1.Session(graph=graph)
        self.wrapper = get_model_wrapper(
            graph,
            input_tensors=[x, scale],
            output_tensors=y,
            session=self.session,
            batched={1: False},
        )


SCALE = np.array([1.0, -0.5, 2.0])


@pytest.fixture(scope="module", params=[1, 4])
def rows(request):
    return request.param


@pytest.fixture(scope="module")
def fixed(rows):
    return Fixed(rows).wrapper


@pytest.fixture(scope="module")
def open_rows():
    return Fixed(None).wrapper


QUANTITIES = ["max", ClassQoI(1), lambda y: y[:, 0] ** 2, ClassQoI([0, 2, 1, 0, 1])]


@pytest.mark.parametrize("records", [3, 5])
@pytest.mark.parametrize("q", range(len(QUANTITIES)))
def test_placeholders_of_a_fixed_number_of_rows(fixed, open_rows, records, q, equal):
    """Passes have exactly so many rows, one point each; what is missing is made up for."""
    x, qoi = RNG.normal(size=(records, 4)), QUANTITIES[q]
    if q == 3:
        qoi = ClassQoI([0, 2, 1, 0, 1][:records])

    def explained(wrapper, **more):
        layer = InternalInfluence(wrapper, "h", qoi, LinearDoi(resolution=3, cut="h"), **more)
        return [
            IntegratedGradients(wrapper, qoi=qoi, resolution=3, **more).attributions(x, SCALE),
            layer.attributions(x, SCALE),
            InternalInfluence(wrapper, ("h", "y"), qoi, "point", **more).attributions(x, SCALE),
        ]

    more = {"rebatch_size": 9} if records == 5 else {}
    for found, expected in zip(explained(fixed, **more), explained(open_rows), strict=True):
        equal(found, expected, 1e-10)


def test_end_points_and_noise_of_a_fixed_number_of_rows(fixed, open_rows, equal):
    x = RNG.normal(size=(5, 4))
    cut = OutputCut(accessor=lambda y: y * 2.0)
    for doi in (LinearDoi(resolution=10, rule="midpoint"), GaussianDoi(0.1, 3, seed=1)):
        found, expected = (
            InternalInfluence(w, (0, cut), "predicted", doi, return_grads=True).explain(x, SCALE)
            for w in (fixed, open_rows)
        )
        equal(found.attributions, expected.attributions, 1e-10)
        equal(found.quantity, expected.quantity, 1e-10)
        equal(found.gradients[0], expected.gradients[0], 1e-10)


def test_what_a_fixed_number_of_rows_cannot_do(rows, fixed):
    x = np.ones((5, 4))
    with pytest.raises(UnsupportedModelError, match=f"declares a batch of {rows}, found 5 rows"):
        fixed(x, SCALE)
    if rows == 1:
        return
    method = InternalInfluence(fixed, (0, None), "max", "point", rebatch_size=3)
    with pytest.raises(UnsupportedModelError, match="a batch of 4, and rebatch_size=3 asks"):
        method.attributions(x, SCALE)
    with pytest.raises(UnsupportedModelError, match="a batch of 4, and tolerance="):
        IntegratedGradients(fixed, tolerance=0.1).attributions(x, SCALE)


def test_inputs_that_declare_different_numbers(draw):
    """The first one counts; another that cannot take as many says so."""
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        m = v1.placeholder(tf.float32, [4, 4], name="m")
        y = tf.tanh(x) * m
    wrapper = get_model_wrapper(
        graph, input_tensors=[x, m], output_tensors=y, session=v1.Session(graph=graph)
    )
    method = InternalInfluence(wrapper, (0, None), 0, "point", False)
    assert method.attributions(draw(4, 4), draw(4, 4))[0].shape == (4, 4)
    with pytest.raises(ValueError, match="'m:0' is declared for 4 rows, but is fed 3"):
        method.attributions(draw(3, 4), draw(3, 4))

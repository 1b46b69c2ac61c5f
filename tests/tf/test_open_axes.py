"""Values at the target cut with an axis whose length is not known before the model runs."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    ClassQoI,
    ComparativeQoI,
    CutError,
    InternalChannelQoI,
    InternalInfluence,
    LinearDoi,
    OutputCut,
    get_model_wrapper,
)

v1 = tf.compat.v1
RNG = np.random.default_rng(4)
W = RNG.normal(size=(4, 5))
X = RNG.normal(size=(3, 4))
KEPT = tf.constant([True, False, True, True, False])


def masked(x):
    return tf.boolean_mask(tf.tanh(x @ W), KEPT, axis=1)


class Masked(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float64)])
    def __call__(self, x):
        return masked(x)


def saved(path):
    tf.saved_model.save(Masked(), str(path))
    return get_model_wrapper(str(path))


MODELS = {
    "module": lambda path: get_model_wrapper(Masked()),
    "function": lambda path: get_model_wrapper(tf.function(masked)),
    "concrete": lambda path: get_model_wrapper(Masked().__call__.get_concrete_function()),
    "saved": saved,
}
CLASSES = {
    "int": (1, lambda y: y[:, 1]),
    "from the end": (-1, lambda y: y[:, -1]),
    "per record": (ClassQoI([2, 0, -1]), lambda y: tf.stack([y[0, 2], y[1, 0], y[2, -1]])),
    "compared": (
        ComparativeQoI(0, [1, 2, -3]),
        lambda y: y[:, 0] - tf.stack([y[0, 1], y[1, 2], y[2, -3]]),
    ),
    "max": ("max", lambda y: tf.reduce_max(y, 1)),
    "predicted": ("predicted", lambda y: tf.reduce_max(y, 1)),
    "channel": (InternalChannelQoI([0, -1]), lambda y: y[:, 0] + y[:, -1]),
}


def attributed(wrapper, qoi, x, target=None):
    return InternalInfluence(wrapper, (0, target), qoi, "point", False).attributions(x)


@pytest.mark.parametrize("kind", MODELS)
def test_classes(kind, tmp_path, gradients, equal):
    wrapper = MODELS[kind](tmp_path)
    for name in CLASSES if kind == "concrete" else ("per record",):
        qoi, by_hand = CLASSES[name]
        equal(
            attributed(wrapper, qoi, X), gradients(lambda x, q=by_hand: q(masked(x)), X)[0], 1e-10
        )


@pytest.mark.parametrize("name", ["from the end", "per record"])
def test_a_graph_whose_widths_differ_between_calls(name, equal):
    """Two open axes, and a session: what is known for one width is not taken for another."""
    qoi, by_hand = CLASSES[name]
    graph = tf.Graph()
    with graph.as_default():
        x = v1.placeholder(tf.float64, [None, None], name="x")
        y = tf.tanh(x) * tf.reduce_sum(x, 1, keepdims=True)
        [expected] = v1.gradients(by_hand(y), x)
    session = v1.Session(graph=graph)
    wrapper = get_model_wrapper(graph, input_tensors=x, output_tensors=y, session=session)
    for width in (5, 3):
        given = RNG.normal(size=(3, width))
        equal(attributed(wrapper, qoi, given), session.run(expected, {x: given}), 1e-10)


def test_images_and_sequences(gradients, equal):
    """(records, open, 2): a class has several numbers; a channel is of the open axis, or not."""

    def model(x):
        return masked(x)[:, :, None] * tf.constant([1.0, 2.0], tf.float64)

    wrapper = get_model_wrapper(tf.function(model))
    for qoi, by_hand in (
        (InternalChannelQoI(1), lambda y: tf.reduce_sum(y[:, :, 1], 1)),
        (InternalChannelQoI(-2, channel_axis=1), lambda y: tf.reduce_sum(y[:, 1], 1)),
    ):
        equal(attributed(wrapper, qoi, X), gradients(lambda x, q=by_hand: q(model(x)), X)[0], 1e-10)
    chosen = OutputCut(accessor=lambda v: v[:, :, 1])
    equal(
        attributed(wrapper, ClassQoI([0, 1, 2]), X, chosen),
        gradients(lambda x: tf.gather(model(x)[:, :, 1], [0, 1, 2], batch_dims=1), X)[0],
        1e-10,
    )


@pytest.mark.parametrize(
    ("qoi", "what"),
    [
        (3, "channel 3"),
        (-4, "channel -4"),
        (ClassQoI([0, 1, -9]), "class -9"),
    ],
)
def test_what_is_not_there_is_told_when_it_runs(qoi, what, tmp_path):
    with pytest.raises(IndexError, match=f"{what} is out of range: there are 3"):
        attributed(MODELS["concrete"](tmp_path), qoi, X)


class Unranked(tf.Module):
    """A layer whose output has a number of axes that no graph knows."""

    def __init__(self, ranked):
        super().__init__()
        self.layer, self.rest = Blurred(), Rest(ranked)

    def __call__(self, x):
        return self.rest(self.layer(x))


class Blurred(tf.Module):
    def __call__(self, x):
        y = tf.tanh(x @ W)
        more = tf.ones([tf.cast(tf.reduce_sum(y) > 1e9, tf.int32)], tf.int32)
        return tf.reshape(y, tf.concat([tf.shape(y), more], 0))


class Rest(tf.Module):
    def __init__(self, ranked):
        super().__init__()
        self.ranked = ranked

    def __call__(self, y):
        return tf.reshape(y, [-1, 5]) ** 2 if self.ranked else y


UNKNOWN = r"how many axes the value at {} has is not known before the model runs; .*ensure_shape"


@pytest.mark.parametrize("doi", ["point", LinearDoi(resolution=2)])
@pytest.mark.parametrize("qoi", [0, lambda y: y[:, 0]])
def test_a_value_of_unknown_rank_is_told(qoi, doi):
    wrapper = get_model_wrapper(Unranked(False))
    for cuts, where in (
        ((0, None), r"OutputCut\(\)"),
        (("layer", None), r"Cut\('layer'\)"),
        ((0, "layer"), r"Cut\('layer'\)"),
    ):
        with pytest.raises(CutError, match=UNKNOWN.format(where)):
            InternalInfluence(wrapper, cuts, qoi, doi).attributions(X)
    with pytest.raises(CutError, match=UNKNOWN.format(r"Cut\('layer'\)")):
        wrapper.fprop(X, to_cut="layer")


def test_what_no_cut_is_at_may_have_any_rank(gradients, equal):
    wrapper = get_model_wrapper(Unranked(True))
    found = InternalInfluence(wrapper, None, 1, "point", False).attributions(X)
    equal(found, gradients(lambda x: tf.tanh(x @ W)[:, 1] ** 2, X)[0], 1e-10)


@pytest.mark.parametrize("qoi", [1, lambda y: y[:, 1]])
def test_an_accessor_says_the_rank(gradients, equal, qoi):
    wrapper = get_model_wrapper(Unranked(False))
    cut = OutputCut(accessor=lambda y: tf.ensure_shape(y, [None, 5]))
    expected = gradients(lambda x: tf.tanh(x @ W)[:, 1], X)[0]
    method = InternalInfluence(wrapper, (0, cut), qoi, "point", False)
    for _ in range(2):
        equal(method.attributions(X), expected, 1e-10)
    equal(wrapper.fprop(X, to_cut=cut), np.tanh(X @ W), 1e-10)

"""Rules on TensorFlow: one network in all of its forms, and what must raise."""

import os

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.nn import functional

from trulens_core import (
    LRP,
    AttnLRP,
    Cut,
    DeepLIFT,
    GuidedBackprop,
    InputAttribution,
    TrulensWarning,
    UncoveredOperationError,
    get_model_wrapper,
)
from trulens_core.rules import Flat, Gradient, Guided, RuleSet, composites

RNG = np.random.default_rng(5)
SHAPES = {"conv": (3, 3, 3, 4), "a": (4,), "dense": (4, 5), "b": (5,), "out": (5, 2)}
WEIGHTS = {n: RNG.normal(size=s) for n, s in SHAPES.items()}
X = RNG.normal(size=(2, 6, 6, 3))


class Network(tf.Module):
    """A small network for images, whose layer is a module."""

    def __init__(self):
        super().__init__()
        self.held = {n: tf.Variable(w, name=n) for n, w in WEIGHTS.items()}
        self.head = Head(self.held)

    @tf.function(input_signature=[tf.TensorSpec([None, 6, 6, 3], tf.float64)])
    def __call__(self, x):
        return self.head(features(x, self.held))


class Head(tf.Module):
    def __init__(self, held):
        super().__init__()
        self.held = held

    def __call__(self, x):
        y = tf.nn.silu(tf.matmul(x, self.held["dense"]) + self.held["b"])
        return tf.matmul(y, self.held["out"])


def features(x, w):
    y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w["conv"], 1, "SAME"), w["a"]))
    return tf.reduce_mean(tf.nn.max_pool2d(y, 2, 2, "VALID"), (1, 2))


def in_torch(x):
    w = {n: torch.tensor(a) for n, a in WEIGHTS.items()}
    y = functional.conv2d(x, w["conv"].permute(3, 2, 0, 1), w["a"], padding=1).relu()
    y = functional.max_pool2d(y, 2).mean((2, 3))
    y = functional.silu(functional.linear(y, w["dense"].T, w["b"]))
    return functional.linear(y, w["out"].T)


def session():
    """The network as a graph of TensorFlow 1, its layer named as the module's is."""
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float64, [None, 6, 6, 3], name="x")
        held = {n: tf.compat.v1.Variable(w) for n, w in WEIGHTS.items()}
        z = features(x, held)
        with tf.name_scope("head"):
            output = tf.identity(Head(held)(z), name="scores")
        running = tf.compat.v1.Session(graph=graph)
        running.run(tf.compat.v1.global_variables_initializer())
    tensors = {"input_tensors": x, "output_tensors": output}
    return get_model_wrapper(graph, session=running, backend="tensorflow", **tensors)


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    """One network: what TensorFlow knows it as."""
    model, path = Network(), tmp_path_factory.mktemp("saved")
    tf.saved_model.save(model, str(path))

    def plain(x):
        return model(x)

    return {
        "module": get_model_wrapper(model),
        "function": get_model_wrapper(plain, backend="tensorflow"),
        "tf.function": get_model_wrapper(tf.function(plain)),
        "SavedModel": get_model_wrapper(path, backend="tensorflow"),
        "XLA": get_model_wrapper(model, jit_compile=True),
        "session": session(),
    }


FORMS = ("module", "function", "tf.function", "SavedModel", "session")
ASKED = {
    "guided": lambda m: GuidedBackprop(m, qoi=1),
    "flat": lambda m: LRP(m, "epsilon_plus_flat", qoi=1),
    "alpha": lambda m: LRP(m, "alpha2_beta1", qoi=1),
    "lift": lambda m: DeepLIFT(m, 0.1, qoi=1),
}


ALL = os.environ.get("TRULENS_EVERY")


@pytest.mark.parametrize("asked", ASKED)
def test_all_forms_give_what_torch_gives(forms, asked):
    model = get_model_wrapper(in_torch, backend="torch")
    images = torch.tensor(np.moveaxis(X, -1, 1).copy())
    expected = np.moveaxis(ASKED[asked](model).attributions(images).numpy(), 1, -1)
    graphs = ("module", "SavedModel", "session") if asked == "lift" else ("module",)
    whole = FORMS if ALL else graphs  # each form is a graph to be traced
    for form in (*whole, *(["XLA"] if asked == "flat" else [])):
        result = ASKED[asked](forms[form]).explain(X)
        np.testing.assert_allclose(result.attributions, expected, rtol=1e-10, atol=1e-12)
        assert str(result.coverage).startswith("6 of 6 operations"), form


def test_layers_choose_by_the_names_that_each_form_has(forms):
    names = {"module": "head", "SavedModel": "*/MatMul*", "session": "head/*"}
    for form, name in names.items():
        rules = RuleSet([(f"layer:{name}", Gradient()), ("*", Guided())])
        found = InputAttribution(forms[form], qoi=1, rules=rules).explain(X).coverage.by_kind()
        assert found["linear", "Gradient()"] == 2, form
        assert found["conv", "Guided()"] == 1, form


def test_inner_cuts_conserve(forms):
    """At a layer of the graph: Σ R is the difference from the baseline."""
    saved = next(x.name for x in forms["SavedModel"].layers() if x.name.endswith("/Relu"))
    cuts = {"module": Cut("head", anchor="in"), "SavedModel": saved, "session": "head/MatMul"}
    for form, cut in list(cuts.items())[None if ALL else 1 :]:  # graphs
        result = DeepLIFT(forms[form], 0.1, qoi=1, doi_cut=cut).explain(X)
        np.testing.assert_allclose(result.residual, 0, atol=1e-12)
    inner = DeepLIFT(forms["session"], 0.1, qoi=1, layer="head/MatMul")
    with pytest.raises(UncoveredOperationError, match="doi_cut="):
        inner.attributions(X)


# -- forms of one operation -----------------------------------------------------------------------

MATRIX, HEAD = (tf.constant(RNG.normal(size=s)) for s in ((4, 6), (6, 3)))
ROWS = RNG.normal(size=(3, 4))


def wrapped(function):
    return get_model_wrapper(
        lambda x: tf.matmul(function(tf.matmul(x, MATRIX)), HEAD), backend="tensorflow"
    )


def soft(x):
    powers = tf.exp(x)
    return powers / tf.reduce_sum(powers, -1, keepdims=True)


RELUS = [
    tf.nn.relu,
    lambda x: tf.maximum(x, 0.0),
    lambda x: tf.maximum(tf.zeros_like(x), x),
    tf.function(tf.nn.relu),
]
SILUS = [tf.nn.silu, lambda x: x * tf.sigmoid(x), lambda x: x / (1 + tf.exp(-x))]
SUMS = [lambda x: x + tf.tanh(x) + tf.tanh(x), lambda x: tf.add_n([x, tf.tanh(x), tf.tanh(x)])]


@pytest.mark.parametrize(
    ("asked", "alike"),
    [
        (GuidedBackprop, RELUS),
        (AttnLRP, SILUS),
        (AttnLRP, [tf.nn.softmax, soft]),
        (lambda m, qoi: DeepLIFT(m, 0.1, qoi=qoi), SILUS),
        (lambda m, qoi: LRP(m, "epsilon", qoi=qoi), SUMS),
    ],
)
def test_forms_of_one_function_are_one(asked, alike):
    expected, *others = (asked(wrapped(f), qoi=1).attributions(ROWS) for f in alike)
    for found in others:
        np.testing.assert_allclose(found, expected, atol=1e-13)


def test_moments_are_those_of_a_norm_that_is_written_out():
    """`tf.nn.moments` stops at the mean, where DeepLIFT's differences would be lost."""

    def written(x):
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - mean), -1, keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 0.1)

    def ready(x):
        return tf.nn.batch_normalization(x, *tf.nn.moments(x, [-1], keepdims=True), None, None, 0.1)

    for function in (written, ready):
        result = DeepLIFT(wrapped(function), 0.2, qoi=1).explain(ROWS)
        np.testing.assert_allclose(result.residual, 0, atol=1e-13)
    assert AttnLRP(wrapped(ready), qoi=1).explain(ROWS).coverage.complete


# -- normalisation as a part of what is linear ----------------------------------------------------

CHANNELS = 6  # the width of the images, too: a scale of their columns is none of channels
SCALE, OFFSET, MEAN, SPREAD = (RNG.uniform(0.5, 2, CHANNELS) for _ in range(4))
MOMENTS = [tf.Variable(a) for a in (MEAN, SPREAD, OFFSET, SCALE)]
KERNELS = {
    "conv": RNG.normal(size=(3, 3, 3, CHANNELS)),
    "depthwise": RNG.normal(size=(3, 3, 3, 2)),
    "transposed": RNG.normal(size=(3, 3, CHANNELS, 3)),
}
LINEAR = {
    "conv": lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"),
    "depthwise": lambda x, w: tf.nn.depthwise_conv2d(x, w, (1, 1, 1, 1), "SAME"),
    "transposed": lambda x, w: tf.nn.conv2d_transpose(x, w, (2, 6, 6, CHANNELS), 1, "SAME"),
}
SUMS_TO = RNG.normal(size=(CHANNELS, 2))


def with_head(function):
    def model(x):
        return tf.reduce_mean(tf.nn.relu(function(x)), (1, 2)) @ SUMS_TO

    return get_model_wrapper(model, backend="tensorflow")


def normalised(y, shape=(CHANNELS,)):
    return tf.nn.batch_normalization(y, *(tf.reshape(v, shape) for v in MOMENTS), 1e-3)


@pytest.mark.parametrize("kind", LINEAR)
def test_normalisation_is_merged_with_what_is_linear(kind):
    w, function = KERNELS[kind], LINEAR[kind]
    factor = SCALE / np.sqrt(SPREAD + 1e-3)
    shape = {"depthwise": (3, 2), "transposed": (CHANNELS, 1)}.get(kind, (CHANNELS,))
    folded = with_head(lambda x: function(x, w * factor.reshape(shape)) + (OFFSET - MEAN * factor))
    expected = LRP(folded, "epsilon_plus", qoi=1).attributions(X)
    apart = with_head(lambda x: normalised(function(x, tf.constant(w))))
    found = LRP(apart, "epsilon_plus", qoi=1, merge=True).explain(X)
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-9, atol=1e-12)
    assert ("affine", "Gradient()") not in found.coverage.by_kind()


def test_a_normalisation_that_is_one_operation_is_merged():
    """As `tf_keras` has it; in float32 alone."""
    narrow = [a.astype("float32") for a in (SCALE, OFFSET, MEAN, SPREAD, KERNELS["conv"], SUMS_TO)]
    scale, offset, mean, spread, w, to = narrow

    def model(x):
        y = tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "SAME"), mean)
        options = {"epsilon": 1e-3, "is_training": False}
        y = tf.compat.v1.nn.fused_batch_norm(y, scale, offset, mean, spread, **options)[0]
        return tf.reduce_mean(tf.nn.relu(y), (1, 2)) @ to

    factor = scale / np.sqrt(spread + np.float32(1e-3))

    def folded(x):
        y = tf.nn.conv2d(x, w * factor, 1, "SAME") + offset
        return tf.reduce_mean(tf.nn.relu(y), (1, 2)) @ to

    x, (apart, one) = (
        X.astype("float32"),
        (get_model_wrapper(f, backend="tensorflow") for f in (model, folded)),
    )
    found = LRP(apart, "epsilon_plus", qoi=1, merge=True).attributions(x)
    expected = LRP(one, "epsilon_plus", qoi=1).attributions(x)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_what_is_not_merged_is_said():
    """Columns as many as channels; a normalisation that comes first; none."""
    conv = LINEAR["conv"]
    columns = with_head(lambda x: normalised(conv(x, KERNELS["conv"]), (CHANNELS, 1)))
    before = with_head(lambda x: conv(x / tf.sqrt(MOMENTS[1][:3]), KERNELS["conv"]))
    none = with_head(lambda x: conv(x, KERNELS["conv"]))
    for model, said in ((columns, "left 1"), (before, "left 1"), (none, "found no batch")):
        plain = LRP(model, "epsilon_plus", qoi=1).attributions(X)
        with pytest.warns(TrulensWarning, match=f"merge=True {said}"):
            found = LRP(model, "epsilon_plus", qoi=1, merge=True).attributions(X)
        np.testing.assert_allclose(found, plain, atol=1e-14)


# -- what must raise ------------------------------------------------------------------------------


@tf.custom_gradient
def reversed_(x):
    return tf.identity(x), lambda g: -g


UNSEEN = {
    "with a derivative of its own": reversed_,
    "'While'|'StatelessWhile'": lambda x: tf.while_loop(
        lambda i, _: i < 2, lambda i, y: (i + 1, 2 * y), (0, x)
    )[1],
    "'If'|'StatelessIf'": lambda x: tf.cond(
        tf.reduce_sum(x) > 0, lambda: tf.tanh(x), lambda: tf.sin(x)
    ),
    "'EagerPyFunc'": lambda x: tf.ensure_shape(tf.py_function(tf.tanh, [x], tf.float64), x.shape),
    "'TopKV2'": lambda x: tf.sort(x, axis=-1),
    "'max'": lambda x: tf.maximum(x, -x),
    "'slice'": lambda x: tf.where(x[:, :1] > 0, x, 2 * x),
}


@pytest.mark.parametrize("match", UNSEEN)
def test_what_rules_cannot_see_raises(match):
    with pytest.raises(UncoveredOperationError, match=f"no rule for .*({match})"):
        AttnLRP(wrapped(UNSEEN[match])).attributions(ROWS)


def test_what_has_no_rule_may_pass_its_derivative():
    function = UNSEEN["'max'"]
    rules = composites.attn_lrp(uncovered="gradient")
    found = InputAttribution(wrapped(function), qoi=1, rules=rules).explain(ROWS)
    plain = InputAttribution(wrapped(function), qoi=1).attributions(ROWS)
    np.testing.assert_allclose(found.attributions, plain, atol=1e-13)
    assert str(found.coverage).startswith("2 of 3 operations")
    loop = wrapped(UNSEEN["'While'|'StatelessWhile'"])
    with pytest.raises(UncoveredOperationError, match="a graph of its own"):
        InputAttribution(loop, qoi=1, rules=rules).attributions(ROWS)


def test_first_rules_give_relevance_and_say_where_they_cannot():
    wrapper = wrapped(tf.tanh)
    rules = RuleSet([("linear|pointwise", Gradient())], first=[("linear", Flat())])
    flat = InputAttribution(wrapper, qoi=1, rules=rules).attributions(ROWS)
    np.testing.assert_allclose(flat, flat[:, :1] * np.ones(4), rtol=1e-10)
    scaled = get_model_wrapper(lambda x: tf.matmul(tf.tanh(-x), MATRIX), backend="tensorflow")
    with pytest.raises(UncoveredOperationError, match="first="):
        InputAttribution(scaled, qoi=1, rules=rules).attributions(ROWS)


def test_rules_of_the_callers_serve_one_call():
    seen = []
    rules = RuleSet([(lambda op: seen.append(op.kind) or True, Gradient())])
    wrapper = wrapped(tf.tanh)
    plain = InputAttribution(wrapper, qoi=1).attributions(ROWS)
    for _ in range(2):
        seen.clear()
        found = InputAttribution(wrapper, qoi=1, rules=rules).attributions(ROWS)
        np.testing.assert_allclose(found, plain, atol=1e-14)
        assert seen.count("linear") >= 2

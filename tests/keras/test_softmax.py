"""Scores before the softmax, without a change of the model."""

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import (
    CutError,
    InputAttribution,
    InternalInfluence,
    LogitCut,
    TrulensWarning,
    get_model_wrapper,
)

ops = keras.ops


def native():
    """The framework's own softmax, which on TensorFlow is called softmax_v2."""
    framework = keras.config.backend()
    if framework == "tensorflow":
        import tensorflow as tf

        return tf.nn.softmax
    if framework == "torch":
        import torch

        return torch.nn.Softmax(-1)
    import jax

    return jax.nn.softmax


class Squash(layers.Layer):
    """A softmax of the caller's own, without an attribute that says so."""

    def call(self, x):
        e = ops.exp(x - ops.max(x, -1, keepdims=True))
        return e / ops.sum(e, -1, keepdims=True)


def dense(activation):
    return lambda: [layers.Dense(3, activation=activation(), name="p")]


def behind(make):
    return lambda: [layers.Dense(3), make()]


ENDS = {
    "dense": dense(lambda: "softmax"),
    "a function": dense(native),
    "a lambda": dense(lambda: lambda t: ops.softmax(1 * t)),
    "a layer as activation": dense(layers.Softmax),
    "a custom layer as activation": dense(Squash),
    "activation": behind(lambda: layers.Activation("softmax", name="p")),
    "a lambda apart": behind(lambda: layers.Activation(lambda t: ops.softmax(1 * t), name="p")),
    "softmax": behind(lambda: layers.Softmax(name="p")),
    "lambda": behind(lambda: layers.Lambda(ops.softmax, name="p")),
    "custom": behind(lambda: Squash(name="p")),
    "nested": lambda: [keras.Sequential([layers.Dense(3), Squash()], name="p")],
    "nested, functional": lambda: [nested()],
}


def nested():
    x = layers.Input((5,))
    return keras.Model(x, ops.softmax(layers.Dense(3)(x)), name="p")


@pytest.fixture(params=ENDS)
def model(request):
    keras.utils.set_random_seed(0)
    parts = [layers.Input((4,)), layers.Dense(5, activation="tanh"), *ENDS[request.param]()]
    return keras.Sequential(parts)


@pytest.fixture
def scores(model):
    """The scores by hand."""
    return lambda t: scores_of(model, t)


def scores_of(model, t):
    hidden, last = [v.value for v in model.variables[:2]], [v.value for v in model.variables[2:]]
    return ops.matmul(ops.tanh(ops.matmul(t, hidden[0]) + hidden[1]), last[0]) + last[1]


def test_logit_layer(model, scores, gradients, value, equal, draw):
    x = draw(3, 4)
    wrapper = get_model_wrapper(model, logit_layer="p")
    equal(wrapper.logits(x), value(scores, x))
    equal(wrapper(x), value(model, x))
    equal(wrapper.probits(x), value(model, x), 1e-5)
    method = InternalInfluence(wrapper, (0, LogitCut()), 1, "point", multiply_activation=False)
    equal(method.attributions(x), gradients(lambda t: scores(t)[:, 1], x)[0])


def test_replace_softmax(model, scores, value, equal, draw):
    x = draw(3, 4)
    wrapper = get_model_wrapper(model, replace_softmax=True)
    equal(wrapper(x), value(scores, x))
    equal(wrapper.logits(x), value(scores, x))


def test_the_model_keeps_its_softmax(gradients, value, equal, draw):
    parts = [layers.Input((4,)), layers.Dense(5, "tanh"), *ENDS["softmax"]()]
    model, x = keras.Sequential(parts), draw(3, 4)
    before = value(model, x)
    for layer in ("p", -1, model.layers[-1]):
        wrapper = get_model_wrapper(model, replace_softmax=True, softmax_layer=layer)
        equal(wrapper(x), value(lambda t: scores_of(model, t), x))
    method = InputAttribution(wrapper, qoi=2, multiply_activation=False)
    equal(method.attributions(x), gradients(lambda t: scores_of(model, t)[:, 2], x)[0])
    np.testing.assert_array_equal(value(model, x), before)


def test_a_layer_without_a_softmax(value, equal, draw):
    keras.utils.set_random_seed(0)
    parts = [layers.Input((4,)), layers.Dense(3, activation="relu", name="r"), layers.Flatten()]
    model, x = keras.Sequential(parts), draw(2, 4)
    with pytest.raises(ValueError, match=r"'flatten.*' .Flatten. has no activation"):
        get_model_wrapper(model, replace_softmax=True)
    with pytest.warns(TrulensWarning, match="is relu, neither a softmax nor"):
        wrapper = get_model_wrapper(model, replace_softmax=True, softmax_layer="r")
    dense = model.layers[0]
    equal(wrapper(x), value(lambda t: keras.ops.matmul(t, dense.kernel) + dense.bias, x))
    equal(get_model_wrapper(model, logit_layer="r").logits(x), value(dense, x))


def test_no_logit_layer(draw):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3, name="end")])
    wrapper = get_model_wrapper(model)
    with pytest.raises(CutError, match="logit_layer="):
        InternalInfluence(wrapper, (0, LogitCut()), 0, "point")
    x = draw(2, 4)
    np.testing.assert_array_equal(wrapper.logits(x), wrapper(x))
    with pytest.raises(ValueError, match=r"'ends'.*did you mean 'end'"):
        InternalInfluence(get_model_wrapper(model, logit_layer="ends"), (0, LogitCut()), 0, "point")


class Doubling(layers.Layer):
    def call(self, x):
        return 2 * x


def test_a_model_at_a_path(tmp_path, draw, equal):
    x, path = draw(2, 4), tmp_path / "model.keras"
    model = keras.Sequential([layers.Input((4,)), Doubling(), layers.Dense(3, name="d")])
    model.save(path)
    given = {"Doubling": Doubling}
    for where in (path, str(path)):
        wrapper = get_model_wrapper(where, custom_objects=given)
        equal(wrapper(x), get_model_wrapper(model)(x), 1e-6)
    with pytest.raises(TypeError, match="Doubling"):
        get_model_wrapper(path)
    with pytest.raises(ValueError, match="not found"):
        get_model_wrapper(tmp_path / "other.keras")


def test_code_in_a_saved_model_is_not_run(tmp_path):
    path = tmp_path / "model.keras"
    keras.Sequential([layers.Input((4,)), layers.Lambda(lambda t: 2 * t)]).save(path)
    with pytest.raises(ValueError, match="unsafe"):
        get_model_wrapper(path)


# -- what else gives probabilities ----------------------------------------------------------------


@pytest.mark.parametrize(
    "squash",
    [
        ops.sigmoid,
        ops.log_softmax,
        ops.log_sigmoid,
        lambda t: ops.softmax(t / 3),
        ops.hard_sigmoid,
    ],
)
def test_other_squashings_are_taken_off(squash, value, equal, draw):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [layers.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(3, squash, name="p")]
    )
    x = draw(3, 4)
    wrapper = get_model_wrapper(model, logit_layer="p")
    equal(wrapper.logits(x), value(lambda t: scores_of(model, t), x))
    equal(wrapper(x), value(model, x))


@pytest.mark.parametrize("kind", ["relu", "tanh", "linear", None, lambda t: t * ops.sigmoid(t)])
def test_other_activations_stay(kind, value, equal, draw):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3, kind, name="p")])
    x = draw(3, 4)
    equal(get_model_wrapper(model, logit_layer="p").logits(x), value(model, x))


class Classifier(layers.Layer):
    """A layer that weighs and squashes at once."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), name="kernel")

    def call(self, x):
        return ops.softmax(ops.matmul(x, self.kernel))


class Part(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(3)

    def call(self, x):
        return ops.softmax(self.dense(x))


WHOLE = {
    "custom": lambda: [Classifier(name="p")],
    "subclassed": lambda: [Part(name="p")],
    "shaped": lambda: [layers.Dense(3, "softmax"), layers.Reshape((3, 1), name="p")],
    "in time": lambda: [
        layers.Reshape((5, 1)),
        layers.TimeDistributed(layers.Dense(3, "softmax"), name="p"),
    ],
}


@pytest.mark.parametrize("end", WHOLE)
def test_what_cannot_be_taken_off_is_an_error(end, draw):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(5, "tanh"), *WHOLE[end]()])
    x = draw(3, 4)
    told = r"LogitCut: the layer 'p' gives probabilities.*logit_layer="
    for ask in (
        get_model_wrapper(model, logit_layer="p").logits,
        get_model_wrapper(model, logit_layer="p").probits,
        InternalInfluence(
            get_model_wrapper(model, logit_layer="p"), (0, LogitCut()), lambda y: y[..., 0], "point"
        ).attributions,
    ):
        for _ in range(2):
            with pytest.raises(CutError, match=told):
                ask(x)


def test_an_activation_that_cannot_be_told():
    def fixed(t):
        return ops.softmax(ops.matmul(t, np.eye(5, dtype="float32")))

    model = keras.Sequential([layers.Input((4,)), layers.Dense(5, fixed, name="p")])
    with pytest.raises(CutError, match=r"(?s)'p'.*cannot be told.*the layer before it"):
        InternalInfluence(get_model_wrapper(model, logit_layer="p"), (0, LogitCut()), 0, "point")


def test_a_layer_called_logits(draw, value, equal):
    """It is the logit layer where none is named, and held to the same."""
    x = draw(3, 4)
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3, native(), name="logits")])
    dense = model.layers[-1]
    equal(
        get_model_wrapper(model).logits(x),
        value(lambda t: ops.matmul(t, dense.kernel) + dense.bias, x),
    )
    model = keras.Sequential([layers.Input((4,)), Classifier(name="logits")])
    with pytest.raises(CutError, match="'logits' gives probabilities"):
        get_model_wrapper(model).logits(x)


def test_evaluating_an_activation_leaves_no_trace(draw):
    """Also of one that keeps what it saw."""

    class Keeping(layers.Layer):
        seen = None

        def call(self, x):
            self.seen = x
            return ops.softmax(x)

    keeping = Keeping()
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3, keeping, name="p")])
    model(draw(2, 4))
    before = dict(vars(keeping))
    get_model_wrapper(model, logit_layer="p").logits(draw(2, 4))
    assert vars(keeping).keys() == before.keys()
    assert all(vars(keeping)[k] is v for k, v in before.items())


# -- a softmax that is an operation ---------------------------------------------------------------


@pytest.mark.parametrize("squash", [ops.softmax, ops.sigmoid, ops.log_softmax])
def test_a_model_that_ends_in_an_operation(squash, gradients, value, equal, draw):
    keras.utils.set_random_seed(2)
    x = layers.Input((4,))
    model = keras.Model(x, squash(layers.Dense(3)(layers.Dense(5, "tanh")(x))))
    given = draw(3, 4)
    for options in ({}, {"softmax_layer": -1}, {"softmax_layer": model.operations[-1]}):
        wrapper = get_model_wrapper(model, replace_softmax=True, **options)
        equal(wrapper(given), value(lambda t: scores_of(model, t), given))
        equal(wrapper.logits(given), wrapper(given))
    found = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(given)
    equal(found, gradients(lambda t: scores_of(model, t)[:, 1], given)[0])
    equal(get_model_wrapper(model)(given), value(model, given))


def test_a_softmax_by_hand_is_not_replaced():
    x = layers.Input((4,))
    e = ops.exp(layers.Dense(3)(x))
    model = keras.Model(x, e / ops.sum(e, -1, keepdims=True))
    with pytest.raises(CutError, match=r"replace_softmax.*no activation to replace"):
        get_model_wrapper(model, replace_softmax=True)


def test_the_example(equal):
    """Two classes: the gradient of a score is its weight, not that of a probability."""
    model = keras.Sequential([layers.Input((2,)), layers.Dense(2, native(), name="p")])
    model.layers[-1].set_weights([np.eye(2, dtype="float32"), np.zeros(2, "float32")])
    wrapper = get_model_wrapper(model, logit_layer="p")
    method = InputAttribution(wrapper, LogitCut(), 0, multiply_activation=False)
    equal(method.attributions(np.array([[0.5, -0.5]], "float32")), np.array([[1.0, 0.0]]))

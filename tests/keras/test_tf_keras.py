"""tf_keras models on TensorFlow, by the same way of cutting."""

import keras
import numpy as np
import pytest

from trulens_core import (
    Cut,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LogitCut,
    TrulensWarning,
    get_model_wrapper,
)

if keras.config.backend() != "tensorflow":
    pytest.skip("tf_keras is TensorFlow's", allow_module_level=True)
tf_keras = pytest.importorskip("tf_keras")
import tensorflow as tf  # noqa: E402 - only where it is the framework

layers = tf_keras.layers


def influence(model, source, target=None, qoi=0):
    method = InternalInfluence(model, (source, target), qoi, "point", multiply_activation=False)
    return method.attributions


@pytest.fixture(scope="module")
def model():
    tf_keras.utils.set_random_seed(0)
    inner_in = layers.Input((4,))
    block = tf_keras.Model(inner_in, layers.Dense(4, name="dense")(inner_in), name="block")
    x = layers.Input((4,), name="x")
    h = layers.BatchNormalization(name="bn")(tf.tanh(block(x) + x))
    h = layers.Dropout(0.5)(h)
    return tf_keras.Model(x, layers.Dense(3, activation="softmax", name="p")(h))


def scores(model, t):
    return model.get_layer("bn")(tf.tanh(model.get_layer("block")(t) + t)) @ model.layers[-1].kernel


def test_cuts(model, draw, gradients, equal):
    wrapper, x = get_model_wrapper(model, logit_layer="p"), draw(2, 4)
    assert type(wrapper).__name__ == "KerasModelWrapper"
    equal(influence(wrapper, InputCut())(x), gradients(lambda t: model(t)[:, 0], x)[0])
    equal(
        influence(wrapper, 0, LogitCut(), 1)(x), gradients(lambda t: scores(model, t)[:, 1], x)[0]
    )
    z = model.get_layer("block")(x).numpy()

    def after(t):
        return model.layers[-1](model.get_layer("bn")(tf.tanh(t + x)))[:, 0]

    for cut in ("block", "block/dense", Cut("block/dense")):
        equal(influence(wrapper, cut)(x), gradients(after, z)[0])


def test_replace_softmax_and_the_hint(model, draw, equal):
    x = draw(2, 4)
    wrapper = get_model_wrapper(model, replace_softmax=True, backend="tf.keras")
    equal(tf.nn.softmax(wrapper(x)).numpy(), model(x).numpy(), 1e-5)
    with pytest.warns(TrulensWarning, match="softmax"):
        InputAttribution(get_model_wrapper(model)).attributions(x)


def test_a_subclassed_recurrent_model(draw, gradients, equal):
    class Model(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(7, 3, mask_zero=True, name="emb")
            self.lstm, self.head = layers.LSTM(4, name="lstm"), layers.Dense(2, name="head")

        def call(self, ids):
            return self.head(self.lstm(self.embedding(ids)))

    tf_keras.utils.set_random_seed(0)
    model, ids = Model(), np.array([[1, 2, 0], [3, 4, 5]])
    wrapper = get_model_wrapper(model)
    found = influence(wrapper, "emb")(ids)
    assert not found[0, 2].any()
    assert found[1].any()
    h = model.lstm(model.embedding(ids)).numpy()
    equal(influence(wrapper, "lstm")(ids), gradients(lambda t: model.head(t)[:, 0], h)[0])


def test_nothing_is_left(model, draw):
    x = draw(2, 4)
    model(x)
    every = get_model_wrapper(model)._operations.all()
    before = [{k: id(v) for k, v in vars(op).items()} for op in every]
    weights = model.get_weights()
    for training in ({}, {"training": True}):
        method = IntegratedGradients(get_model_wrapper(model, logit_layer="p"), resolution=3)
        method.attributions(x, **training)
    assert [{k: id(v) for k, v in vars(op).items()} for op in every] == before
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_path(model, tmp_path, draw, equal):
    plain = tf_keras.Sequential([layers.Input((4,)), layers.Dense(2)])
    plain.save(tmp_path / "m.keras")
    x = draw(2, 4)
    equal(get_model_wrapper(tmp_path / "m.keras", backend="tf_keras")(x), plain(x).numpy())


# -- scores before the softmax --------------------------------------------------------------------

ENDS = {
    "function": lambda: [layers.Dense(3, activation=tf.nn.softmax, name="p")],
    "lambda": lambda: [layers.Dense(3, activation=lambda t: tf.nn.softmax(1 * t), name="p")],
    "layer": lambda: [layers.Dense(3, activation=layers.Softmax(), name="p")],
    "lambda layer": lambda: [layers.Dense(3), layers.Lambda(tf.nn.softmax, name="p")],
    "softmax layer": lambda: [layers.Dense(3), layers.Softmax(name="p")],
    "nested": lambda: [tf_keras.Sequential([layers.Dense(3), layers.Softmax()], name="p")],
    "operation": lambda: [layers.Dense(3), tf.nn.softmax],
}


@pytest.mark.parametrize("end", ENDS)
def test_scores_before_any_softmax(end, draw, equal, gradients):
    tf_keras.utils.set_random_seed(0)
    x = layers.Input((4,))
    y = layers.Dense(5, "tanh")(x)
    for layer in ENDS[end]():
        y = layer(y)
    model = tf_keras.Model(x, y)
    given, name = draw(3, 4), model.layers[-1].name

    def by_hand(t):
        a, b, c, d = (v.value() for v in model.variables)
        return tf.tanh(t @ a + b) @ c + d

    named = get_model_wrapper(model, logit_layer=name)
    equal(named.logits(given), by_hand(given).numpy())
    found = influence(named, InputCut(), LogitCut(), 1)(given)
    equal(found, gradients(lambda t: by_hand(t)[:, 1], given)[0])
    equal(get_model_wrapper(model, replace_softmax=True)(given), by_hand(given).numpy())
    equal(named(given), model(given).numpy())


def test_numbers_become_what_their_input_declares(gradients, equal):
    age, rest = layers.Input((1,), name="age"), layers.Input((2,), name="rest")
    hidden = layers.Dense(4, activation="tanh")(layers.Concatenate()([rest, age / 100.0]))
    out = layers.Dense(2)(hidden)
    ages, b = np.array([[20], [40]]), np.ones((2, 2), "float32")
    listed = tf_keras.Model([rest, age], out)
    expected = gradients(lambda r, a: listed([r, a])[:, 0], b, ages.astype("float32"))
    found = influence(listed, InputCut())(b, ages)
    named = influence(tf_keras.Model({"age": age, "rest": rest}, out), InputCut())
    named = named({"rest": b, "age": ages})
    for f, d, e in zip(found, (named["rest"], named["age"]), expected, strict=True):
        equal(f, e)
        equal(d, e)

"""Models of Keras and TensorFlow as people have them, beside a tape, one record at a time."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Cut,
    InputCut,
    InternalInfluence,
    LinearDoi,
    OutputCut,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

if keras.config.backend() != "tensorflow":
    pytest.skip("these are TensorFlow's", allow_module_level=True)
import tensorflow as tf

POINTS = 3
RNG = np.random.default_rng(0)
X, SERIES = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 6, 4))
IMAGES = RNG.normal(size=(3, 8, 8, 3))
TEXTS = np.array([["red green"], ["blue red red"], ["green"]], object)
IDS = np.array([[1, 5, 2, 0], [2, 3, 0, 0], [7, 1, 4, 6]])


@dataclasses.dataclass(frozen=True)
class Asked:
    """A model, a call and a question.

    Attributes:
        make: gives the model, what its variables are as a function of one record's arguments,
            and the score as a function of the variables and the arguments.
        args: three records.
        rows: whether the variables are several rows of a layer for each record.
    """

    make: Callable[[], tuple[Any, Callable, Callable]]
    args: tuple
    qoi: Any = 1
    cut: Any = None
    to: Any = None
    rows: bool = False
    quick: bool = False
    options: dict = dataclasses.field(default_factory=dict)


def itself(x, *_):
    return x


def vectorized():
    """Strings to words, inside of the model."""
    look = keras.layers.TextVectorization(output_sequence_length=3)
    look.adapt(TEXTS[:, 0])
    words = keras.layers.Embedding(9, 5, name="words", mask_zero=True)
    rnn, scores = keras.layers.GRU(4), keras.layers.Dense(3)
    x = keras.Input((1,), dtype="string")
    model = keras.Model(x, scores(rnn(words(look(x)))))

    def score(z, texts):
        return scores(rnn(z, mask=words.compute_mask(look(texts))))[0, 1]

    return model, lambda texts: words(look(texts)), score


class Detector(tf.Module):
    """Saved and loaded again: a dict of scores and boxes."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable(RNG.normal(size=(4, 4, 3, 6)))
        self.s, self.b = (tf.Variable(RNG.normal(size=(6, n))) for n in (3, 4))

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 3], tf.float64)])
    def __call__(self, x):
        h = tf.reshape(tf.tanh(tf.nn.conv2d(x, self.w, 4, "VALID")), [-1, 4, 6])
        return {"scores": h @ self.s, "boxes": tf.sigmoid(h @ self.b)}


def saved(tmp):
    made = Detector()
    tf.saved_model.save(made, str(tmp))
    return tf.saved_model.load(str(tmp)), itself, lambda z, *_: made(z)["boxes"][0, 2, 1]


def frames():
    """TimeDistributed convolutions, whose inner layer has a row for each frame."""
    inner = keras.layers.Dense(5, activation="tanh", name="inner")
    outer = keras.layers.TimeDistributed(inner)
    rnn, scores = keras.layers.LSTM(4), keras.layers.Dense(3)
    x = keras.Input((6, 4))
    model = keras.Model(x, scores(rnn(outer(x))))
    return model, itself, lambda z, *_: scores(rnn(tf.tanh(z @ inner.kernel + inner.bias)))[0, 1]


def two_heads():
    x = keras.Input((4,), name="x")
    body, kind = keras.layers.Dense(6, "gelu", name="body"), keras.layers.Dense(3, name="kind")
    age = keras.layers.Dense(1, name="age")
    h = body(x)
    model = keras.Model(x, {"kind": kind(h), "age": age(h)})
    return model, body, lambda z, *_: kind(z)[0, 1]


def attention():
    """Padding masks that Keras hands on by itself, up to a sum, which has none."""
    words = keras.layers.Embedding(9, 6, mask_zero=True, name="words")
    heads, norm = keras.layers.MultiHeadAttention(2, 3), keras.layers.LayerNormalization()
    pool, scores = keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(3)
    ids = keras.Input((4,), dtype="int64")
    h = words(ids)
    model = keras.Model(ids, scores(pool(norm(h + heads(h, h)))))

    def score(z, ids):
        z._keras_mask = words.compute_mask(ids)
        return scores(pool(norm(z + heads(z, z))))[0, 1]

    return model, words, score


def segmentation():
    """A U-Net; a class over its map."""
    x = keras.Input((8, 8, 3))
    down = keras.layers.Conv2D(5, 3, 2, "same", activation="swish", name="down")
    norm = keras.layers.BatchNormalization()
    up, out = keras.layers.Conv2DTranspose(4, 2, 2), keras.layers.Conv2D(3, 1)
    model = keras.Model(x, out(keras.ops.concatenate([up(norm(down(x))), x], -1)))

    def score(z, *_):
        h = up(norm(down(z), training=False))
        return tf.reduce_sum(out(tf.concat([h, z], -1))[0, :, :, 2])

    return model, itself, score


def stateful():
    """An LSTM that goes on, of three records at once."""
    rnn, scores = keras.layers.LSTM(4, stateful=True), keras.layers.Dense(3)
    x = keras.Input(batch_shape=(3, 6, 4))
    model = keras.Model(x, scores(rnn(x)))

    def score(z, *_):
        h = c = tf.zeros((1, 4), z.dtype)
        for row in tf.unstack(z, axis=1):
            _, (h, c) = rnn.cell(row, [h, c])
        return scores(h)[0, 1]

    return model, itself, score


def ages_and_words():
    """A table: a number and a category."""
    age, kind = keras.Input((1,), name="age"), keras.Input((1,), dtype="int64", name="kind")
    words, flat = keras.layers.Embedding(9, 4, name="words"), keras.layers.Flatten()
    body, scores = keras.layers.Dense(6, "tanh"), keras.layers.Dense(3)
    model = keras.Model(
        [age, kind], scores(body(keras.ops.concatenate([age, flat(words(kind))], -1)))
    )

    def score(z, _, kind):
        return scores(body(tf.concat([z, flat(words(kind))], -1)))[0, 1]

    return model, itself, score


TABLE = {
    "TextVectorization": Asked(vectorized, (TEXTS,), cut=Cut("words"), quick=True),
    "SavedModel detector": Asked(
        saved, (IMAGES,), lambda y: y[:, 2, 1], to=OutputCut("boxes"), quick=True
    ),
    "frames": Asked(frames, (SERIES,)),
    "two heads": Asked(two_heads, (X,), to=OutputCut("kind"), cut=Cut("body")),
    "attention with masks": Asked(attention, (IDS,), cut=Cut("words")),
    "segmentation": Asked(segmentation, (IMAGES,), ClassQoI(2)),
    "stateful LSTM": Asked(stateful, (SERIES,)),
    "a number and a category": Asked(
        ages_and_words, (X[:, :1], IDS[:, :1]), cut=InputCut(names=["age"])
    ),
}
CASES = [n for n, asked in TABLE.items() if asked.quick or os.environ.get("TRULENS_EVERY")]


@pytest.fixture
def float64():
    policy = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy(policy)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", CASES)
def test_models_of_keras(name, tmp_path):
    asked = TABLE[name]
    model, start, score = saved(tmp_path) if asked.make is saved else asked.make()
    wrapper = get_model_wrapper(model, **asked.options)
    for path in (False, True):
        doi = LinearDoi(resolution=POINTS, rule="midpoint", cut=asked.cut) if path else "point"
        method = InternalInfluence(
            wrapper, (asked.cut, asked.to), asked.qoi, doi, multiply_activation=path
        )
        found = method.attributions(*asked.args)
        rows = []
        for r in range(3):
            args = [tf.convert_to_tensor(a[r : r + 1]) for a in asked.args]
            value = start(*args)
            shares = [(k + 0.5) / POINTS for k in range(POINTS)] if path else [1.0]
            total = 0
            for share in shares:
                z = tf.convert_to_tensor(share * value)
                with tf.GradientTape() as tape:
                    tape.watch(z)
                    y = score(z, *args)
                total += tape.gradient(y, z) / len(shares)
            rows.append((total * value if path else total).numpy())
        expected = np.concatenate(rows)
        assert np.abs(expected).max() > 0
        assert np.shape(found) == expected.shape
        assert relative_error(np.asarray(found), expected) <= 1e-9

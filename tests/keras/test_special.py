"""Special layers: recurrent, attention, masks, preprocessing, mixed precision, @tf.function."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from trulens_core import (
    Cut,
    CutError,
    InputCut,
    InternalInfluence,
    LayerNotReachedError,
    LinearDoi,
    NotDifferentiableError,
    OutputCut,
    TrulensError,
    TrulensWarning,
    get_model_wrapper,
)


def influence(model, source, qoi=0, doi="point", target=None):
    return InternalInfluence(model, (source, target), qoi, doi, multiply_activation=False)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU, layers.SimpleRNN])
def test_recurrent(kind, gradients, value, equal, draw):
    keras.utils.set_random_seed(0)
    parts = [
        layers.Input((5, 3)),
        kind(4, return_sequences=True, name="rnn"),
        layers.Bidirectional(kind(4), name="both"),
        layers.Dense(2, name="head"),
    ]
    model, x = keras.Sequential(parts), draw(2, 5, 3)
    rnn, both, head = model.layers
    equal(influence(model, 0).attributions(x), gradients(lambda t: model(t)[:, 0], x)[0])
    z = value(rnn, x)
    equal(influence(model, "rnn").attributions(x), gradients(lambda t: head(both(t))[:, 0], z)[0])
    names = [layer.name for layer in get_model_wrapper(model).layers()]
    assert any(n.startswith("both/forward") for n in names)
    cell = next(n for n in names if n.startswith("rnn/"))
    with pytest.raises(NotDifferentiableError, match="unroll=True"):
        influence(model, cell)


def test_an_unrolled_cell_is_called_once_per_step(gradients, equal, draw):
    keras.utils.set_random_seed(0)
    parts = [layers.Input((3, 2)), layers.SimpleRNN(4, unroll=True, name="rnn"), layers.Dense(2)]
    model, x = keras.Sequential(parts), draw(2, 3, 2)
    cell = next(x.name for x in get_model_wrapper(model).layers() if x.name.startswith("rnn/"))
    last = influence(model, Cut(cell, call=2)).attributions(x)
    equal(last, np.tile(model.layers[1].kernel.numpy()[:, 0], (2, 1)))


def test_several_outputs_of_a_layer_and_unused_ones(gradients, value, equal, draw):
    keras.utils.set_random_seed(0)
    x = keras.Input((4, 3))
    *_, c = layers.LSTM(5, return_state=True, name="lstm")(x)
    model = keras.Model(x, layers.Dense(2, name="head")(ops.tanh(c)))
    given, head = draw(2, 4, 3), model.get_layer("head")
    every = Cut("lstm", accessor=lambda v: v)
    found = influence(model, every).attributions(given)
    cells = value(lambda t: model.get_layer("lstm")(t)[2], given)
    equal(found[2], gradients(lambda t: head(ops.tanh(t))[:, 0], cells)[0])
    assert not found[0].any()


def test_attention(gradients, value, equal, draw):
    keras.utils.clear_session()  # names of layers are counted in a process
    keras.utils.set_random_seed(0)
    x = keras.Input((5, 4))
    mha = layers.MultiHeadAttention(2, 3, name="mha")
    model = keras.Model(x, layers.Dense(2, name="head")(ops.mean(mha(x, x), axis=1)))
    given, head = draw(2, 5, 4), model.get_layer("head")
    z = value(lambda t: mha(t, t), given)
    by_hand = gradients(lambda t: head(ops.mean(t, axis=1))[:, 0], z)[0]
    equal(influence(model, "mha").attributions(given), by_hand)
    assert influence(model, "mha/query").attributions(given).shape == (2, 5, 2, 3)
    if keras.config.backend() != "torch":
        with pytest.raises(LayerNotReachedError, match="Attention"):
            influence(model, "mha/softmax").attributions(given)


@pytest.fixture
def text():
    keras.utils.set_random_seed(0)
    parts = [
        layers.Input((4,), dtype="int32"),
        layers.Embedding(9, 3, mask_zero=True, name="emb"),
        layers.LSTM(4, name="lstm"),
        layers.Dense(2),
    ]
    return keras.Sequential(parts)


IDS = np.array([[1, 2, 0, 0], [3, 4, 5, 0]], "int32")


def test_a_masked_embedding(text):
    for doi in ("point", LinearDoi(resolution=3, cut="emb")):
        found = influence(text, "emb", doi=doi).attributions(IDS)
        masked = IDS == 0
        assert not found[masked].any()
        assert np.all(np.abs(found[~masked]).sum(1) > 0)


def test_integers_have_no_gradient(text):
    for cut in (InputCut(), Cut("emb", anchor="in")):
        with pytest.raises(TrulensError, match="emb"):
            influence(text, cut).attributions(IDS)
    with pytest.raises(TrulensError, match="nothing is cast to integers"):
        get_model_wrapper(text).fprop(
            IDS, doi_cut=Cut("emb", anchor="in"), intervention=IDS.astype("float32") / 2
        )


def test_preprocessing(gradients, equal, draw):
    normalization = layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0], name="norm")
    parts = [layers.Input((2,)), layers.Rescaling(0.5), normalization, layers.Dense(2)]
    model, x = keras.Sequential(parts), draw(3, 2)
    equal(influence(model, 0).attributions(x), gradients(lambda t: model(t)[:, 0], x)[0])


def test_gradients_that_float16_cannot_hold_are_said(gradients, draw):
    """Small weights in mixed_float16: what comes back to the input is below its range."""
    keras.utils.set_random_seed(0)
    tiny, kinds = keras.initializers.RandomNormal(stddev=1e-4), {"dtype": "mixed_float16"}
    parts = [layers.Dense(3, kernel_initializer=tiny, **kinds) for _ in range(3)]
    model, x = keras.Sequential([layers.Input((4,)), *parts]), draw(2, 4)
    assert not gradients(lambda t: model(t)[:, 0], x)[0].any()
    with pytest.warns(TrulensWarning, match="zero everywhere.*float16 underflow"):
        assert not influence(model, None).attributions(x).any()


def test_mixed_precision(draw):
    keras.utils.set_random_seed(0)
    kinds = {"dtype": "mixed_bfloat16"}
    parts = [layers.Input((4,)), layers.Dense(6, name="h", **kinds), layers.Dense(2, **kinds)]
    model, x = keras.Sequential(parts), draw(2, 4)
    found = influence(model, "h", doi=LinearDoi(resolution=3, cut="h")).attributions(x)
    kernel = np.asarray(model.layers[1].kernel.numpy())
    np.testing.assert_allclose(found, np.tile(kernel[:, 0], (2, 1)), rtol=1e-2)
    assert found.dtype == np.float32


def test_a_call_under_tf_function(gradients, equal, draw):
    if keras.config.backend() != "tensorflow":
        pytest.skip("tf.function is TensorFlow's")
    import tensorflow as tf

    class Inner(layers.Layer):
        def __init__(self):
            super().__init__(name="inner")
            self.dense = layers.Dense(3, name="dense")
            self.branch = layers.Dense(3, name="branch")

        def build(self, shape):
            self.dense.build(shape)
            self.branch.build(shape)

        @tf.function
        def call(self, x):
            h = self.dense(x)
            if tf.reduce_sum(x) > 1e9:
                h = self.branch(x)
            return tf.tanh(h)

    keras.utils.set_random_seed(0)
    model, x = keras.Sequential([layers.Input((3,)), Inner()]), draw(2, 3)
    model(x)
    dense = model.layers[0].dense
    equal(influence(model, "inner").attributions(x), np.tile(np.eye(3, dtype="float32")[0], (2, 1)))
    before = dict(vars(model.layers[0]))
    found = InternalInfluence(model, (0, "inner/dense"), 1, "point", multiply_activation=False)
    equal(found.attributions(x), gradients(lambda t: dense(t)[:, 1], x)[0])
    with pytest.raises(NotDifferentiableError, match="a branch"):
        InternalInfluence(model, (0, "inner/branch"), 1, "point").attributions(x)
    assert dict(vars(model.layers[0])) == before


def test_a_helper_under_tf_function(draw):
    """What is inside it is part of a graph that was traced before, when the model was built."""
    if keras.config.backend() != "tensorflow":
        pytest.skip("tf.function is TensorFlow's")
    import tensorflow as tf

    class Helped(layers.Layer):
        def __init__(self):
            super().__init__(name="helped")
            self.dense = layers.Dense(3, name="dense")

        def build(self, shape):
            self.dense.build(shape)

        @tf.function
        def helper(self, x):
            return tf.tanh(self.dense(x))

        def call(self, x):
            return self.helper(x)

    model, x = keras.Sequential([layers.Input((3,)), Helped()]), draw(2, 3)
    assert influence(model, "helped").attributions(x).shape == (2, 3)
    with pytest.raises(LayerNotReachedError, match=r"tf\.function"):
        influence(model, "helped/dense").attributions(x)


def test_quantized_layers(draw, equal):
    """Keras runs another method of theirs, whose gradient is that of the float layer."""
    keras.utils.set_random_seed(0)
    parts = [layers.Input((4,)), layers.Dense(8, name="h"), layers.Dense(3, name="end")]
    model, x = keras.Sequential(parts), draw(5, 4)
    kernel = model.layers[1].get_weights()[0]
    for layer in model.layers:
        layer.quantize("int8")
    found = influence(model, "h", qoi=1).attributions(x)
    step = np.abs(kernel).max() / 100
    np.testing.assert_allclose(found, np.tile(kernel[:, 1], (5, 1)), atol=step)
    assert all("quantized_call" not in vars(layer) for layer in model.layers)


def test_outputs_in_a_dict(draw, equal):
    """One must be told, unless it is called `logits`."""
    keras.utils.set_random_seed(0)
    given, heads = layers.Input((3,)), [layers.Dense(2) for _ in range(2)]
    late, early = (head(given) for head in heads)
    x = draw(2, 3)
    kernels = [np.tile(head.get_weights()[0][:, 1], (2, 1)) for head in heads]
    model = keras.Model(given, {"b": late, "a": early})
    with pytest.raises(CutError, match=r"several tensors.*accessor="):
        influence(model, None, qoi=1).attributions(x)
    for name, expected in zip("ba", kernels, strict=True):
        target = OutputCut(accessor=lambda y, name=name: y[name])
        equal(influence(model, None, qoi=1, target=target).attributions(x), expected, 1e-6)
    model = keras.Model(given, {"a": early, "logits": late})
    equal(influence(model, None, qoi=1).attributions(x), kernels[0], 1e-6)

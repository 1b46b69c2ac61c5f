"""The text visualizer and the token baselines on TensorFlow without Keras."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    ModelInputs,
    NotDifferentiableError,
)
from trulens_core.text import token_baseline, token_baseline_swap
from trulens_core.visualizations import NLP, IPython

IDS = np.array([[1, 5, 6, 0], [1, 7, 2, 2]], dtype="int32")
WORDS = ["pad", "[CLS]", "film", "un", "##like", "##ly", "good", "bad"]
TEXTS = [" ".join(WORDS[i] for i in row) for row in IDS]
RNG = np.random.default_rng(0)


class Embedding(tf.Module):
    def __init__(self):
        super().__init__("embedding")
        self.table = tf.Variable(RNG.normal(size=(8, 4)).astype("float32"))

    @tf.Module.with_name_scope
    def __call__(self, ids):
        return tf.gather(self.table, ids)


class Model(tf.Module):
    def __init__(self):
        super().__init__("model")
        self.embedding = Embedding()
        self.head = tf.Variable(RNG.normal(size=(4, 3)).astype("float32"))

    def __call__(self, ids):
        mask = tf.cast(ids > 0, tf.float32)[..., None]
        return tf.reduce_sum(tf.tanh(self.embedding(ids)) * mask, axis=1) @ self.head


@pytest.fixture(scope="module")
def model():
    return Model()


def tokenize(texts):
    return tf.constant([[WORDS.index(w) for w in text.split()] for text in texts])


def ids_of(inputs):
    return inputs.args[0]


def test_texts_are_shown(model):
    method = InputAttribution(model, doi_cut="embedding")
    show = NLP(model, IPython(), tokenize=tokenize, decode=WORDS.__getitem__)
    lines = show.token_attribution(TEXTS, method).lines
    scores = model(tf.constant(IDS)).numpy()
    assert [line.label for line in lines] == [str(i) for i in scores.argmax(axis=1)]
    expected = method.attributions(IDS).sum(axis=-1)
    found = [[t.value for t in line.columns[0].tokens] for line in lines]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert found[0][3] == 0  # masked


def test_cutting_at_ids_names_the_cut(model):
    with pytest.raises(NotDifferentiableError, match="no gradient at integers"):
        InputAttribution(model).attributions(IDS)


@pytest.mark.parametrize("replacement", [0, range(8)])
def test_token_baselines_make_completeness_hold(model, replacement):
    _, embeddings = token_baseline({1}, replacement, ids_of, model.embedding)
    method = IntegratedGradients(model, embeddings, 60, doi_cut="embedding", qoi=1)
    result = method.explain(tf.constant(IDS))
    np.testing.assert_allclose(result.residual, 0, atol=1e-3)
    assert (result.attributions.numpy()[:, 0] == 0).all()


def test_swapped_tokens(model):
    ids, _ = token_baseline_swap([(5, 7)], ids_of, model.embedding)
    found = ids(None, ModelInputs([tf.constant(IDS)]))
    assert found.dtype == tf.int32
    assert found.numpy().tolist() == [[1, 7, 6, 0], [1, 5, 2, 2]]

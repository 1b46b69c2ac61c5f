"""The text visualizer and the token baselines on Keras, on every framework that it runs on."""

import keras
import numpy as np
import pytest

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    ModelInputs,
    NotDifferentiableError,
    explain,
)
from trulens_core.text import token_baseline, token_baseline_swap
from trulens_core.visualizations import NLP, IPython

IDS = np.array([[1, 5, 6, 0], [1, 7, 2, 2]], dtype="int32")
WORDS = ["pad", "[CLS]", "film", "un", "##like", "##ly", "good", "bad"]
TEXTS = [" ".join(WORDS[i] for i in row) for row in IDS]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    ids = keras.Input((4,), dtype="int32", name="ids")
    embedded = keras.layers.Embedding(8, 4, name="embedding", mask_zero=True)(ids)
    hidden = keras.layers.Dense(5, activation="tanh")(embedded)
    pooled = keras.layers.GlobalAveragePooling1D()(hidden)
    return keras.Model(ids, keras.layers.Dense(3)(pooled))


def tokenize(texts):
    return np.array([[WORDS.index(w) for w in text.split()] for text in texts], dtype="int32")


def first(inputs):
    return inputs.args[0]


def test_texts_are_shown(model):
    method = InputAttribution(model, doi_cut="embedding")
    show = NLP(model, IPython(), tokenize=tokenize, decode=WORDS.__getitem__)
    lines = show.token_attribution(TEXTS, method).lines
    scores = keras.ops.convert_to_numpy(model(IDS))
    assert [line.label for line in lines] == [str(i) for i in scores.argmax(axis=1)]
    expected = method.attributions(IDS).sum(axis=-1)
    found = [[t.value for t in line.columns[0].tokens] for line in lines]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


class Vocabulary:
    """As TextVectorization of Keras is: it gives ids, and knows its words."""

    def __call__(self, texts):
        return tokenize(texts)

    def get_vocabulary(self):
        return ["", *WORDS[1:]]


def test_texts_are_explained_with_what_makes_ids_of_them(model):
    found = explain(model, TEXTS, tokenizer=Vocabulary(), resolution=4)
    assert found.names["tokens"] == [
        ["[CLS]", "##ly", "good", ""],
        ["[CLS]", "bad", "film", "film"],
    ]
    plain = explain(model, IDS, resolution=4)
    np.testing.assert_allclose(found.attributions, plain.attributions, rtol=1e-6, atol=1e-8)
    mapped = explain(
        model, TEXTS, tokenizer=lambda texts: {"input_ids": tokenize(texts)}, resolution=4
    )
    assert mapped.attributions.tolist() == found.attributions.tolist()


def test_cutting_at_ids_suggests_the_embedding(model):
    with pytest.raises(NotDifferentiableError, match=r"Cut\('embedding'\)"):
        InputAttribution(model).attributions(IDS)


@pytest.mark.parametrize("replacement", [0, range(8)])
def test_token_baselines_make_completeness_hold(model, replacement):
    layer = model.get_layer("embedding")
    _, embeddings = token_baseline({1}, replacement, first, layer)
    method = IntegratedGradients(model, embeddings, 60, doi_cut="embedding", qoi=1)
    result = method.explain(IDS)
    np.testing.assert_allclose(result.residual, 0, atol=1e-4)
    assert (result.attributions[:, 0] == 0).all()


def test_swapped_tokens(model):
    ids, embeddings = token_baseline_swap([(5, 7)], first, model.get_layer("embedding"))
    inputs = ModelInputs([keras.ops.convert_to_tensor(IDS)])
    found = keras.ops.convert_to_numpy(ids(None, inputs))
    assert found.tolist() == [[1, 7, 6, 0], [1, 5, 2, 2]]
    assert embeddings(None, inputs).shape == (2, 4, 4)

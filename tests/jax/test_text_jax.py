"""The text visualizer and the token baselines on JAX."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    ModelInputs,
    NotDifferentiableError,
)
from trulens_core.text import token_baseline, token_baseline_swap
from trulens_core.visualizations import NLP, IPython

IDS = np.array([[1, 5, 6, 0], [1, 7, 2, 2]])
WORDS = ["pad", "[CLS]", "film", "un", "##like", "##ly", "good", "bad"]


class Model(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.embedding = nnx.Embed(8, 4, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, ids, mask):
        return self.head(jnp.tanh(self.embedding(ids) * mask[..., None]).sum(axis=1))


@pytest.fixture(scope="module")
def model():
    return Model()


def tokenize(texts):
    ids = jnp.asarray([[WORDS.index(w) for w in text.split()] for text in texts])
    return {"ids": ids, "mask": (ids > 0).astype(jnp.float32)}


TEXTS = [" ".join(WORDS[i] for i in row) for row in IDS]


def test_texts_are_shown(model):
    method = InputAttribution(model, doi_cut="embedding")
    show = NLP(
        model, IPython(), tokenize=tokenize, decode=WORDS.__getitem__, attr_aggregate=jnp.sum
    )
    lines = show.token_attribution(TEXTS, method).lines
    inputs = tokenize(TEXTS)
    scores = np.asarray(model(**inputs))
    assert [line.label for line in lines] == [str(i) for i in scores.argmax(axis=1)]
    expected = np.asarray(method.attributions(**inputs)).sum(axis=-1)
    found = [[t.value for t in line.columns[0].tokens] for line in lines]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert found[0][3] == 0  # masked


def test_cutting_at_ids_suggests_the_embedding(model):
    ids = jnp.asarray(IDS)
    with pytest.raises(NotDifferentiableError, match=r"Cut\('embedding'\)"):
        InputAttribution(model).attributions(ids=ids, mask=ids)


def ids_of(inputs):
    return inputs.kwargs["ids"]


@pytest.mark.parametrize("replacement", [0, range(8)])
def test_token_baselines_make_completeness_hold(model, replacement):
    _, embeddings = token_baseline({1}, replacement, ids_of, model.embedding)
    method = IntegratedGradients(model, embeddings, 60, doi_cut="embedding", qoi=1)
    result = method.explain(**tokenize(TEXTS))
    np.testing.assert_allclose(result.residual, 0, atol=1e-3)
    assert (np.asarray(result.attributions)[:, 0] == 0).all()


def test_swapped_tokens(model):
    ids, _ = token_baseline_swap([(5, 7)], ids_of, model.embedding)
    found = ids(None, ModelInputs(kwargs={"ids": jnp.asarray(IDS)}))
    assert isinstance(found, jnp.ndarray)
    assert found.tolist() == [[1, 7, 6, 0], [1, 5, 2, 2]]

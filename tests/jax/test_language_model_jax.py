"""The language model that is trained on JAX: what decides is found without a tokenizer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import TokenQoI, explain_segments, get_model_wrapper, patch_attributions
from trulens_core.testing.reports import VOCABULARY, report, token_ids
from trulens_core.text.reading import read_prompts
from trulens_jax.testing import trained_language_model

TOLD = report()
LAYERS = ["tokens", "blocks.0", "blocks.1"]
NINE, TEN = (VOCABULARY.index(word) for word in (TOLD.answer, TOLD.other))
SWAPPED = {"official": "rumour", "rumour": "official"}
CLEAN = np.array(token_ids(TOLD.text))
CORRUPTED = np.array(token_ids(" ".join(SWAPPED.get(w, w) for w in TOLD.text.split())))


@pytest.fixture(scope="module")
def trained():
    model = trained_language_model()
    return model, get_model_wrapper(model)


def test_it_has_learned_what_to_believe(trained):
    texts = [report(rumour=t, swapped=s).text for t in ("ten", "six") for s in (False, True)]
    ids = np.array([token_ids(text) for text in texts])
    assert (np.asarray(trained[0](ids))[:, -1].argmax(-1) == NINE).all()


def test_patching_is_the_step_times_the_gradient(trained):
    model, wrapper = trained
    found = patch_attributions(
        wrapper, None, CLEAN, CORRUPTED, ("contrast", NINE, TEN), layers=LAYERS, embeddings="tokens"
    )

    def after(values):
        """From the sum of both embeddings on, as the model itself computes it."""
        for block in model.blocks:
            values = block(values)
        scores = model.head(model.norm(values))[0, -1]
        return scores[NINE] - scores[TEN]

    places = model.places(jnp.arange(len(CLEAN)))
    a, b = (model.tokens(ids[None]) for ids in (CLEAN, CORRUPTED))
    expected = ((a - b) * jax.jit(jax.grad(after))(a + places)).sum(-1)[0]
    np.testing.assert_allclose(found.attributions[0], expected, rtol=0, atol=1e-4)
    assert abs(found.quantity - float(after(a + places))) < 1e-4


def test_points_come_near_to_exact_patching(trained):
    def patched(path):
        return patch_attributions(
            *(trained[1], None, CLEAN, CORRUPTED, TokenQoI(NINE, quantity="contrast", against=TEN)),
            layers=LAYERS,
            embeddings="tokens",
            path=path,
        )

    exact, near = patched("exact"), patched(10)
    assert np.corrcoef(exact.attributions.ravel(), near.attributions.ravel())[0, 1] > 0.9
    last = exact.attributions[-1]
    assert abs(last[-1]) > 0.99 * np.abs(last).sum()


def test_the_words_that_decide(trained):
    offsets = read_prompts(CLEAN).texts[0].offsets
    words = [offsets[i + 1] for i in range(TOLD.text.split().index("so"))]
    found = explain_segments(
        *(trained[1], None, CLEAN, np.array([NINE])), segments=words, embeddings="tokens"
    )
    assert found.removed_by == "shorter texts, filled up at the end"
    assert found.share(TOLD.decides) >= 0.8

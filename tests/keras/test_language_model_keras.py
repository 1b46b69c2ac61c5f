"""The language model that is trained with Keras: what decides is found without a tokenizer."""

import numpy as np
import pytest

from trulens_core import TokenQoI, explain_segments, get_model_wrapper, patch_attributions
from trulens_core.testing.reports import VOCABULARY, report, token_ids
from trulens_core.text.reading import read_prompts
from trulens_keras.testing import trained_language_model

TOLD = report()
LAYERS = ["tokens", "block_0", "block_1"]
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
    assert (trained[0].predict(ids, verbose=0)[:, -1].argmax(-1) == NINE).all()


def test_points_come_near_to_exact_patching(trained):
    def patched(path):
        return patch_attributions(
            *(trained[1], None, CLEAN, CORRUPTED, TokenQoI(NINE, quantity="contrast", against=TEN)),
            layers=LAYERS,
            embeddings="tokens",
            path=path,
        )

    exact = patched("exact")
    one, ten = (
        np.corrcoef(exact.attributions.ravel(), patched(n).attributions.ravel())[0, 1]
        for n in (1, 10)
    )
    assert ten > max(one, 0.75)  # what is learned differs between frameworks
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

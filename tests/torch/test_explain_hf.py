"""`explain` on a text classifier of Hugging Face: padding, tokens, names of classes."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from trulens_core import IntegratedGradients, PredictedClassQoI, explain

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "film", "un", "##like", "##ly", "good"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    vocabulary = tmp_path_factory.mktemp("words") / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            id2label={0: "bad", 1: "good"},
        )
        model = BertForSequenceClassification(config).eval()
    return model, BertTokenizer(str(vocabulary))


def test_texts_are_explained_token_by_token(classifier):
    model, tokenizer = classifier
    texts = ["a film unlikely good", "good film"]
    found = explain(model, texts, tokenizer=tokenizer, resolution=8)
    assert found.names["tokens"][0] == [
        *["[CLS]", "a", "film", "un", "##like", "##ly", "good", "[SEP]"]
    ]
    assert found.names["tokens"][1][-4:] == ["[PAD]"] * 4
    assert found.names["classes"] == ["bad", "good"]
    assert (
        found.target.tolist()
        == model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.argmax(1).tolist()
    )
    assert (found.attributions[1, -4:] == 0).all()
    method = IntegratedGradients(
        model, qoi=PredictedClassQoI(), doi_cut="bert.embeddings.word_embeddings", resolution=8
    )
    batch = tokenizer(texts, padding=True, return_tensors="np")
    ours = method.attributions(**batch).sum(-1)
    np.testing.assert_allclose(found.attributions, ours, rtol=1e-4, atol=1e-6)
    shown = repr(found.plot(words=True, hidden_tokens=["[PAD]", "[CLS]", "[SEP]"]))
    assert "unlikely(" in shown
    assert "[PAD]" not in shown

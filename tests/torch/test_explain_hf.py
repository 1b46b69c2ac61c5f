"""`explain` on a text classifier of Hugging Face: padding, tokens, names of classes."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizer,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    pipeline,
)

from trulens_core import IntegratedGradients, PredictedClassQoI, explain

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "film", "un", "##like", "##ly", "good"]

SMALL = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    vocabulary = tmp_path_factory.mktemp("words") / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(WORDS), num_hidden_layers=1, id2label={0: "bad", 1: "good"}, **SMALL
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


def test_a_pipeline_holds_its_tokenizer(classifier):
    model, tokenizer = classifier
    texts = ["a film unlikely good", "good film"]
    pipe = pipeline("text-classification", model=model, tokenizer=tokenizer)
    found = explain(pipe, texts, resolution=4)
    assert found == explain(model, texts, tokenizer=tokenizer, resolution=4)
    assert [pipe(t)[0]["label"] for t in texts] == [
        found.names["classes"][c] for c in found.target.tolist()
    ]


def test_tokens_are_classified_without_padding(classifier):
    """A text gives the same alone and beside a longer one: what pads it is no token of it."""
    _, tokenizer = classifier
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(vocab_size=len(WORDS), num_hidden_layers=1, num_labels=3, **SMALL)
        model = BertForTokenClassification(config).eval()
    pipe = pipeline("token-classification", model=model, tokenizer=tokenizer)
    texts = ["a film unlikely good", "good film"]
    found = explain(pipe, texts, resolution=4)
    assert "of the classes predicted for its tokens" in found.method["why"]
    assert found.attributions.shape == (2, 8)
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        best = model(**batch).logits.max(-1).values.numpy()
    own = np.isin(batch["input_ids"].numpy(), [0, 2, 3], invert=True)
    np.testing.assert_allclose(found.quantity, (best * own).sum(1), rtol=1e-5)
    alone = explain(pipe, texts[1], resolution=4)
    np.testing.assert_allclose(found.attributions[1, :4], alone.attributions[0], atol=1e-6)


def test_images_go_in_as_the_pipeline_takes_them(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = ViTConfig(
            num_hidden_layers=1, image_size=32, patch_size=8, id2label={0: "cat", 1: "dog"}, **SMALL
        )
        model = ViTForImageClassification(config).eval()
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    pipe = pipeline("image-classification", model=model, image_processor=processor)
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "x.png")
    found = explain(pipe, [image, str(tmp_path / "x.png"), pixels], resolution=4)
    assert found.attributions.shape == (3, 3, 32, 32)
    np.testing.assert_allclose(found.attributions[1], found.attributions[0])
    np.testing.assert_allclose(found.attributions[2], found.attributions[0])
    assert found.names["classes"][found.target[0]] == pipe(image)[0]["label"]
    expected = IntegratedGradients(model, qoi="predicted", resolution=4)
    ours = expected.attributions(processor(image, return_tensors="np")["pixel_values"])
    np.testing.assert_allclose(found.attributions[:1], ours, atol=1e-6)
    assert len(found.plot(records=[0]).axes) == 3

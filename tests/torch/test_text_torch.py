"""The text visualizer on PyTorch, with real tokenizers of every kind made on the spot."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn

from trulens_core import InputAttribution, IntegratedGradients, LambdaQoI, ModelInputs
from trulens_core.visualizations import HTML, NLP, IPython, PlainText

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = ["It is unbelievable acting!", "A naïve film \U0001f44d"]
WORDPIECES = ["it", "is", "un", "##believ", "##able", "act", "##ing", "!", "a", "naive", "film"]


def wrapped(tokenizer):
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def wordpiece():
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *WORDPIECES])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return wrapped(tokenizer)


def trained(tokenizer, trainer):
    tokenizer.train_from_iterator([*TEXTS, "A film", "It is acting"], trainer)
    return wrapped(tokenizer)


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=280, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    return trained(tokenizer, trainer)


def sentencepiece():
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=50, special_tokens=SPECIAL, show_progress=False)
    return trained(tokenizer, trainer)


@pytest.fixture(scope="module", params=[wordpiece, byte_level, sentencepiece])
def tokenizer(request):
    return request.param()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=300,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=2,
        initializer_range=0.3,
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
        label2id={"NEGATIVE": 0, "POSITIVE": 1},
    )
    return transformers.BertForSequenceClassification(config).eval()


@pytest.fixture
def method(model):
    return InputAttribution(model, doi_cut="bert.embeddings.word_embeddings", qoi="predicted")


def visualizer(model, tokenizer, **options):
    given = {
        "output": IPython(),
        "labels": model.config.id2label,
        "tokenize": lambda texts: tokenizer(texts, padding=True, return_tensors="pt"),
        "decode": tokenizer.convert_ids_to_tokens,
        "hidden_tokens": [tokenizer.pad_token_id],
    }
    return NLP(model, **(given | options))


def texts_of(picture):
    return [
        "".join((" " if t.spaced else "") + t.text for t in line.columns[0].tokens)
        for line in picture.lines
    ]


@pytest.mark.parametrize("words", [False, True])
def test_texts_read_as_they_were_written(model, method, words):
    for make in (byte_level, sentencepiece):
        show = visualizer(model, make(), words=words)
        found = texts_of(show.token_attribution(TEXTS[:1], method))
        assert found == TEXTS[:1]


def test_bytes_read_as_characters_when_words_are_whole(model, method):
    show = visualizer(model, byte_level(), words=True)
    assert texts_of(show.token_attribution(TEXTS, method)) == TEXTS


def test_wordpieces_read_as_words(model, method):
    show = visualizer(model, wordpiece())
    text = "it is unbelievable acting !"
    assert texts_of(show.token_attribution([text], method)) == [f"[CLS] {text} [SEP]"]
    hidden = visualizer(model, wordpiece(), hidden_tokens=[0, 2, 3], words=True)
    (line,) = hidden.token_attribution([text], method).lines
    assert [t.text for t in line.columns[0].tokens] == text.split()


def test_numbers_are_those_of_the_method(model, method, tokenizer):
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    expected = method.attributions(**batch).sum(dim=-1)
    picture = visualizer(model, tokenizer).token_attribution(TEXTS, method)
    for line, row, mask in zip(picture.lines, expected, batch["attention_mask"], strict=True):
        shown = torch.tensor([t.value for t in line.columns[0].tokens])
        torch.testing.assert_close(shown, row[mask.bool()])
        assert line.columns[0].hidden == 0  # of padding, exactly


def test_labels_are_those_predicted(model, method, tokenizer):
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        predicted = model(**batch).logits.argmax(dim=-1)
    picture = visualizer(model, tokenizer).token_attribution(TEXTS, method)
    assert [x.label for x in picture.lines] == [model.config.id2label[int(i)] for i in predicted]


def test_accessors_of_the_old_notebooks_work(model, method, tokenizer):
    expected = visualizer(model, tokenizer, output=HTML()).token_attribution(TEXTS, method)
    old = visualizer(
        model,
        tokenizer,
        output=HTML(),
        tokenize=lambda texts: ModelInputs(
            kwargs=tokenizer(texts, padding=True, return_tensors="pt")
        ),
        input_accessor=lambda inputs: inputs.kwargs["input_ids"],
        output_accessor=lambda output: output["logits"],
        attr_aggregate=torch.sum,
    )
    assert old.token_attribution(TEXTS, method) == expected


def test_classes_stand_side_by_side(model, tokenizer):
    every = IntegratedGradients(
        model, resolution=5, doi_cut="bert.embeddings.word_embeddings", qoi=LambdaQoI(lambda y: y)
    )
    picture = visualizer(model, tokenizer).token_attribution(TEXTS, every)
    assert [[c.name for c in x.columns] for x in picture.lines] == [["NEGATIVE", "POSITIVE"]] * 2
    shown = visualizer(model, tokenizer, output=PlainText(False)).token_attribution(TEXTS, every)
    assert shown.count("/ POSITIVE: ") == 2


def test_attributions_that_need_gradients_off_are_detached(model, method, tokenizer):
    seen = []
    show = visualizer(model, tokenizer, attr_aggregate=lambda t: (seen.append(t), t.norm())[1])
    show.token_attribution(TEXTS[:1], method)
    assert seen[0].shape == (16,)
    assert not seen[0].requires_grad


def test_a_model_with_one_score_shows_it():
    torch.manual_seed(0)

    class Score(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(9, 4), nn.Linear(4, 1)

        def forward(self, ids):
            return self.head(self.embedding(ids).mean(dim=1))

    model = Score()
    show = NLP(model, PlainText(False))
    ids = torch.tensor([[1, 2, 3]])
    shown = show.token_attribution(ids, InputAttribution(model, doi_cut="embedding", qoi=0))
    assert shown.startswith(f"{model(ids).item():.3g}: [1](")

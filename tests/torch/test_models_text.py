"""Models of texts as people have them, beside plain autograd: see `asked.py`."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import runpy
from pathlib import Path

import torch
import transformers
from torch import nn

from trulens_core import Cut, OutputCut

ASKED = runpy.run_path(str(Path(__file__).with_name("asked.py")))  # tests are no package
Asked, each, randn, ids = (ASKED[n] for n in ("Asked", "each", "randn", "ids"))
SIZES = {
    "vocab_size": 20,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 12,
    "initializer_range": 0.2,
}
STACKS = {
    "vocab_size": 20,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "init_std": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
IDS, MORE = ids(3, 5), ids(3, 4, seed=1)
MASK = torch.tensor([[1] * 5, [1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])


def of(kind, config, **options):
    """Makes a transformer of a small configuration."""
    return lambda: getattr(transformers, kind)(getattr(transformers, config)(**options))


def siamese():
    """Two texts through one BERT; the score is the similarity of their mean states."""
    bert = transformers.BertModel(transformers.BertConfig(**SIZES))

    def similarity(first, second):
        a, b = (bert(i).last_hidden_state.mean(1) for i in (first, second))
        return nn.functional.cosine_similarity(a, b)

    return similarity, bert


class Documents(nn.Module):
    """Words to sentences to documents: the sentences of all documents are rows of a GRU."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 6)
        self.sentence = nn.GRU(6, 5, batch_first=True)
        self.document = nn.GRU(5, 4, batch_first=True)
        self.scores = nn.Linear(4, 3)

    def forward(self, texts):  # documents, sentences, words
        _, h = self.sentence(self.words(texts.flatten(0, 1)))
        _, d = self.document(h[0].unflatten(0, texts.shape[:2]))
        return self.scores(d[0])


class Translator(nn.Module):
    """An LSTM with attention over the source, and a state handed from step to step."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(20, 6), nn.Embedding(20, 6)
        self.encoder = nn.LSTM(6, 5, batch_first=True)
        self.cell, self.scores = nn.LSTMCell(11, 5), nn.Linear(5, 20)

    def forward(self, source, target):
        keys, (h, c) = self.encoder(self.source(source))
        h, c, found = h[0], c[0], []
        for word in self.target(target).unbind(1):
            weights = (keys @ h[..., None]).softmax(1)
            h, c = self.cell(torch.cat([word, (weights * keys).sum(1)], -1), (h, c))
            found.append(self.scores(h))
        return torch.stack(found, 1)


class Tagger(nn.Module):
    """Words and their characters, two LSTMs; a tag for each word."""

    def __init__(self):
        super().__init__()
        self.words, self.letters = nn.Embedding(20, 6), nn.Embedding(20, 4)
        self.spelling = nn.LSTM(4, 3, batch_first=True, bidirectional=True)
        self.both = nn.LSTM(12, 5, batch_first=True, dropout=0.5, num_layers=2)
        self.tags = nn.Linear(5, 4)

    def forward(self, words, letters):
        _, (h, _) = self.spelling(self.letters(letters.flatten(0, 1)))
        spelt = h.permute(1, 0, 2).flatten(1).unflatten(0, words.shape)
        return self.tags(self.both(torch.cat([self.words(words), spelt], -1))[0])


class Bag(nn.Module):
    """fastText: the mean of word vectors and a linear classifier."""

    def __init__(self):
        super().__init__()
        self.bag, self.scores = nn.EmbeddingBag(20, 6), nn.Linear(6, 3)

    def forward(self, words):
        return self.scores(self.bag(words))


T5 = {
    "vocab_size": 20,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 1,
    "num_heads": 2,
    "pad_token_id": 0,
}
MAMBA = {
    "vocab_size": 20,
    "hidden_size": 16,
    "state_size": 4,
    "num_hidden_layers": 2,
    "conv_kernel": 3,
}
MOE = {**SIZES, "num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 2}
MOE["experts_implementation"] = "eager"  # the fused ones have no float64
LAST = Asked(
    None, (IDS,), qoi=lambda y: y[:, -1, 7], score=lambda y: y.logits[0, -1, 7]
)  # the score of token 7 after the last


def causal(kind, config, at, quick=False, **options):
    return Asked(
        of(kind, config, **options),
        (IDS,),
        LAST.qoi,
        LAST.score,
        cut=Cut(at),
        layer=at,
        quick=quick,
    )


def classifier(kind, config, at, quick=False, **options):
    return Asked(
        of(kind, config, num_labels=3, **options),
        (IDS, MASK),
        1,
        lambda y: y.logits[0, 1],
        cut=Cut(at),
        layer=at,
        quick=quick,
    )


def two_stacks(kind, config, at, **options):
    return Asked(
        of(kind, config, **options),
        kwargs={"input_ids": IDS, "attention_mask": MASK, "decoder_input_ids": MORE},
        qoi=lambda y: y[:, 1, 7],
        score=lambda y: y.logits[0, 1, 7],
        cut=Cut(at),
        layer=at,
    )


CHOICES = Asked(
    of("BertForMultipleChoice", "BertConfig", **SIZES),
    (ids(3, 4, 5), torch.ones(3, 4, 5, dtype=torch.long)),
    2,
    lambda y: y.logits[0, 2],
    cut=Cut("bert.embeddings", rows_per_record="auto"),
    layer="bert.embeddings",
)

TABLE = {
    "siamese BERT, first text": Asked(
        siamese,
        (IDS, MORE),
        qoi=lambda y: y,
        score=lambda y: y[0],
        cut=Cut("embeddings", call=0),
        layer="embeddings",
        quick=True,
    ),
    "siamese BERT, second text": Asked(
        siamese,
        (IDS, MORE),
        qoi=lambda y: y,
        score=lambda y: y[0],
        cut=Cut("embeddings", call=1),
        layer="embeddings",
        call=1,
    ),
    "T5, source": two_stacks("T5ForConditionalGeneration", "T5Config", "encoder.block.0", **T5),
    "T5, target": two_stacks("T5ForConditionalGeneration", "T5Config", "decoder.block.0", **T5),
    "BART": two_stacks(
        "BartForConditionalGeneration", "BartConfig", "model.encoder.layernorm_embedding", **STACKS
    ),
    "Marian": two_stacks(
        "MarianMTModel", "MarianConfig", "model.encoder.layers.0", max_position_embeddings=12,
        **STACKS,
    ),
    "Mamba": causal("MambaForCausalLM", "MambaConfig", "backbone.embeddings", **MAMBA),
    "Mixtral": causal("MixtralForCausalLM", "MixtralConfig", "model.embed_tokens", **MOE),
    "Llama": causal(
        "LlamaForCausalLM", "LlamaConfig", "model.embed_tokens", num_key_value_heads=1, **SIZES
    ),
    "Gemma": causal(
        "GemmaForCausalLM", "GemmaConfig", "model.layers.0", num_key_value_heads=1, head_dim=8,
        **SIZES,
    ),
    "DeBERTa": classifier(
        "DebertaV2ForSequenceClassification", "DebertaV2Config", "deberta.embeddings",
        relative_attention=True, pos_att_type=["p2c", "c2p"], **SIZES,
    ),
    "ELECTRA": classifier(
        "ElectraForSequenceClassification", "ElectraConfig", "electra.encoder.layer.0", **SIZES
    ),
    "multiple choice": CHOICES,
    "question answering, start": Asked(
        of("BertForQuestionAnswering", "BertConfig", **SIZES),
        (IDS, MASK),
        to=OutputCut("start_logits"),
        qoi=2,
        score=lambda y: y.start_logits[0, 2],
        cut=Cut("bert.embeddings"),
        layer="bert.embeddings",
    ),
    "embeddings given": Asked(
        of("BertForSequenceClassification", "BertConfig", num_labels=3, **SIZES),
        kwargs={"inputs_embeds": randn(3, 5, 16), "attention_mask": MASK},
        score=lambda y: y.logits[0, 1],
    ),
    "documents, sentences as rows": Asked(
        Documents,
        (ids(3, 4, 5),),
        cut=Cut("words", rows_per_record=4),
        layer="words",
        quick=True,
    ),
    "translator": Asked(
        Translator,
        (IDS, MORE),
        qoi=lambda y: y[:, 2, 7],
        score=lambda y: y[0, 2, 7],
        cut=Cut("source"),
        layer="source",
    ),
    "translator, third step of the cell": Asked(
        Translator,
        (IDS, MORE),
        qoi=lambda y: y[:, 3, 7],
        score=lambda y: y[0, 3, 7],
        cut=Cut("cell", call=2),
        layer="cell",
        call=2,
    ),
    "tagger, letters": Asked(
        Tagger,
        (IDS, ids(3, 5, 4)),
        qoi=lambda y: y[:, 1, 2],
        score=lambda y: y[0, 1, 2],
        cut=Cut("letters", rows_per_record="auto"),
        layer="letters",
    ),
    "bag of words": Asked(Bag, (IDS,), cut=Cut("bag"), layer="bag", quick=True),
}  # fmt: skip


@each(TABLE)
def test_models_of_texts(asked):
    ASKED["agrees"](asked)

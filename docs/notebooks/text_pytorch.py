# %% [markdown]
# # Texts, on PyTorch
#
# A small transformer of Hugging Face's library, a BERT, tells good reviews of films from bad
# ones. Two questions are asked of it: which words made it say so, and why is it wrong where it is?
# The second one finds something out that its accuracy does not say.
#
# **The reviews are made, not found**: `trulens_core.testing.reviews` puts them together from short
# clauses. Real ones would have to be downloaded, and nobody could say which of their words should
# decide; here that is known. The model has the architecture of the real one, but is tiny and is
# trained here, in seconds; nothing is downloaded. With one from `from_pretrained` all that follows
# is the same.

# %%
from trulens_core.testing.reviews import LABELS, reviews


def short_reviews(n, seed):
    """Those of up to 13 words: a network learns them in seconds."""
    texts, labels = reviews(n, seed)
    short = [i for i, text in enumerate(texts) if len(text.split()) <= 13]
    return [texts[i] for i in short], labels[short]


texts, labels = short_reviews(6000, seed=0)
for text, label in list(zip(texts, labels))[:4]:
    print(f"{LABELS[label]}: {text}")

# %% [markdown]
# A tokenizer cuts some words into pieces, as real ones do: `moving` is `mov` and `##ing`.

# %%
import os

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is fetched

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

words = sorted({word for text in texts for word in text.split()})
endings = [
    word for word in words if word.endswith(("ing", "ful")) and len(word) > 4
]
pieces = (
    {*words} - {*endings} | {word[:-3] for word in endings} | {"##ing", "##ful"}
)
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
vocabulary = {piece: i for i, piece in enumerate([*special, *sorted(pieces)])}

tokens = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
tokens.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
tokens.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
tokenizer = transformers.PreTrainedTokenizerFast(
    tokenizer_object=tokens,
    pad_token="[PAD]",
    unk_token="[UNK]",
    cls_token="[CLS]",
    sep_token="[SEP]",
    mask_token="[MASK]",
    model_input_names=["input_ids", "attention_mask"],
)
tokenizer.convert_ids_to_tokens(tokenizer("the film was moving")["input_ids"])

# %%
torch.manual_seed(0)
torch.set_num_threads(1)
config = transformers.BertConfig(
    vocab_size=len(vocabulary),
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=1,
    num_attention_heads=4,
    max_position_embeddings=64,
    hidden_dropout_prob=0.0,
    id2label=dict(enumerate(LABELS)),
    label2id={name: i for i, name in enumerate(LABELS)},
)
model = transformers.BertForSequenceClassification(config)

targets = torch.tensor(labels)
batch = tokenizer(texts, padding=True, return_tensors="pt")
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for _ in range(3):
    for rows in torch.randperm(len(texts)).split(32):
        optimizer.zero_grad()
        model(
            **{k: v[rows] for k, v in batch.items()}, labels=targets[rows]
        ).loss.backward()
        optimizer.step()
_ = model.eval()
# %% [markdown]
# ## Which words made it say so?
#
# The wrapper takes the model as it is. What the tokenizer returns is what the model is called with:
# keyword arguments, the attention mask among them, and of the output its `logits` are found.

# %%
from trulens_core import (
    InputAttribution,
    NotDifferentiableError,
    get_model_wrapper,
)

wrapper = get_model_wrapper(model)
shown, _ = short_reviews(12, seed=11)
inputs = tokenizer(shown, padding=True, return_tensors="pt")
wrapper(**inputs)

# %% [markdown]
# Token ids are numbers without a gradient. Who cuts there is told where to cut instead:

# %%
try:
    InputAttribution(wrapper).attributions(**inputs)
except NotDifferentiableError as error:
    print(error)

# %% [markdown]
# So the cut is at the word embeddings: `doi_cut` is where the explained part of the network
# begins. The *baseline* of a text says what counts as no word at all. Zeros are no word that the
# network has ever seen. A text in which every word is `[PAD]` or `[MASK]` is a better one, if the
# network has been trained on those; this one has not, and so each word is compared with the mean
# of all words. `token_baseline` makes either; `[CLS]` and `[SEP]` stay as they are.
#
# Behind the LayerNorm, at `bert.embeddings`, zeros would be worse still: what follows normalises
# again, and cannot tell a vector from a tenth of it. `explain` warns where completeness fails.

# %%
from trulens_core import ComparativeQoI, IntegratedGradients
from trulens_core.text import token_baseline

EMBEDDINGS = "bert.embeddings.word_embeddings"
_, baseline = token_baseline(
    keep_tokens=[tokenizer.cls_token_id, tokenizer.sep_token_id],
    replacement_token=range(5, len(vocabulary)),  # one id: that token
    input_accessor=lambda inputs: inputs.kwargs["input_ids"],
    ids_to_embeddings=model.get_submodule(EMBEDDINGS),
)
method = IntegratedGradients(
    wrapper,
    baseline,
    tolerance=0.01,
    doi_cut=EMBEDDINGS,
    qoi=ComparativeQoI(1, 0),
)
result = method.explain(**inputs)
print(
    "attributions:",
    tuple(result.attributions.shape),
    "records, tokens, embedding",
)
missing, score = result.residual.abs().max(), result.quantity.abs().max()
print(f"what they miss of the score: {missing:.2g} at most, of {score:.2g}")

# %% [markdown]
# `NLP` shows it as text: per token the sum over its embedding.

# %%
from trulens_core.visualizations import NLP, PlainText

show = NLP(
    wrapper,
    labels=model.config.id2label,
    tokenize=lambda texts: tokenizer(texts, padding=True, return_tensors="pt"),
    decode=tokenizer.convert_ids_to_tokens,
    hidden_tokens=[tokenizer.pad_token_id],
)
show.token_attribution(shown, method)

# %% [markdown]
# **How to read it.** In front is the predicted label. Orange words, underlined, raised what was
# asked for, here the score of *positive* over *negative*; blue ones, with a dashed line, lowered
# it. Each text has its own scale: full colour is the number behind it, and pointing at a word shows
# its own. Padding is hidden, and its attribution is exactly zero, as the attention mask says.
#
# Pieces of a word stand together, each with its own share. Put together, with the sum of their
# shares, and without `[CLS]` and `[SEP]`:

# %%
import dataclasses

show = dataclasses.replace(
    show, words=True, hidden_tokens=tokenizer.all_special_ids
)
show.token_attribution(shown, method)

# %% [markdown]
# Behind each text it is told how much the hidden tokens have: it is small, or there would be
# something to ask. Several classes, or several methods, stand side by side under one scale:

# %%
by_class = {
    name: IntegratedGradients(
        wrapper, baseline, tolerance=0.01, doi_cut=EMBEDDINGS, qoi=i
    )
    for i, name in enumerate(LABELS)
}
show.token_attribution(shown[:2], by_class)

# %% [markdown]
# In a terminal it is the same in the terminal's colours, and without colours the numbers are
# written out:

# %%
print(
    dataclasses.replace(show, output=PlainText(color=False)).token_attribution(
        shown[:1], method
    )
)

# %% [markdown]
# ## Why is it wrong where it is?
#
# How often is it right? And of which reviews?

# %%
new, new_labels = short_reviews(1200, seed=1)
said = wrapper(**tokenizer(new, padding=True, return_tensors="pt")).argmax(1)
right = said == torch.tensor(new_labels)
negated = torch.tensor([bool({"not", "never"} & {*text.split()}) for text in new])
print(f"all reviews: {right.float().mean():.0%}")
print(f"with 'not' or 'never': {right[negated].float().mean():.0%}")
print(f"without: {right[~negated].float().mean():.0%}")

# %% [markdown]
# The first number alone looks like a network that should be trained on more reviews. Ask it what
# the negation itself adds, in texts that differ in one word:

# %%
import numpy as np

from trulens_core import AttributionResult

adjectives = ("good", "great", "superb", "bad", "dull", "weak")
found = []
for negation in ("not", "never"):
    given = [f"the film was {negation} {adjective}" for adjective in adjectives]
    tokens = method.attributions(**tokenizer(given, return_tensors="pt")).sum(-1)
    found.append(tokens[:, 4].tolist())  # [CLS] the film was NOT good [SEP]

phrases = [f"{n} {a}" for n in ("not", "never") for a in adjectives]
added = AttributionResult(np.ravel(found)[None]).named(features=phrases)
added.plot(most=12)

# %% [markdown]
# **How to read it.** Bars are what the negation adds to the score of *positive* over *negative*. It
# has no meaning of its own: before a good word it should lower the score, before a bad one raise
# it. Here it does not do both: it has about the same colour, whatever follows it. The network has learned words, and not what they do to each other. More reviews of the
# same kind will not do: it needs longer training, or more layers. [The network of the Keras notebook](text_keras.ipynb) has
# learned it.

# %% tags=["check"]
without = right[~negated].float().mean()
assert without > 0.9
assert right[negated].float().mean() < without - 0.2
before_good, before_bad = torch.tensor(found)[:, :3], torch.tensor(found)[:, 3:]
assert (
    before_good.max() > -1 or before_bad.min() < 1
)  # not learned, on any processor
assert missing < 0.05 * score

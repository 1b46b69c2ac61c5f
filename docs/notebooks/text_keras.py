# %% [markdown]
# # Texts, on Keras with TensorFlow
#
# A small convolutional network tells good reviews of films from bad ones. Three questions are asked
# of it: which words made it say so, what it makes of "not good", and what its filters look for.
#
# **The reviews are made, not found**: `trulens_core.testing.reviews` puts them together from short
# clauses. Real ones would have to be downloaded, and nobody could say which of their words should
# decide; here that is known. The network is trained here, in seconds; nothing is downloaded.

# %%
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from keras import layers, ops

from trulens_core.testing.reviews import LABELS, reviews

texts, labels = reviews(2000)
for text, label in list(zip(texts, labels))[:3]:
    print(f"{LABELS[label]}: {text}")

# %% [markdown]
# The words become numbers by a layer of Keras. The network sees three words at a time, and adds up
# what it found.

# %%
LENGTH = 32
vectorize = layers.TextVectorization(
    output_sequence_length=LENGTH, standardize=None
)
vectorize.adapt(texts)
vocabulary = vectorize.get_vocabulary()

keras.utils.set_random_seed(0)
ids = keras.Input((LENGTH,), dtype="int32", name="ids")
words = layers.Embedding(len(vocabulary), 16, name="embedding")(ids)
mask = ops.cast(ids > 0, "float32")[
    ..., None
]  # number 0 stands for no word at all
found = layers.Conv1D(24, 3, padding="same", activation="tanh", name="filters")(
    words * mask
)
total = ops.sum(found * mask, axis=1) / 8
model = keras.Model(ids, layers.Dense(2, name="scores")(total))

loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.AdamW(1e-2, weight_decay=0.1), loss)
numbers = np.asarray(vectorize(texts), "int32")
model.fit(numbers, labels, epochs=12, batch_size=64, verbose=0)

new, new_labels = reviews(500, seed=1)
right = (
    model.predict(np.asarray(vectorize(new), "int32"), verbose=0).argmax(1)
    == new_labels
)
print(
    f"right on {right.mean():.1%} of {len(new)} reviews that it was not trained on"
)

# %% [markdown]
# ## Which words made it say so?
#
# Numbers of words have no gradient, so the cut is at the embedding: `doi_cut` is where the
# explained part of the network begins. The *baseline* says what counts as nothing. Here it is the
# mean of all words, made by `token_baseline`: each word is compared with any word.

# %%
from trulens_core import ComparativeQoI, IntegratedGradients, get_model_wrapper
from trulens_core.text import token_baseline

wrapper = get_model_wrapper(model)
_, baseline = token_baseline(
    keep_tokens=[0],  # what is no word stays that
    replacement_token=range(2, len(vocabulary)),
    input_accessor=lambda inputs: inputs.args[0],
    ids_to_embeddings=model.get_layer("embedding"),
)
method = IntegratedGradients(
    wrapper,
    baseline,
    resolution=8,
    rule="gauss-legendre",  # tanh is smooth: some points are enough
    doi_cut="embedding",
    qoi=ComparativeQoI(1, 0),
)

# %% [markdown]
# `NLP` shows texts. It needs to know how a text becomes the model's input, and how a number becomes
# a word again.

# %%
from trulens_core.visualizations import NLP

show = NLP(
    wrapper,
    labels=LABELS,
    tokenize=lambda texts: np.asarray(vectorize(texts), "int32"),
    decode=vocabulary.__getitem__,
    hidden_tokens=[0],
)
show.token_attribution(new[:6], method)

# %% [markdown]
# **How to read it.** In front is the predicted label. Orange words, underlined, raised the score of
# *positive* over *negative*; blue ones, with a dashed line, lowered it. Each text has its own
# scale: full colour is the number behind it. That someone saw the film in the evening decides
# nothing, and should not.
#
# Since it is known which words should decide, this can be checked: how much of all attributions
# do they have?

# %%
from trulens_core.testing.reviews import BLAME, PRAISE

inputs = np.asarray(vectorize(new), "int32")
shares = np.abs(method.attributions(inputs).sum(-1))  # (records, words)
decide = np.isin(
    inputs, [vocabulary.index(w) for w in (*PRAISE, *BLAME, "not", "never")]
)
print(
    f"opinions and negations are {decide.sum() / (inputs > 0).sum():.0%} of all words,"
)
print(f"and have {shares[decide].sum() / shares.sum():.0%} of all attributions")

# %% [markdown]
# ## What does it make of "not good"?

# %%
pairs = [
    "the film was good",
    "the film was not good",
    "the film was not bad",
    "the film was bad",
]
show.token_attribution(pairs, method)

# %%
from trulens_core import AttributionResult

adjectives = ("good", "great", "superb", "bad", "dull", "weak")
table = []
for negation in ("not", "never"):
    given = [f"the film was {negation} {adjective}" for adjective in adjectives]
    each = method.attributions(np.asarray(vectorize(given), "int32")).sum(-1)
    table.append(each[:, 3])  # the film was NOT good

phrases = [f"{n} {a}" for n in ("not", "never") for a in adjectives]
added = AttributionResult(np.ravel(table)[None]).named(features=phrases)
added.plot(most=12)

# %% [markdown]
# **How to read it.** Bars are what the negation adds to the score of *positive* over *negative*. It
# has no meaning of its own: before a good word it lowers the score, before a bad one it raises it,
# and this network knows. What two words say only together is divided
# between them, so that in `not good` the word `good` is left with little of either colour.

# %% tags=["check"]
assert right.mean() > 0.95
assert shares[decide].sum() > 0.6 * shares.sum()
assert (np.array(table)[:, :3] < 0).all()
assert (np.array(table)[:, 3:] > 0).all()

# %% [markdown]
# ## What do its filters look for?
#
# A slice that begins at the filters says which of them speak for positive. The strongest is then
# made the quantity of interest itself: what it found, added up over the text, is explained.

# %%
from trulens_core import InternalInfluence, LinearDoi

inside = InternalInfluence(
    wrapper, "filters", ComparativeQoI(1, 0), LinearDoi(cut="filters")
)
filters = inside.attributions(inputs).sum(1)  # (records, filters)
praises, blames = (filters[new_labels == c].mean(0) for c in (1, 0))
best = int((praises - blames).argmax())

looks_for = IntegratedGradients(
    wrapper,
    baseline,
    8,
    rule="gauss-legendre",
    doi_cut="embedding",
    qoi_cut="filters",
    qoi=best,
)
print(f"filter {best}")
show.token_attribution(new[3:7], looks_for)

# %% [markdown]
# **How to read it.** The labels are the model's, but the colours are now of one filter: what makes
# it respond, and what silences it. A filter sees three words at a time; it is one of 24 pieces that
# the answer is put together from.

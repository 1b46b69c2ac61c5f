# %% [markdown]
# # Language models
#
# What did a language model read, when it wrote this? A small GPT-2 answers questions, once rightly
# and once wrongly, and four questions are asked of it: which words did its answer rest on, why
# this and not that, which document was it from, and where inside of it is that decided?
#
# **The texts are made, not found**: reports that contradict one another, of which the official one
# is right (`trulens_core.testing.reports`). So it is known which words should decide. The model is
# trained here, in seconds, and nothing is downloaded; with one from `from_pretrained` all that
# follows is the same.

# %%
import os
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is fetched

import numpy as np

from trulens_core import TrulensWarning, explain_generation
from trulens_core.testing.reports import TIMES, report
from trulens_torch.testing import trained_language_model

warnings.simplefilter("ignore", TrulensWarning)  # of residuals: they are shown
model, tokenizer = trained_language_model()
told = report(place="shop", official="nine", rumour="ten")
print(told.text)
print("right is:", told.answer)

# %% [markdown]
# ## What the answer rests on
#
# `explain_generation` lets the model write, and explains each token that it wrote by those before
# it. A chat is a list of messages, to which the tokenizer's template is applied; the one here puts
# a space after each.

# %%
said, _, asked = told.text.partition(" so ")
official, rumour = (f"{part.strip()} ." for part in said.split(" .")[:2])
tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
chat = [
    {"role": "user", "content": official},
    {"role": "user", "content": rumour},
    {"role": "user", "content": f"so {asked}"},
]
answer = explain_generation(
    model,
    tokenizer,
    chat,
    generate={"max_new_tokens": 1},
    method="ig",
    resolution=30,
)
answer

# %% [markdown]
# **How to read it.** Orange words, underlined, raised the log-probability of the framed token; blue
# ones, with a dashed line, lowered it. In a longer answer the mouse, or the Tab key, goes from token
# to token. What is said of the residual is how far the numbers are from adding up.
#
# Numbers of tokens add up to those of words, sentences and messages:

# %%
for message, value in zip(
    answer.by("turns").inputs_shown, answer.by("turns").attributions[0]
):
    print(f"{value:+6.2f}  {message.strip()}")

# %% [markdown]
# ## Why this and not that
#
# That an answer is likely has many reasons, most of which it shares with every other answer: that a
# time was asked for. Against another answer they are gone. The question is held, so that only the
# reports are told apart:

# %%
words = said.split()
why = explain_generation(
    model,
    tokenizer,
    told.text,
    f" {told.answer}",
    quantity=("contrast", f" {told.other}"),
    method="ig",
    resolution=30,
    attribute=[(1, 1 + len(words))],
)
why.plot()

# %%
sizes = np.abs(why.attributions[0][1 : 1 + len(words)])
deciding = sizes[list(told.decides)].sum() / sizes.sum()
print(f"the sources and the times have {deciding:.0%} of all")

# %% [markdown]
# ## A wrong answer
#
# The model has never seen a text of three reports. Among all of them, which is it most wrong of?

# %%
import itertools

import torch


def text_of(*reports):
    said = [f"{source} : the shop opens at {time} ." for source, time in reports]
    return " ".join([*said, "so the shop opens at"])


def margin(text, right):
    """By how much another answer is ahead, and which."""
    with torch.no_grad():
        ids = torch.tensor([tokenizer(text).input_ids])
        scores = model(ids).logits[0, -1]
    said = tokenizer.convert_ids_to_tokens(int(scores.argmax()))
    return float(
        scores.max() - scores[tokenizer.convert_tokens_to_ids(right)]
    ), said


asked_of = []
for times in itertools.permutations(TIMES, 3):
    for at in range(3):
        sources = ["rumour"] * 3
        sources[at] = "official"
        text = text_of(*zip(sources, times))
        asked_of.append((*margin(text, times[at]), text, times[at]))
wrong = [case for case in asked_of if case[1] != case[3]]
_, given, text, right = max(wrong)
print(
    f"{len(wrong)} of {len(asked_of)} answers are wrong. The most confident one:"
)
print(text)
print(f"it says {given}, and right is {right}")

# %%
mistake = explain_generation(
    model,
    tokenizer,
    text,
    f" {given}",
    quantity=("contrast", f" {right}"),
    method="ig",
    resolution=50,
    attribute=[(1, 1 + len(text.partition(" so ")[0].split()))],
)
mistake

# %% [markdown]
# **How to read it.** Orange is what made it say the wrong time rather than the right one. Most is
# at the two times, and some at the sources, of which one more stands here than in any text that
# the model has learned from: it knows which of *two* reports to believe.
#
# ## Which document
#
# Taking a document out needs no gradients. Each number is what the quantity loses without it:

# %%
from trulens_core import explain_segments

documents = [f"{part.strip()} ." for part in text.split(" .")[:3]]
parts = explain_segments(
    model,
    tokenizer,
    text,
    segments=documents,
    quantity=("contrast", given, right),
    method="shapley",
)
parts

# %% [markdown]
# ## Where inside
#
# Two texts that differ in their sources alone have different answers. What each layer carries of
# that difference, at each token, is the layer's value in the one run against the other:

# %%
from trulens_core import patch_attributions

swap = {"official": "rumour", "rumour": "official"}
corrupted = " ".join(swap.get(word, word) for word in told.text.split())
contrast = "contrast", told.answer, told.other
places = patch_attributions(
    model, tokenizer, told.text, corrupted, contrast, path=10
)
places

# %% [markdown]
# From below: the difference comes in at the two sources, and is written at the last token; what is
# between differs from one training to another. Point at a cell, or go there by the arrow keys: the
# text takes that layer's colours. Ten points between the two texts come nearer to what is
# measured when every place is patched than one point does:

# %%
exact, quick = (
    patch_attributions(
        model, tokenizer, told.text, corrupted, contrast, path=path
    )
    for path in ("exact", 1)
)
for name, found in (("10 points", places), ("1 point", quick)):
    pair = found.attributions.ravel(), exact.attributions.ravel()
    print(
        f"{name}: correlation with exact patching {np.corrcoef(*pair)[0, 1]:.2f}"
    )

# %%
heads = patch_attributions(
    model, tokenizer, told.text, corrupted, contrast, at="heads", path=10
)
heads.plot()

# %% [markdown]
# ## Kept
#
# Each of these is a file that opens without any framework, a page that opens in any browser, and a
# table.

# %%
import tempfile
from pathlib import Path

from trulens_core import load_result

with tempfile.TemporaryDirectory() as folder:
    mistake.save(Path(folder, "mistake.safetensors"), model)
    mistake.to_html(Path(folder, "mistake.html"))
    print(load_result(Path(folder, "mistake.safetensors")) == mistake)
places.to_frame().sort_values("attribution", ascending=False).head()

# %% [markdown]
# More in [language models](../how-to/language-models.md),
# [parts of a prompt](../how-to/prompt-segments.md) and [patching](../how-to/patching.md).

# %% tags=["check"]
assert answer.outputs.text.strip() == told.answer
assert deciding > 0.75
assert len(wrong) > 0
assert mistake.attributions.sum() > 0
assert abs(parts.residual[0]) < 1e-3
ends = exact.quantity - exact.corrupted_quantity
assert abs(exact.attributions[-1, -1] - ends) < 1e-3 * abs(ends)
near, far = (
    np.corrcoef(r.attributions.ravel(), exact.attributions.ravel())[0, 1]
    for r in (places, quick)
)
assert near > max(far, 0.8)

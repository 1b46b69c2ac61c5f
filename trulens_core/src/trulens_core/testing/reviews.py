"""Film reviews that are made, not found, so that it is known which words decide.

Real reviews would have to be downloaded, and nobody could say which of their words should decide.
These are put together from short clauses, with negations, degrees and words that say nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

PRAISE = ("good", "great", "moving", "funny", "brilliant", "charming", "superb", "clever")
BLAME = ("bad", "dull", "awful", "boring", "clumsy", "weak", "silly", "dreadful")
LABELS = ("negative", "positive")

_SUBJECTS = ("the film", "the plot", "the acting", "the music", "the ending", "it")
_NEGATIONS = ("not", "never")
_DEGREES = ("very", "really", "quite")
_ASIDES = (
    "i saw it on a rainy evening",
    "we sat in the third row",
    "my sister had two tickets",
    "the hall was half empty",
    "they made it in one summer",
)


class Reviews(NamedTuple):
    """Texts in lower case, words between spaces, and for each 0 or 1, a place in LABELS."""

    texts: list[str]
    labels: Array


def reviews(n: int, seed: int = 0) -> Reviews:
    """`n` reviews, half of them positive on average; the same ones for the same seed.

    Law: a review is positive where more of its clauses praise than blame; there is always a
    difference. "not good" blames and "not bad" praises; degrees and asides decide nothing.

    Args:
        n: how many.
        seed: which ones.

    Returns:
        `Reviews`: the texts, and their labels, (n,) ints.

    Example:
        >>> texts, labels = reviews(2, seed=15)
        >>> for text, label in zip(texts, labels):
        ...     print(f"{LABELS[label]}: {text}")
        negative: the hall was half empty and the music was quite weak
        positive: the ending was good and it was not clumsy and the plot was good
    """
    rng = np.random.default_rng(seed)
    found = [_review(rng) for _ in range(n)]
    return Reviews([text for text, _ in found], np.array([label for _, label in found], "int64"))


def _review(rng: np.random.Generator) -> tuple[str, int]:
    while True:
        subjects = rng.permutation(_SUBJECTS)[: rng.integers(1, 5)]
        signs = rng.choice((-1, 1), size=len(subjects))
        if signs.sum():
            break
    opinions = [_opinion(s, sign, rng) for s, sign in zip(subjects, signs, strict=True)]
    text = opinions[0]
    for opinion, before, sign in zip(opinions[1:], signs, signs[1:], strict=False):
        text += f" {'and' if sign == before else 'but'} {opinion}"
    if rng.random() < 0.5:
        text = f"{_one_of(_ASIDES, rng)} and {text}"
    return text, int(signs.sum() > 0)


def _opinion(subject: str, sign: int, rng: np.random.Generator) -> str:
    negated = rng.random() < 0.3
    words = [subject, "was"]
    if negated:
        words.append(_one_of(_NEGATIONS, rng))
    if rng.random() < 0.3:
        words.append(_one_of(_DEGREES, rng))
    return " ".join([*words, _one_of(PRAISE if (sign > 0) != negated else BLAME, rng)])


def _one_of(choices: tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[rng.integers(len(choices))]

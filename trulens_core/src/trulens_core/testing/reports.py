"""Reports that contradict one another, made so that it is known which words decide what follows.

A language model that has learned them looks at the source of each report and believes the
official one: two steps, of which the second reads what the first has found. It can be trained in
seconds, and its explanations can be judged: the words that decide are given with each text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

PAD, START = "<pad>", "<s>"
SOURCES = ("official", "rumour")
TIMES = ("six", "seven", "eight", "nine", "ten", "noon")
PLACES = ("shop", "museum", "library")
VOCABULARY = (
    PAD,
    START,
    *SOURCES,
    *TIMES,
    *PLACES,
    *[":", "the", "opens", "at", "today", ".", "so"],
)
"""All tokens; the id of a word is its place here."""

_IDS = {word: i for i, word in enumerate(VOCABULARY)}


class Report(NamedTuple):
    """A text, what follows it, and which of its words decide that.

    Attributes:
        text: words between spaces, `START` not among them: two reports, and a question.
        answer: the time that the official report gives.
        other: the time that the rumour gives.
        decides: the places of the words of the text that decide: both sources, both times.
    """

    text: str
    answer: str
    other: str
    decides: tuple[int, ...]


def report(
    place: str = "shop", official: str = "nine", rumour: str = "ten", swapped: bool = False
) -> Report:
    """One text in full.

    Args:
        place: what opens, of `PLACES`.
        official: the time by the official report, of `TIMES`.
        rumour: the other time.
        swapped: whether the rumour comes first.

    Returns:
        A `Report`.

    Example:
        >>> text, answer, other, decides = report()
        >>> text
        'official : the shop opens at nine . rumour : the shop opens at ten . so the shop opens at'
        >>> answer, [text.split()[i] for i in decides]
        ('nine', ['official', 'nine', 'rumour', 'ten'])
    """
    said = [
        [s, ":", "the", place, "opens", "at", t, "."]
        for s, t in zip(SOURCES, (official, rumour), strict=True)
    ]
    first, second = said[::-1] if swapped else said
    words = [*first, *second, "so", "the", place, "opens", "at"]
    return _judged(words, official, rumour)


def reports(n: int, seed: int = 0) -> list[Report]:
    """`n` texts; the same ones for the same seed.

    Law: what follows is the time of the official report. Words that decide nothing are left out
    here and there, so that a network learns not to count them.

    Args:
        n: how many.
        seed: which ones.

    Returns:
        A list of `Report`.

    Example:
        >>> found = reports(1, seed=3)[0]
        >>> found.text.partition(" rumour")[0]
        'official : the library opens at noon .'
        >>> found.answer
        'noon'
    """
    rng = np.random.default_rng(seed)
    return [_drawn(rng) for _ in range(n)]


def token_ids(text: str) -> list[int]:
    """The ids of a text's tokens, `START` before them.

    Args:
        text: words of `VOCABULARY` between spaces.

    Raises:
        KeyError: for another word.

    Example:
        >>> token_ids("official : the shop")
        [1, 2, 13, 14, 10]
    """
    return [_IDS[START], *(_IDS[word] for word in text.split())]


class Batch(NamedTuple):
    """Texts to learn from: token ids, (n, steps), padded at the end, and what is learned.

    Attributes:
        ids: the tokens, the answer last.
        weights: how much the step to each token counts, (n, steps); 0 for padding and the first.
    """

    ids: Array
    weights: Array


def answers(words: Sequence[str]) -> tuple[str, ...]:
    """What may follow the words of a text, of which some may be missing: one time, or several.

    Law: the time that follows "official", before another source, is believed. Where there is none,
    each of the times that are told may follow, and where none is told, any.

    Args:
        words: of the text, the question among them or not.

    Returns:
        Times, each as likely as the others.

    Example:
        >>> answers("rumour : ten . official : nine . so".split())
        ('nine',)
        >>> answers("rumour : ten . : nine . so".split())
        ('ten', 'nine')
    """
    source, told = "", []
    for word in words:
        if word in SOURCES:
            source = word
        elif word in TIMES:
            if source == SOURCES[0]:
                return (word,)
            told.append(word)
    return tuple(told) or TIMES


def batch(n: int, rng: np.random.Generator, steps: int = 26) -> Batch:
    """Texts to learn from, all of one length.

    From every second one words are taken away, so that a network learns what to make of that:
    what `answers` says.

    Args:
        n: how many.
        rng: what they are drawn with.
        steps: how many tokens each has, with padding; at least 26.

    Returns:
        A `Batch`.

    Example:
        >>> ids, weights = batch(4, np.random.default_rng(0))
        >>> ids.shape, weights.shape
        ((4, 26), (4, 26))
    """
    ids, weights = np.zeros((n, steps), "int64"), np.zeros((n, steps))
    for row in range(n):
        words = _drawn(rng).text.split()
        if row % 2:
            question = words.index("so")
            words = [*_some(words[:question], rng, rng.random()), *words[question:]]
        may = answers(words)
        own = [*token_ids(" ".join(words)), _IDS[may[rng.integers(len(may))]]]
        ids[row, : len(own)] = own
        weights[row, 1 : len(own)] = 0.05 / steps
        weights[row, len(own) - 1] = 1.0
    return Batch(ids, weights)


def _drawn(rng: np.random.Generator) -> Report:
    place = PLACES[rng.integers(len(PLACES))]
    official, rumour = (TIMES[i] for i in rng.permutation(len(TIMES))[:2])
    said = [
        [
            source,
            *_some([":", "the", place, "opens", "at"], rng),
            time,
            *_some(["today"], rng, 0.3),
            ".",
        ]
        for source, time in zip(SOURCES, (official, rumour), strict=True)
    ]
    first, second = said[::-1] if rng.random() < 0.5 else said
    words = [*first, *second, "so", *_some(["the", place, "opens"], rng), "at"]
    return _judged(words, official, rumour)


def _some(words: list[str], rng: np.random.Generator, share: float = 0.9) -> list[str]:
    return [word for word in words if rng.random() < share]


def _judged(words: list[str], official: str, rumour: str) -> Report:
    decide = {*SOURCES, official, rumour}
    return Report(
        " ".join(words), official, rumour, tuple(i for i, w in enumerate(words) if w in decide)
    )

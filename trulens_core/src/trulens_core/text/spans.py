"""Stretches of a text: which tokens are a word, a sentence, a line, a turn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from trulens_core.slices import is_index
from trulens_core.text.tokens import Tokens

Spans = tuple[tuple[int, int], ...]

_WORD = re.compile(r"\S+")
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+(?=\s|$)|\n+|$)|[.!?\n]+|[^.!?\n]+[.!?]+")
_LINE = re.compile(r"[^\n]*\n+|[^\n]+$")


def spans_of(tokens: Tokens, unit: Any) -> Spans:
    """Consecutive tokens that belong together, as (start, end), in order and without a gap.

    Args:
        tokens: of a text.
        unit: "tokens", "words", "sentences", "lines", "turns" (what is in no message stands by
            itself), or spans of tokens; what these leave out stays as single tokens.

    Raises:
        ValueError: for a unit that is not known, or spans that overlap or are no spans.

    Example:
        >>> told = Tokens.of_ids([1, 2, 3, 4], ["Un", "like", " it", "."])
        >>> spans_of(told, "words")
        ((0, 2), (2, 4))
    """
    if isinstance(unit, str):
        stretches = _stretches(tokens, unit)
        return _consecutive([_place(tokens, i, stretches) for i in range(len(tokens))])
    return _filled(unit, len(tokens))


def _stretches(tokens: Tokens, unit: str) -> Sequence[tuple[int, int]] | None:
    """Where the units stand in the text; None: each token is one."""
    if unit == "tokens":
        return None
    if unit == "turns":
        return [(t.start, t.end) for t in tokens.turns]
    patterns = {"words": _WORD, "sentences": _SENTENCE, "lines": _LINE}
    if unit not in patterns:
        raise ValueError(
            f"{unit!r} is no unit of a text: 'tokens', 'words', 'sentences', 'lines' and 'turns' "
            "are, or spans of tokens, (start, end)"
        )
    return [m.span() for m in patterns[unit].finditer(tokens.text)]


def _place(tokens: Tokens, i: int, stretches: Sequence[tuple[int, int]] | None) -> object:
    """What token i is a part of; equal for neighbours that belong together."""
    alone = (i,)
    if stretches is not None and i + 1 < len(tokens) and not tokens.special[i : i + 2].any():
        a, b = tokens.offsets[i]
        if not tokens.text[a:b].strip() and not _inside(tokens, i, stretches):
            following = _place(tokens, i + 1, stretches)  # a space belongs to what follows it
            return following if isinstance(following, int) else alone
    if stretches is None or tokens.special[i]:
        return alone
    a, b = tokens.offsets[i]
    written = tokens.text[a:b]
    at = a + len(written.rstrip()) - 1 if written.strip() else a  # a space before belongs to it
    for number, (start, end) in enumerate(stretches):
        if start <= at < end:
            return number
    return alone


def _inside(tokens: Tokens, i: int, stretches: Sequence[tuple[int, int]]) -> bool:
    a = tokens.offsets[i][0]
    return any(start <= a < end for start, end in stretches)


def _consecutive(places: Sequence[object]) -> Spans:
    edges = [i for i in range(len(places)) if i == 0 or places[i] != places[i - 1]]
    return tuple(pairwise([*edges, len(places)])) if places else ()


def _filled(given: Any, n: int) -> Spans:
    found: list[tuple[int, int]] = []
    end = 0
    for span in given:
        fits = isinstance(span, list | tuple) and len(span) == 2 and all(map(is_index, span))
        if not fits or not end <= span[0] < span[1] <= n:
            raise ValueError(
                f"spans are (start, end) of {n} tokens, in order, that share none; found {span!r} "
                f"after token {end}"
            )
        found += [(i, i + 1) for i in range(end, span[0])]
        found.append((int(span[0]), int(span[1])))
        end = int(span[1])
    return (*found, *((i, i + 1) for i in range(end, n)))

"""Which stretches of a prompt are removed together: words, sentences, turns, documents."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from trulens_core.slices import is_index
from trulens_core.text.tokens import Tokens

Span = tuple[int, int]
Array = np.ndarray[Any, Any]

_PATTERNS = {
    "words": r"\s*\S+",
    "sentences": r"\s*\S.*?(?:[.!?…]+[\"')\]]*(?=\s|$)|\n|$)",
    "lines": r"\s*[^\n]+",
    "paragraphs": r"\s*\S.*?(?=\n\s*\n|$)",
}
"""A stretch takes the space before it along, as the tokens of most tokenizers do."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stretches:
    """The segments of a prompt.

    Attributes:
        names: what each says.
        spans: where each begins and ends in the prompt's text.
        of_token: the number of each token's segment, (tokens,); −1 of what is held.
    """

    names: tuple[str, ...]
    spans: tuple[Span, ...]
    of_token: Array

    def __len__(self) -> int:
        return len(self.names)

    def kept(self, keep: Array) -> Array:
        """Which tokens are kept, (rows, tokens) bools, of segments that are, (rows, segments)."""
        held = np.ones((len(keep), 1), bool)
        return np.concatenate([keep.astype(bool), held], axis=1)[:, self.of_token]


def stretches(prompt: Tokens, segments: Any) -> Stretches:
    """The segments that `segments` means in a prompt.

    Args:
        prompt: its tokens. What the tokenizer calls special, and what a chat's template wrote, is
            held: in no segment.
        segments: "words", "sentences", "lines", "paragraphs" (between empty lines, as examples
            are), "turns" (a chat's messages); a list of texts, such as the documents of a
            retrieval prompt, in the order in which they stand there; a list of (start, end) in
            the text; or a compiled pattern, at which the text is split.

    Raises:
        ValueError: for anything else, a text that is not there, or nothing that can be removed.

    Example:
        >>> prompt = Tokens.of_ids([0, 1, 2, 3], ["<s>", "One.", " Two", " three."], [1, 0, 0, 0])
        >>> found = stretches(prompt, "sentences")
        >>> found.names, found.of_token
        (('One.', 'Two three.'), array([-1,  0,  1,  1]))
    """
    spans = _spans(prompt, segments)
    labels = np.full(len(prompt), -1)
    for i, (start, end) in enumerate(spans):
        inside = [t for t in prompt.within(start, end) if labels[t] < 0 and not prompt.special[t]]
        labels[inside] = i
    found = sorted(set(labels.tolist()) - {-1})
    if not found:
        raise ValueError(f"segments={segments!r} finds nothing in the prompt that can be removed")
    if isinstance(segments, list | tuple) and len(found) < len(spans):
        a, b = spans[min(set(range(len(spans))) - set(found))]
        raise ValueError(
            f"the segment {prompt.text[a:b][:40]!r} has no token of its own: another segment has "
            "it, or it is held"
        )
    number = {old: new for new, old in enumerate(found)} | {-1: -1}
    own = [spans[i] for i in found]
    names = tuple(prompt.text[a:b].strip() for a, b in own)
    return Stretches(names, tuple(own), np.array([number[i] for i in labels.tolist()]))


def _spans(prompt: Tokens, segments: Any) -> list[Span]:
    text = prompt.text
    if isinstance(segments, re.Pattern):
        parts = [_split(prompt, segments, *ends) for ends in _between(prompt)]
        return [span for part in parts for span in part]
    if segments == "turns":
        if not prompt.turns:
            raise ValueError("segments='turns' are a chat's messages, and the prompt is no chat")
        return [(turn.start, turn.end) for turn in prompt.turns]
    if isinstance(segments, str) and segments in _PATTERNS:
        return _free(prompt, _PATTERNS[segments])
    if isinstance(segments, Sequence) and not isinstance(segments, str) and len(segments):
        if all(isinstance(s, str) for s in segments):
            return _listed(text, segments)
        pairs = all(isinstance(s, Sequence) and len(s) == 2 for s in segments)
        if pairs and all(is_index(place) for s in segments for place in s):
            return _checked(text, [(int(a), int(b)) for a, b in segments])
    raise ValueError(
        f"segments is {segments!r}; it must be {', '.join(map(repr, [*_PATTERNS, 'turns']))}, a "
        "list of texts or of (start, end), or a compiled pattern"
    )


def _between(prompt: Tokens) -> list[Span]:
    """What lies between the special tokens, over which no stretch goes."""
    found, start = [], 0
    bounds = [span for span, held in zip(prompt.offsets, prompt.special, strict=True) if held]
    for a, b in [*bounds, (len(prompt.text), len(prompt.text))]:
        found.append((start, max(start, a)))
        start = max(start, b)
    return found


def _free(prompt: Tokens, pattern: str) -> list[Span]:
    """Where the pattern fits."""
    found: list[Span] = []
    for start, end in _between(prompt):
        each = re.finditer(pattern, prompt.text[start:end], re.DOTALL)
        found += [(start + m.start(), start + m.end()) for m in each if m.group().strip()]
    return found


def _split(prompt: Tokens, pattern: re.Pattern[str], start: int, end: int) -> list[Span]:
    """What lies between the places where the pattern fits."""
    fits = [(start + m.start(), start + m.end()) for m in pattern.finditer(prompt.text[start:end])]
    starts, ends = [start, *(b for _, b in fits)], [*(a for a, _ in fits), end]
    spans = zip(starts, ends, strict=True)
    return [(a, b) for a, b in spans if prompt.text[a:b].strip()]


def _checked(text: str, spans: list[Span]) -> list[Span]:
    """Stretches that were given, which share nothing."""
    n = len(text)
    for a, b in spans:
        if not 0 <= a < b <= n:
            raise ValueError(f"segments has {(a, b)}; give (start, end) in the text of {n} letters")
    for one, other in pairwise(sorted(spans)):
        if one[1] > other[0]:
            raise ValueError(f"the segments {one} and {other} overlap, and a part is removed once")
    return spans


def _listed(text: str, segments: Sequence[str]) -> list[Span]:
    """Where each text stands, in order: as words of their own, if they stand so, else anywhere."""
    own = [segment.strip() for segment in segments]
    starts = _placed(text, own, whole=True) or _placed(text, own, whole=False)
    if len(starts) < len(own):
        raise ValueError(
            f"the segment {segments[len(starts)][:40]!r} does not stand in the prompt, after those "
            "before it; give segments as they are written there, in order"
        )
    found: list[Span] = []
    at = 0
    for start, segment in zip(starts, own, strict=True):
        before = at + len(text[at:start].rstrip())
        at = start + len(segment)
        found.append((before if text[before:start].isspace() else start, at))
    return found


def _placed(text: str, segments: Sequence[str], *, whole: bool) -> list[int]:
    """Where each begins: none, or those before the first that does not stand there.

    Args:
        text: of the prompt.
        segments: without blanks at their ends.
        whole: whether each is to begin and end where words do; then all are found, or none.
    """
    found: list[int] = []
    at = 0
    for segment in segments:
        start = text.find(segment, at) if segment else -1
        while whole and start >= 0 and _within_word(text, start, start + len(segment)):
            start = text.find(segment, start + 1)
        if start < 0:
            return [] if whole else found
        found.append(start)
        at = start + len(segment)
    return found


def _within_word(text: str, start: int, end: int) -> bool:
    """Whether a stretch begins or ends inside a word."""
    ends = [text[i - 1 : i + 1] for i in (start, end) if 0 < i < len(text)]
    return any(pair.isalnum() for pair in ends)

"""A text as a tokenizer reads it: ids, where each stands, what is no text, whose turn it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

Ids = np.ndarray[Any, np.dtype[np.int64]]


class Turn(NamedTuple):
    """A message of a chat: who speaks, and where its content stands in the text."""

    role: str
    start: int
    end: int


@dataclasses.dataclass(frozen=True, eq=False)
class Tokens:
    """A text as a model reads it.

    Attributes:
        ids: of the tokens, (n,).
        text: what they stand for, special tokens included as they are written.
        offsets: of each token, where it begins and ends in `text`. The tokens of one character
            that is several stand at the same place.
        special: which tokens the tokenizer calls special, (n,) bools.
        turns: the messages of a chat, in order; none where the text is no chat.

    Example:
        >>> told = Tokens.of_ids([3, 1, 2], names=["<s>", "a", " b"])
        >>> told.text, told.offsets, told.pieces
        ('<s>a b', ((0, 3), (3, 4), (4, 6)), ['<s>', 'a', ' b'])
    """

    ids: Ids
    text: str
    offsets: tuple[tuple[int, int], ...]
    special: np.ndarray[Any, np.dtype[np.bool_]]
    turns: tuple[Turn, ...] = ()

    @classmethod
    def of_ids(
        cls,
        ids: Any,
        names: Sequence[str] | None = None,
        special: Any = None,
    ) -> Tokens:
        """Tokens without a tokenizer, by what each is called; names are ` 17` if not given."""
        listed = np.asarray(ids, dtype="int64").reshape(-1)
        named = [f" {i}" for i in listed] if names is None else [str(n) for n in names]
        if len(named) != len(listed):
            raise ValueError(f"names has {len(named)} names of {len(listed)} tokens")
        ends = np.cumsum([0, *map(len, named)]).tolist()
        marked = np.zeros(len(listed), bool) if special is None else np.asarray(special, bool)
        offsets = tuple(pairwise(ends))
        return cls(listed, "".join(named), offsets, marked)

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokens):
            return NotImplemented
        same = np.array_equal(self.ids, other.ids) and np.array_equal(self.special, other.special)
        rest = (self.text, self.offsets, self.turns) == (other.text, other.offsets, other.turns)
        return same and rest

    def __hash__(self) -> int:
        return hash((self.text, self.offsets))

    def check(self) -> None:
        """Accept tokens whose parts fit together, as those of a file have to.

        Raises:
            ValueError: for others.
        """
        n, ends = len(self.text), (*self.offsets, *((t.start, t.end) for t in self.turns))
        if self.ids.ndim != 1 or self.ids.dtype.kind != "i" or self.special.dtype != bool:
            raise ValueError("ids are ints, and special ones are told by bools")
        if not len(self.ids) == len(self.special) == len(self.offsets):
            raise ValueError(f"{len(self.ids)} tokens have {len(self.offsets)} places")
        if any(not 0 <= a <= b <= n for a, b in ends):
            raise ValueError(f"a token has its place outside of a text of {n} letters")

    @property
    def pieces(self) -> list[str]:
        """What each token writes; an empty text for all but the first of one character's tokens.

        A blank that is no token's, as tokenizers of words leave, goes with the token after it, so
        that pieces one after the other are the text.
        """
        found, end = [], 0
        for _, b in self.offsets:
            found.append(self.text[end:b])
            end = max(end, b)
        return found

    def __getitem__(self, part: slice) -> Tokens:
        """The tokens from one place to another, with the text that is theirs."""
        start, stop, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"tokens are sliced in order, found a step of {step}")
        offsets = self.offsets[start:stop]
        before = max((b for _, b in self.offsets[:start]), default=0)
        first = min(before, offsets[0][0]) if offsets else 0  # with the blank that is no token's
        last = max((b for _, b in offsets), default=first)
        turns = [t for t in self.turns if t.start < last and t.end > first]
        return Tokens(
            self.ids[start:stop],
            self.text[first:last],
            tuple((a - first, b - first) for a, b in offsets),
            self.special[start:stop],
            tuple(
                Turn(t.role, max(t.start, first) - first, min(t.end, last) - first) for t in turns
            ),
        )

    def __add__(self, other: Tokens) -> Tokens:
        """The tokens of this text and, after it, those of another."""
        n = len(self.text)
        return Tokens(
            np.concatenate([self.ids, other.ids]),
            self.text + other.text,
            (*self.offsets, *((a + n, b + n) for a, b in other.offsets)),
            np.concatenate([self.special, other.special]),
            (*self.turns, *(Turn(t.role, t.start + n, t.end + n) for t in other.turns)),
        )

    def within(self, start: int, end: int) -> list[int]:
        """The places of the tokens that share a character with a stretch of the text."""
        return [i for i, (a, b) in enumerate(self.offsets) if a < end and b > start]

    def places_of(self, words: Any) -> list[int]:
        """The places of the tokens of a stretch of the text, wherever it stands.

        Raises:
            KeyError: for what is no text.
        """
        if not isinstance(words, str) or not words:
            raise KeyError(f"{words!r}: a stretch of the text is given by its words")
        at, places = self.text.find(words), set[int]()
        while at >= 0:
            places.update(self.within(at, at + len(words)))
            at = self.text.find(words, at + len(words))
        return sorted(places)

"""Tokens of texts, grouped into words, sentences or other stretches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np

from trulens_core.segments.axes import Value
from trulens_core.segments.recipe import Recipe
from trulens_core.segments.regions import Regions
from trulens_core.slices import is_index

Ids = Sequence[int | None]
Spans = Sequence[Sequence[int]]


@final
@dataclass(frozen=True)
class Words(Recipe):
    """What `Segments.words` makes: of each record, spans of tokens and its number of tokens.

    The number is None where the caller gave spans, which fit any.
    """

    spans: tuple[tuple[tuple[int, int], ...], ...]
    lengths: tuple[int | None, ...]
    names: tuple[tuple[str, ...], ...] | None

    @classmethod
    def read(cls, words: Sequence[Ids | Spans], names: Sequence[Sequence[str]] | None) -> Words:
        """The words of each record as spans, checked."""
        spans, lengths = [], []
        for record, own in enumerate(words):
            by_id = all(w is None or is_index(w) for w in own) and len(own) > 0
            spans.append(_runs(own) if by_id else _spans(own, record))  # type: ignore[arg-type]  # as found
            lengths.append(len(own) if by_id else None)
        given = None if names is None else tuple(tuple(map(str, own)) for own in names)
        if given is not None and list(map(len, given)) != list(map(len, spans)):
            raise ValueError(
                f"names has {list(map(len, given))} names of the records' words, but they have "
                f"{list(map(len, spans))} words"
            )
        return cls(tuple(spans), tuple(lengths), given)

    def regions(self, value: Value) -> tuple[Regions, ...]:
        if not value.shape:
            raise ValueError("A value of shape (records,) has no tokens")
        tokens = value.shape[0]
        spans = value.rows(self.spans, "words")
        lengths = value.rows(self.lengths, "words")
        names = value.rows(self.names or ((),) * len(self.spans), "words")
        found = []
        for record, (own, length) in enumerate(zip(spans, lengths, strict=True), value.first):
            if length not in (None, tokens):
                raise ValueError(
                    f"Record {record} has word ids for {length} tokens, but there are {tokens}; "
                    "None is the id of padding"
                )
            if own and own[-1][1] > tokens:
                raise ValueError(f"Record {record} has a span to {own[-1][1]} of {tokens} tokens")
            labels = np.full((tokens,) + (1,) * (len(value.shape) - 1), -1)
            for number, (start, end) in enumerate(own):
                labels[start:end] = number
            texts = names[record - value.first] if self.names else None
            found.append(Regions.of_labels(labels, value.shape, texts))
        return tuple(found)


def _runs(ids: Ids) -> tuple[tuple[int, int], ...]:
    """Where tokens in a row have the same id."""
    edges = [i for i in range(len(ids) + 1) if i in (0, len(ids)) or ids[i] != ids[i - 1]]
    return tuple((a, b) for a, b in pairwise(edges) if ids[a] is not None)


def _spans(spans: Sequence[Any], record: int) -> tuple[tuple[int, int], ...]:
    found, end = [], 0
    for span in spans:
        good = isinstance(span, Sequence) and len(span) == 2 and all(map(is_index, span))
        if not good or not end <= span[0] < span[1]:
            raise ValueError(
                f"The words of record {record} are ids of its tokens, or spans (start, end) in "
                f"order that share no token; found {span!r} after token {end}"
            )
        found.append((int(span[0]), int(span[1])))
        end = found[-1][1]
    return tuple(found)

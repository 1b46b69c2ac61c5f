"""A result as texts: tokens in the colours of their attributions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from trulens_core.results.fields import ResultFields
from trulens_core.results.parts import Part
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.look import class_name
from trulens_core.visualizations.result_parts import summed
from trulens_core.visualizations.text_lines import Column, TextLine, Token
from trulens_core.visualizations.text_outputs import TextPicture
from trulens_core.visualizations.text_pieces import Marks, grouped, marks_of, pieces


@dataclasses.dataclass(frozen=True)
class Texts:
    """How texts are shown.

    Attributes:
        result: whose classes are named.
        tokens: for each record its tokens; None: their places.
        words: whether the pieces of a word become one, with the sum of their attributions.
        hidden: tokens that are not shown; the sum of theirs is.
    """

    result: ResultFields
    tokens: Sequence[Sequence[str]] | None
    words: bool
    hidden: frozenset[str]


def texts(how: Texts, parts: Sequence[Part], chosen: Sequence[int]) -> TextPicture:
    """The records chosen, a line each; several arrays, (records, tokens, …), side by side."""
    tokens = how.tokens
    marks: Marks = "none"
    if tokens is not None and how.words:
        marks = marks_of(t for r in chosen for t in tokens[r])
    lines = [
        TextLine(
            tuple(_column(part, record, how, marks) for part in parts), _label(how.result, record)
        )
        for record in chosen
    ]
    return TextPicture(tuple(lines))


def _label(result: ResultFields, record: int) -> str:
    names = (result.names or {}).get("classes")
    if names is None or result.target is None:
        return ""
    return class_name(names, int(result.target[record]))


def _column(part: Part, record: int, how: Texts, marks: Marks) -> Column:
    if part.values.ndim < 2:
        raise ValueError(f"texts have attributions (records, tokens, ...), not {part.values.shape}")
    values: Array = summed(part.values)[record]
    tokens = None if how.tokens is None else how.tokens[record]
    own = [str(i) for i in range(len(values))] if tokens is None else [str(t) for t in tokens]
    if len(own) != len(values):
        raise ValueError(
            f"record {record} has {len(own)} tokens, but attributions for {len(values)}"
        )
    shown = [i for i, token in enumerate(own) if token not in how.hidden]
    rest = float(np.delete(values, shown).sum())
    groups = grouped(pieces(own, marks), shown, marks, how.words)
    cells = [Token(g.text, float(values[list(g.places)].sum()), g.spaced) for g in groups]
    return Column(tuple(cells), part.name, rest)

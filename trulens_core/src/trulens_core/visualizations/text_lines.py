"""What is shown of a text: tokens with their attributions, in columns, under one scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Token:
    """A token, or a word.

    Attributes:
        text: as it is read, not escaped.
        value: its attribution; NaN and infinities show as missing.
        spaced: whether a space stands before it.
    """

    text: str
    value: float
    spaced: bool = True


@final
@dataclass(frozen=True)
class Column:
    """The tokens of one text as one quantity sees them.

    Attributes:
        tokens: those shown.
        name: of the quantity; empty where there is only one.
        hidden: the sum of the attributions of tokens that are not shown.
    """

    tokens: tuple[Token, ...]
    name: str = ""
    hidden: float = 0.0


@final
@dataclass(frozen=True)
class TextLine:
    """One text: its label, and a column per quantity.

    All columns of a text have one scale, and no other text has a part in it.

    Attributes:
        columns: at least one.
        label: such as the predicted class; empty for none.

    Example:
        >>> line = TextLine((Column((Token("good", 0.5), Token("film", -0.1))),), "positive")
        >>> line.scale, line.fraction(-0.1)
        (0.5, -0.2)
    """

    columns: tuple[Column, ...]
    label: str = ""

    @property
    def scale(self) -> float:
        """The attribution that has full colour; 0 where there is none but zeros."""
        values = [abs(t.value) for c in self.columns for t in c.tokens if math.isfinite(t.value)]
        return max(values, default=0.0)

    def fraction(self, value: float) -> float:
        """The value's part of the scale, from -1 to 1; NaN for what is missing."""
        if not math.isfinite(value):
            return math.nan
        return value / self.scale if self.scale else 0.0


def shown_number(value: float) -> str:
    """A number with its sign, short.

    Example:
        >>> shown_number(0.12345), shown_number(-3.0), shown_number(0.0)
        ('+0.12', '-3', '0')
    """
    return f"{value:+.2g}" if value else "0"


def shown_blank(text: str) -> str:
    """The text, or boxes in place of spaces where it has nothing else.

    Example:
        >>> shown_blank("a b"), shown_blank("  ")
        ('a b', '␣␣')
    """
    return text if text.strip(" ") else "␣" * len(text)

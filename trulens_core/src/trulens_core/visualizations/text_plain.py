"""Texts for terminals: with numbers, or with colours where the terminal has them."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Sequence
from io import StringIO
from typing import Any, NamedTuple

from trulens_core.optional import require
from trulens_core.visualizations.text_colors import GROUND, STRONG_LOWERS, STRONG_RAISES, css
from trulens_core.visualizations.text_escapes import visible
from trulens_core.visualizations.text_lines import (
    Column,
    TextLine,
    Token,
    shown_blank,
    shown_number,
)

WEAK, STRONG = 0.15, 0.5
"""Parts of a text's scale from which a token is coloured, and from which it is filled."""


class Palette(NamedTuple):
    """Names that rich has for the inks of weak tokens, the grounds of strong ones, and their ink.

    For each, first of what raises, then of what lowers.
    """

    inks: tuple[str, str]
    grounds: tuple[str, str]
    on_ground: str


_HUES = (css(STRONG_RAISES), css(STRONG_LOWERS))
_MANY = Palette(_HUES, _HUES, css(GROUND))
# no hue of ours is near one of the sixteen, and plain blue cannot be read on black
_SIXTEEN = Palette(("red", "bright_blue"), ("red", "blue"), "bright_white")


def as_plain(lines: Sequence[TextLine]) -> str:
    """A line per text, or per text and quantity, each token with its attribution."""
    return "".join(_line(line, column) for line in lines for column in line.columns)


def as_colored(lines: Sequence[TextLine], color_system: str) -> str:
    """The same with colours in place of numbers, and a legend; needs rich.

    Args:
        lines: the texts.
        color_system: what the terminal has: "standard", "256" or "truecolor".
    """
    palette = _SIXTEEN if color_system in ("standard", "windows") else _MANY
    written = require("rich.text", "text").Text()
    for line in lines:
        for column in line.columns:
            _write(written, line, column, palette)
    legend = (
        ("lowers", -1.0),
        ("lowers a little", -0.3),
        ("raises a little", 0.3),
        ("raises", 1.0),
    )
    for text, fraction in legend:
        written.append(text, _style(fraction, palette)).append(" · ")
    written.append("each text by itself\n")
    return _rendered(written, color_system)


def terminal_colors() -> str | None:
    """The colours that standard output has: None where it is no terminal, or rich is missing."""
    if importlib.util.find_spec("rich") is None:
        return None
    console = require("rich.console", "text").Console(file=sys.stdout, force_jupyter=False)
    system: str | None = None if console.no_color else console.color_system
    return system


def _line(line: TextLine, column: Column) -> str:
    def plain(token: Token) -> str:
        return f"{_text(token)}({shown_number(token.value)})" if token.value else _text(token)

    tokens = "".join((" " if t.spaced else "") + plain(t) for t in column.tokens)
    return f"{_head(line, column)}{tokens.removeprefix(' ')}{_remark(line, column)}\n"


def _write(written: Any, line: TextLine, column: Column, palette: Palette) -> None:
    written.append(_head(line, column), "bold")
    for i, token in enumerate(column.tokens):
        written.append(" " if token.spaced and i else "")
        written.append(_text(token), _style(line.fraction(token.value), palette))
    written.append(f"{_remark(line, column)}\n")


def _style(fraction: float, palette: Palette) -> str:
    """What rich calls it; underlined where it lowers, to be told apart without colour too."""
    if math.isnan(fraction):
        return "strike"
    if abs(fraction) < WEAK:
        return ""
    lowers = int(fraction < 0)
    under = " underline" if lowers else ""
    if abs(fraction) < STRONG:
        return f"{palette.inks[lowers]}{under}"
    return f"{palette.on_ground} on {palette.grounds[lowers]}{under}"


def _rendered(written: Any, color_system: str) -> str:
    console = require("rich.console", "text").Console(
        file=StringIO(),
        force_terminal=True,
        force_jupyter=False,
        color_system=color_system,
        no_color=False,
        highlight=False,
        width=80,
    )
    # the terminal breaks lines where it has to, not we: its width may change
    console.print(written, end="", soft_wrap=True)
    rendered: str = console.file.getvalue()
    return rendered


def _head(line: TextLine, column: Column) -> str:
    names = [visible(name) for name in (line.label, column.name) if name]
    return " / ".join(names) + (": " if names else "")


def _text(token: Token) -> str:
    return visible(shown_blank(token.text))


def _remark(line: TextLine, column: Column) -> str:
    hidden = f", hidden {shown_number(column.hidden)}" if column.hidden else ""
    return f"  [±{line.scale:.2g}{hidden}]"

"""What parts of an explanation show of themselves in a notebook: a name, and lines below it.

The page's own ink and ground are kept, so that a card reads the same on light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

QUIET = "opacity:0.75;font-size:12px"
"""The style of remarks."""
_CELL = "padding:1px 14px 1px 0;text-align:left;vertical-align:top"
_LIST = "border-collapse:collapse;margin:2px 0 2px 0"


def card(name: str, said: str, rows: Mapping[str, str]) -> str:
    """A fragment of HTML, in ASCII: a name, what it is, and lines with a word before each.

    Example:
        >>> "<b>PointDoi</b>" in card("PointDoi", "the point itself", {"cut": "the input"})
        True
    """
    lines = "".join(f"<tr>{_cell(word, QUIET)}{_cell(text)}</tr>" for word, text in rows.items())
    table = f'<table style="{_LIST}">{lines}</table>' if lines else ""
    head = f'<b>{ascii_html(name)}</b> <span style="{QUIET}">{ascii_html(said)}</span>'
    return framed(f"<div>{head}</div>{table}")


def grid(rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    lines = (
        "".join(f'<td style="{_CELL};white-space:nowrap">{cell}</td>' for cell in row)
        for row in rows
    )
    return f'<table style="{_LIST}">{"".join(f"<tr>{line}</tr>" for line in lines)}</table>'


def framed(body: str) -> str:
    """A fragment that stands on a card."""
    style = "border-left:3px solid #999;padding:2px 10px;overflow-x:auto;max-width:100%"
    return f'<div class="trulens-card" style="{style}">{body}</div>'


def folded(summary: Sequence[str], body: str, *, shown: bool = False) -> str:
    """Cells that unfold to what is inside them."""
    cells = "".join(f'<span style="padding-right:14px">{c}</span>' for c in summary)
    inside = f'<div style="padding-left:18px">{body}</div>'
    return f"<details{' open' if shown else ''}><summary>{cells}</summary>{inside}</details>"


def ascii_html(text: Any) -> str:
    """Text between tags, in ASCII."""
    return escape(str(text)).encode("ascii", "xmlcharrefreplace").decode("ascii")


def first_sentence(thing: object) -> str:
    """What a class says that it is, in a line, without the marks of code."""
    said = (type(thing).__doc__ or "").strip().partition("\n")[0]
    return said.replace("`", "")


def shown(thing: Any) -> str:
    """The card of a quantity or a distribution: what it is, and how it would be written."""
    return card(type(thing).__name__, first_sentence(thing), {"written": repr(thing)})


def _cell(text: str, style: str = "") -> str:
    return f'<td style="{_CELL};{style}">{ascii_html(text)}</td>'

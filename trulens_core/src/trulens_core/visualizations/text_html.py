"""Texts as HTML.

Everything stands in style attributes: a notebook keeps those of a cell's output, and they reach
nothing else on the page. No tables, since notebooks have styles of their own for those.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trulens_core.visualizations.text_colors import (
    GROUND,
    INK,
    LOWERS,
    QUIET,
    RAISES,
    STRONG_LOWERS,
    STRONG_RAISES,
    VISIBLE,
    css,
    edge,
    ground,
)
from trulens_core.visualizations.text_escapes import in_html
from trulens_core.visualizations.text_lines import (
    Column,
    TextLine,
    Token,
    shown_blank,
    shown_number,
)

CARD = (
    f"background:{css(GROUND)};color:{css(INK)};color-scheme:light;forced-color-adjust:none;"
    "print-color-adjust:exact;border:1px solid #bbb;border-radius:4px;padding:8px 12px;"
    "font:15px/1.9 system-ui,sans-serif;direction:ltr;text-align:left;overflow-wrap:anywhere"
)
_REMARK = f"color:{css(QUIET)};font-size:12px;white-space:nowrap"


def as_html(lines: Sequence[TextLine]) -> str:
    """A fragment of HTML, in ASCII: a line per text and a legend."""
    return f'<div class="trulens-text" style="{CARD}">{without_card(lines)}{legend()}</div>'


def without_card(lines: Sequence[TextLine]) -> str:
    """The lines alone, to stand on a card with other things."""
    several = any(len(line.columns) > 1 for line in lines)
    return "".join(_row(line) if several else _line(line) for line in lines)


def _line(line: TextLine) -> str:
    label = f"<b>{_isolated(line.label)}:</b> " if line.label else ""
    (column,) = line.columns
    return f"<div>{label}{_tokens(line, column)} {_remark(line, column)}</div>"


def _row(line: TextLine) -> str:
    """Several quantities side by side, under the text's label."""
    grid = f"display:grid;grid-template-columns:repeat({len(line.columns)},minmax(0,1fr));gap:16px"
    cells = [
        f'<div><div style="border-bottom:1px solid #bbb">{_isolated(c.name)}</div>'
        f"{_tokens(line, c)} {_remark(line, c)}</div>"
        for c in line.columns
    ]
    label = f"<b>{_isolated(line.label)}</b>" if line.label else ""
    return (
        f'<div style="margin-bottom:12px">{label}<div style="{grid}">{"".join(cells)}</div></div>'
    )


def _tokens(line: TextLine, column: Column) -> str:
    tokens = "".join(_token(t, line.fraction(t.value)) for t in column.tokens)
    return f'<bdi dir="auto" style="white-space:pre-wrap">{tokens.removeprefix(" ")}</bdi>'


def _isolated(text: str) -> str:
    """The text in its own direction: Hebrew and Arabic do not turn what stands beside them."""
    return f"<bdi>{in_html(text)}</bdi>"


def _token(token: Token, fraction: float) -> str:
    style = f"background:{css(ground(fraction))};color:{css(INK)};padding:2px 1px"
    if math.isnan(fraction) or abs(fraction) >= VISIBLE:
        style += f";border-bottom:2px {_underline(fraction)}"
    space = " " if token.spaced else ""
    number = in_html(shown_number(token.value))
    text = in_html(shown_blank(token.text))
    return f'{space}<span class="trulens-token" title="{number}" style="{style}">{text}</span>'


def _underline(fraction: float) -> str:
    """Solid for what raises and dashed for what lowers: told apart without colour too."""
    if math.isnan(fraction):
        return f"dotted {css(QUIET)}"
    return f"{'solid' if fraction > 0 else 'dashed'} {css(edge(fraction))}"


def _remark(line: TextLine, column: Column) -> str:
    text = f"&#177;{line.scale:.2g}"
    if column.hidden:
        text += f", hidden {in_html(shown_number(column.hidden))}"
    return f'<span style="{_REMARK}">{text}</span>'


def legend(text: str = "full colour is the \xb1 number at the end", *, strong: bool = False) -> str:
    """What the colours mean; the text says of how much. Strong colours are those of pictures."""
    ends = (LOWERS, GROUND, RAISES)
    stops = (STRONG_LOWERS, *ends, STRONG_RAISES) if strong else ends
    ramp = (
        "display:inline-block;width:120px;height:10px;vertical-align:middle;margin:0 6px;"
        f"background:linear-gradient(to right,{','.join(map(css, stops))});"
        "border:1px solid #bbb"
    )
    lowers = f'<span style="border-bottom:2px {_underline(-1.0)}">lowers</span>'
    raises = f'<span style="border-bottom:2px {_underline(1.0)}">raises</span>'
    return (
        f'<div class="trulens-legend" style="color:{css(QUIET)};font-size:12px;margin-top:4px">'
        f'{lowers}<span style="{ramp}"></span>{raises} &#183; {in_html(text)}</div>'
    )

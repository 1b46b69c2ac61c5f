"""What pages of explained texts share: colours of tokens, on the page and in its script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trulens_core.visualizations.pictures import replace_file
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

STEPS = 999
"""Numbers are written as parts of the largest, to this many steps."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_BODY = "margin:0 auto;max-width:1200px;padding:12px"

CARD = (
    f"background: {css(GROUND)}; color: {css(INK)}; color-scheme: light; padding: 12px 14px; "
    "border: 1px solid #999; border-radius: 6px; "
    'font: 15px/2 ui-monospace, "DejaVu Sans Mono", monospace;'
)
SAID = f"color: {css(QUIET)}; font-size: 13px; line-height: 1.5;"
"""Styles: of a box with its own ground, and of what is said in it."""

PAINT = (
    """
  const mix = (f) => {
    const end = f > 0 ? RAISES : LOWERS, p = Math.min(Math.abs(f), 1);
    return 'rgb(' + end.map((c) => Math.round(255 + p * (c - 255))).join(',') + ')';
  };
  const number = (v) => (v >= 0 ? '+' : '\\u2212') + Math.abs(v).toPrecision(3);
  const paint = (e, f, v) => {
    e.style.background = mix(f);
    e.style.borderBottom = Math.abs(f) < VISIBLE ? '3px solid transparent'
      : f > 0 ? '3px solid UP' : '3px dashed DOWN';
    e.title = number(v);
  };""".replace("RAISES", json.dumps(list(RAISES)))
    .replace("LOWERS", json.dumps(list(LOWERS)))
    .replace("VISIBLE", str(VISIBLE))
    .replace("UP", css(STRONG_RAISES))
    .replace("DOWN", css(STRONG_LOWERS))
)
"""Functions of a script that give an element the colours of `painted`."""


def painted(fraction: float) -> str:
    """The style of what has this part of the largest number: its ground, and a line below."""
    style = f"background:{css(ground(fraction))}"
    if abs(fraction) >= VISIBLE:
        line = "solid" if fraction > 0 else "dashed"
        style += f";border-bottom:3px {line} {css(edge(fraction))}"
    return style


def written(piece: str) -> str:
    """A token's text; a line ends where it does, and shows that."""
    lines = piece.split("\n")
    return "&#8629;<br>".join(in_html(line) for line in lines) if piece else "&#183;"


def apart(piece: str) -> tuple[str, str]:
    """The blanks that a token begins with, which are not to be coloured, and the rest of it.

    Example:
        >>> apart(" at"), apart("  ")
        ((' ', 'at'), ('', '  '))
    """
    rest = piece.lstrip(" ")
    return (piece[: len(piece) - len(rest)], rest) if rest else ("", piece)


def parts(values: Any, largest: float) -> list[int]:
    """Numbers as parts of the largest, in steps, as a script reads them."""
    if not largest > 0:
        return [0] * len(values)
    found: list[int] = np.rint(np.nan_to_num(values) * (STEPS / largest)).astype(int).tolist()
    return found


def largest_of(values: Any) -> float:
    """The largest size of numbers that are some."""
    sizes = np.abs(values[np.isfinite(values)])
    return float(sizes.max(initial=0.0))


def data(held: Mapping[str, Any]) -> str:
    """JSON to stand within a script's element."""
    text = json.dumps(held, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def page(fragment: str, title: str) -> str:
    """A whole page, which may fetch nothing."""
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<meta name='color-scheme' content='light dark'><title>{in_html(title)}</title></head>\n"
        f"<body style='{_BODY}'>\n{fragment}\n</body></html>\n"
    )


def put(path: str | Path, fragment: str, title: str) -> None:
    """Write a page, whole or not at all."""
    replace_file(Path(path), page(fragment, title).encode())

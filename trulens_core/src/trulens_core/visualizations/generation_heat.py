"""An explained generation as a picture: targets by sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.optional import require
from trulens_core.text.fields import GenerationFields
from trulens_core.visualizations.canvas import arranged, canvas
from trulens_core.visualizations.look import label
from trulens_core.visualizations.text_colors import MISSING, STRONG_LOWERS, STRONG_RAISES, css

_MOST = 80
"""More labels than this are thinned out."""
_LETTER = 0.075
"""Inches of a label's letter."""


def heat_map(result: GenerationFields, fig: Any = None) -> Any:
    """The figure: a row for each target, a column for each stretch of the text."""
    values = result.attributions
    rows, columns = values.shape
    pieces = result.text.pieces
    named = [_shown("".join(pieces[a:b])) for a, b in result.sources]
    asked = [_shown(piece) for piece in result.outputs_shown]
    wide = 2.5 + 0.28 * columns + _LETTER * max(map(len, asked), default=0)
    high = 1.6 + 0.28 * rows + _LETTER * max(map(len, named), default=0)
    size = (min(max(wide, 5.0), 24), min(max(high, 2.8), 24))
    with canvas(size, fig) as given:
        arranged(given.figure)
        _draw(given, given.subplots(), result, named, asked)
    return given


def _draw(
    fig: Any, axes: Any, result: GenerationFields, named: list[str], asked: list[str]
) -> None:
    colors = require("matplotlib.colors", "viz")
    values = result.attributions
    largest = float(np.nanmax(np.abs(values))) or 1.0
    ends = [css(STRONG_LOWERS), "#ffffff", css(STRONG_RAISES)]
    cmap = colors.LinearSegmentedColormap.from_list("trulens", ends)
    axes.set_facecolor(css(MISSING))  # of numbers that are none
    shown = axes.imshow(values, cmap=cmap, vmin=-largest, vmax=largest, aspect="auto")
    _labels(axes.xaxis, named, 90)
    _labels(axes.yaxis, asked, 0)
    axes.axvline(result.n_prompt - 0.5, color="#111111", linewidth=1)
    axes.set_xlabel("the text, the continuation after the line\norange raises, blue lowers")
    axes.set_ylabel("what is explained")
    what = str(result.method.get("quantity") or "the quantity")
    fig.colorbar(shown, ax=axes, label=f"part of {what}", shrink=0.9)


def _shown(piece: str) -> str:
    """A stretch of the text as a label; a `$` would begin a formula."""
    return label(piece.strip()) or "·"


def _labels(axis: Any, names: list[str], turned: int) -> None:
    step = -(-len(names) // _MOST)
    at = list(range(0, len(names), step))
    written = [names[i] for i in at]
    axis.set_ticks(at, written, rotation=turned, fontsize=8, family=["monospace", "sans-serif"])

"""An explained generation as a picture: targets by sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.optional import require
from trulens_core.text.fields import GenerationFields
from trulens_core.visualizations.text_colors import MISSING, STRONG_LOWERS, STRONG_RAISES, css
from trulens_core.visualizations.text_escapes import visible

_MOST = 80
"""More labels than this are thinned out."""


def heat_map(result: GenerationFields, fig: Any = None) -> Any:
    """The figure: a row for each target, a column for each stretch of the text."""
    colors = require("matplotlib.colors", "viz")
    figure = require("matplotlib.figure", "viz")
    values = result.attributions
    rows, columns = values.shape
    size = (min(2.5 + 0.28 * columns, 24), min(2.2 + 0.28 * rows, 24))
    fig = figure.Figure(figsize=size, layout="constrained") if fig is None else fig
    axes = fig.subplots()
    largest = float(np.nanmax(np.abs(values))) or 1.0
    ends = [css(STRONG_LOWERS), "#ffffff", css(STRONG_RAISES)]
    cmap = colors.LinearSegmentedColormap.from_list("trulens", ends)
    axes.set_facecolor(css(MISSING))  # of numbers that are none
    shown = axes.imshow(values, cmap=cmap, vmin=-largest, vmax=largest, aspect="auto")
    pieces = result.text.pieces
    _labels(axes.xaxis, ["".join(pieces[a:b]) for a, b in result.sources], 90)
    _labels(axes.yaxis, result.outputs_shown, 0)
    axes.axvline(result.n_prompt - 0.5, color="#111111", linewidth=1)
    axes.set_xlabel("the text, the continuation after the line")
    axes.set_ylabel("what is explained")
    what = str(result.method.get("quantity") or "the quantity")
    fig.colorbar(shown, ax=axes, label=f"part of {what}", shrink=0.9)
    return fig


def _labels(axis: Any, names: list[str], turned: int) -> None:
    step = -(-len(names) // _MOST)
    at = list(range(0, len(names), step))
    # `$` would begin a formula
    written = [(visible(names[i].strip()) or "·").replace("$", r"\$") for i in at]
    axis.set_ticks(at, written, rotation=turned, fontsize=8, family=["monospace", "sans-serif"])

"""Charts of attributions: bars of features, and series over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.optional import require
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.text_colors import (
    GROUND,
    INK,
    LOWERS,
    RAISES,
    STRONG_LOWERS,
    STRONG_RAISES,
    css,
)
from trulens_core.visualizations.text_escapes import visible

MOST_CHANNELS = 16
"""More channels than this, such as those of an embedding, are added up."""


def bars(axes: Any, values: Array, names: Sequence[str], most: int) -> None:
    """One record's features as bars, the strongest on top; what is left over is one bar.

    Args:
        axes: of matplotlib.
        values: (features,).
        names: of the features.
        most: how many bars there is room for.
    """
    order = np.argsort(-np.abs(np.nan_to_num(values)), kind="stable")
    top = order[: most if len(order) <= most else most - 1]
    numbers, labels = list(values[top]), [plain(names[i]) for i in top]
    if len(top) < len(order):
        numbers.append(values[order[len(top) :]].sum())
        labels.append(f"{len(order) - len(top)} others")
    places = np.arange(len(numbers))
    drawn = axes.barh(places, numbers, color=[_strong(v) for v in numbers])
    axes.bar_label(drawn, [f"{v:+.2g}" for v in numbers], padding=2, fontsize="small")
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.axvline(0, color="0.5", linewidth=0.8)


def series(axes: Any, values: Array, x: Array | None, names: Sequence[str] | None) -> None:
    """One record over time: a filled curve of one channel, or a strip of colour per channel.

    Args:
        axes: of matplotlib.
        values: (steps, channels).
        x: the series itself, alike, drawn over the strips.
        names: of the channels.
    """
    if values.shape[1] > MOST_CHANNELS:
        axes.set_ylabel(f"sum of {values.shape[1]} channels")
        values, x, names = values.sum(axis=1, keepdims=True), None, None
    if values.shape[1] == 1 and x is None:
        _curve(axes, values[:, 0])
    else:
        _strips(axes, values, x, names or [str(i) for i in range(values.shape[1])])
    axes.set_xlabel("step")


def plain(text: str) -> str:
    """Text for a label of matplotlib, where dollars would begin a formula."""
    return visible(str(text)).replace("$", r"\$")


def _curve(axes: Any, values: Array) -> None:
    edges = np.arange(len(values) + 1) - 0.5
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.stairs(np.maximum(values, 0.0), edges, fill=True, color=css(STRONG_RAISES))
    axes.stairs(np.minimum(values, 0.0), edges, fill=True, color=css(STRONG_LOWERS))
    axes.set_xlim(edges[0], edges[-1])


def _strips(axes: Any, values: Array, x: Array | None, names: Sequence[str]) -> None:
    colors = require("matplotlib.colors", "viz")
    ramp = [css(c) for c in (STRONG_LOWERS, LOWERS, GROUND, RAISES, STRONG_RAISES)]
    cmap = colors.LinearSegmentedColormap.from_list("attributions", ramp)
    axes.set_facecolor("0.8")  # seen where an attribution is missing
    largest = float(np.max(np.abs(np.nan_to_num(values)), initial=0.0)) or 1.0
    image = axes.imshow(values.T, aspect="auto", cmap=cmap, vmin=-largest, vmax=largest)
    axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
    axes.set_yticks(np.arange(len(names)), [plain(n) for n in names])
    if x is None:
        return
    steps = np.arange(len(values))
    for channel, row in enumerate(x.T):
        low, high = float(np.nanmin(row)), float(np.nanmax(row))
        level = (row - low) / (high - low) if high > low else np.full(row.shape, 0.5)
        axes.plot(steps, channel + 0.4 - 0.8 * level, color=css(INK), linewidth=1.0)


def _strong(value: float) -> str:
    return css(STRONG_RAISES if value >= 0 else STRONG_LOWERS)

"""Charts of one record: bars of features, the way from baseline to score, series over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.visualizations.images import Array
from trulens_core.visualizations.look import GREY, SMALL, label, limit, sign_color, signed_map
from trulens_core.visualizations.look import plain as plain
from trulens_core.visualizations.text_colors import INK, css

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
    numbers, labels, _ = strongest(values, names, most)
    places = np.arange(len(numbers))
    axes.barh(places, numbers, color=[sign_color(v) for v in numbers])
    rows(axes, labels, _said(numbers))
    axes.axvline(0, color="0.5", linewidth=0.8)
    axes.set_xlabel("attribution", fontsize=SMALL, color=GREY)


def waterfall(
    axes: Any, values: Array, names: Sequence[str], most: int, ends: tuple[float, float]
) -> None:
    """From the score at the baseline to the record's, a step for each feature.

    Args:
        axes: of matplotlib.
        values: (features,).
        names: of the features.
        most: how many steps there is room for.
        ends: the quantity at the baseline and at the record; what the steps miss is one more.
    """
    numbers, labels, _ = strongest(values, names, most)
    first, last = ends
    missed = last - first - float(np.sum(numbers))
    if abs(missed) > 1e-6 * max(abs(last - first), 1e-12):
        numbers, labels = [*numbers, missed], [*labels, "residual"]
    levels = first + np.concatenate([[0.0], np.cumsum(numbers)])
    places = np.arange(len(numbers))
    left = np.minimum(levels[:-1], levels[1:])
    colors = [
        sign_color(v) if n != "residual" else "0.6" for v, n in zip(numbers, labels, strict=True)
    ]
    axes.barh(places, np.abs(numbers), left=left, color=colors)
    for place, level in enumerate(levels[1:-1]):
        axes.plot([level, level], [place - 0.4, place + 1.4], color="0.6", linewidth=0.8)
    rows(axes, labels, _said(numbers))
    for level in ends:
        axes.axvline(level, color="0.5", linewidth=0.8, linestyle=":")
    said = f"score, from {first:.3g} at the baseline to {last:.3g}"
    axes.set_xlabel(said, fontsize=SMALL, color=GREY)


def _said(numbers: Sequence[float]) -> list[str]:
    """Numbers beside bars; what is lost in the rounding of the largest is 0."""
    least = 1e-12 * max((abs(v) for v in numbers), default=0.0)
    return [f"{v:+.2g}" if not abs(v) <= least else "0" for v in numbers]


def strongest(
    values: Array, names: Sequence[str], most: int
) -> tuple[list[float], list[str], Array]:
    """The numbers that are largest in size, their names and places; the rest is one number."""
    order = np.argsort(-np.abs(np.nan_to_num(values)), kind="stable")
    top = order[: most if len(order) <= most else most - 1]
    numbers, labels = [float(v) for v in values[top]], [label(names[i]) for i in top]
    if len(top) < len(order):
        numbers.append(float(values[order[len(top) :]].sum()))
        labels.append(f"{len(order) - len(top)} others")
    return numbers, labels, top


def rows(axes: Any, labels: Sequence[str], numbers: Sequence[str]) -> None:
    """Names on the left of horizontal bars and numbers on their right, where no bar can be."""
    places = np.arange(len(labels))
    axes.set_yticks(places, labels, fontsize=SMALL)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    at = axes.get_yaxis_transform()
    for place, number in zip(places, numbers, strict=True):
        axes.text(1.02, place, number, transform=at, va="center", fontsize=SMALL - 1, color=GREY)
    axes.tick_params(axis="x", labelsize=SMALL - 1)
    axes.use_sticky_edges = False  # or the longest bar would end at the names
    axes.margins(x=0.04)
    axes.locator_params(axis="x", nbins=4)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def series(
    axes: Any, values: Array, x: Array | None, names: Sequence[str] | None, clip: float = 100
) -> None:
    """One record over time: a filled curve of one channel, or a strip of colour per channel.

    Args:
        axes: of matplotlib.
        values: (steps, channels).
        x: the series itself, alike, drawn over the strips.
        names: of the channels.
        clip: the percentile of sizes that gets full colour.
    """
    if values.shape[1] > MOST_CHANNELS:
        axes.set_ylabel(f"sum of {values.shape[1]} channels", fontsize=SMALL)
        values, x, names = values.sum(axis=1, keepdims=True), None, None
    if values.shape[1] == 1 and x is None:
        _curve(axes, values[:, 0])
    else:
        shown = names or ([""] if values.shape[1] == 1 else _numbered(values.shape[1]))
        _strips(axes, values, x, shown, clip)
    axes.set_xlabel("step", fontsize=SMALL, color=GREY)
    axes.tick_params(labelsize=SMALL - 1)


def _numbered(n: int) -> list[str]:
    return [f"channel {i}" for i in range(n)]


def _curve(axes: Any, values: Array) -> None:
    edges = np.arange(len(values) + 1) - 0.5
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.stairs(np.maximum(values, 0.0), edges, fill=True, color=sign_color(1))
    axes.stairs(np.minimum(values, 0.0), edges, fill=True, color=sign_color(-1))
    axes.set_xlim(edges[0], edges[-1])


def _strips(axes: Any, values: Array, x: Array | None, names: Sequence[str], clip: float) -> None:
    axes.set_facecolor("0.8")  # seen where an attribution is missing
    top = limit(values, clip)
    image = axes.imshow(values.T, aspect="auto", cmap=signed_map(), vmin=-top, vmax=top)
    beyond = bool(np.nanmax(np.abs(values), initial=0.0) > top)
    extend = "both" if beyond else "neither"
    drawn = axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, extend=extend)
    drawn.ax.tick_params(labelsize=SMALL - 1)
    axes.set_yticks(np.arange(len(names)), [label(n) for n in names], fontsize=SMALL)
    if x is None:
        return
    steps = np.arange(len(values))
    for channel, row in enumerate(x.T):
        low, high = float(np.nanmin(row)), float(np.nanmax(row))
        level = (row - low) / (high - low) if high > low else np.full(row.shape, 0.5)
        axes.plot(steps, channel + 0.4 - 0.8 * level, color=css(INK), linewidth=1.0)

"""Patching as a map of layers and tokens; segments of a prompt as bars."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.text.patching_result import PatchingResult
from trulens_core.text.segment_result import SegmentsResult
from trulens_core.visualizations.canvas import arranged, canvas
from trulens_core.visualizations.charts import bars, strongest
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.layer_names import ROOM, layer_names
from trulens_core.visualizations.look import GREY, SMALL, label, limit, signed_map
from trulens_core.visualizations.text_escapes import visible

_FEWEST = 8
"""A new figure is at least so many columns wide, so that there is room for what is written."""
_LINE, _LINES = 40, 2
"""Letters of a line and lines of a label of a bar."""
_COLORS = "orange supports, blue opposes"


def patching_map(result: PatchingResult, *, fig: Any = None, ax: Any = None, most: int = 40) -> Any:
    """What `PatchingResult.plot` does."""
    values, names, what = _columns(result, most)
    shown, left_out = layer_names(result.layers)
    words = 0.075 * max(map(len, shown))  # inches, of letters of this size
    size = 1.5 + words + 0.36 * max(len(names), _FEWEST), 2.1 + 0.36 * len(shown)
    with canvas(size, fig, ax) as given:
        axes = given
        if ax is None:
            arranged(given.figure)
            axes = given.subplots()
        _draw(axes, values, names, shown)
        axes.set_xlabel(what + (f"\n{left_out}" if left_out else ""), fontsize=SMALL, color=GREY)
        axes.set_title(_title(result), fontsize=SMALL + 1, loc="left")
    return given if ax is None else given.figure


def _draw(axes: Any, values: Array, names: Sequence[str], layers: Sequence[str]) -> None:
    top = limit(values, 100)
    image = axes.imshow(
        values, cmap=signed_map(), vmin=-top, vmax=top, aspect="auto", origin="lower"
    )
    axes.set_xticks(range(len(names)), names, fontsize=SMALL, rotation=90)
    axes.set_yticks(range(len(layers)), layers, fontsize=SMALL)
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(layers) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color=GREY, alpha=0.25, linewidth=0.5)
    axes.tick_params(which="both", length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
    bar.ax.tick_params(labelsize=SMALL - 1, length=0)
    bar.outline.set_visible(False)


def _columns(result: PatchingResult, most: int) -> tuple[Array, list[str], str]:
    """What is drawn, (layers, columns), what the columns are called, and what they are."""
    if result.at == "layers":
        values = np.asarray(result.attributions, "float64")
        names = _token_names(result)
        what = f"tokens\n{_COLORS}"
    else:
        values = result.total().astype("float64")
        names = [str(i) for i in range(values.shape[1])]
        what = f"{result.at}, summed over tokens\n{_COLORS}"
    if values.shape[1] > most:
        kept = np.sort(np.argsort(-np.abs(values).max(axis=0), kind="stable")[:most])
        what += f"\nthe {most} largest of {values.shape[1]:,}"
        values, names = values[:, kept], [names[i] for i in kept]
    return values, names, what


def _token_names(result: PatchingResult) -> list[str]:
    found = []
    for i, (a, b) in enumerate(zip(result.clean.pieces, result.corrupted.pieces, strict=True)):
        both = f"{a.strip()} → {b.strip()}" if i in result.changed else a.strip()
        found.append(label(both or "·", ROOM))
    return found


def _title(result: PatchingResult) -> str:
    ends = f"{result.quantity:.3g} clean, {result.corrupted_quantity:.3g} corrupted"
    return f"{label(result.asked, 42)}\n{ends}" if result.asked else ends


def segment_bars(result: SegmentsResult, *, fig: Any = None, ax: Any = None, most: int = 20) -> Any:
    """What `SegmentsResult.plot` does."""
    values, names = result.total(), [_in_lines(s) for s in result.segments]
    numbers, left, top = strongest(values, result.segments, most)
    shown = [*(names[i] for i in top.tolist()), *left[len(top) :]]
    lines = max((name.count("\n") for name in shown), default=0) + 1
    words = 0.07 * max((len(x) for name in shown for x in name.split("\n")), default=0)
    size = 4.6 + words, 1.4 + (0.12 + 0.18 * lines) * len(numbers)
    with canvas(size, fig, ax) as given:
        axes = given
        if ax is None:
            arranged(given.figure)
            axes = given.subplots()
        bars(axes, values, result.segments, most)
        axes.set_yticks(range(len(shown)), shown, fontsize=SMALL)
        axes.set_xlabel("attribution\norange raises, blue lowers", fontsize=SMALL, color=GREY)
        axes.set_title(label(result.asked, 60), fontsize=SMALL + 1, loc="left")
    return given if ax is None else given.figure


def _in_lines(segment: str) -> str:
    """A part as a label of up to two lines, of which the end is left out before the beginning."""
    found = textwrap.wrap(" ".join(visible(segment).split()), _LINE) or ["·"]
    if len(found) > _LINES:
        found = [*found[: _LINES - 1], f"{found[_LINES - 1][: _LINE - 2]} …"]
    return "\n".join(found).replace("$", r"\$")

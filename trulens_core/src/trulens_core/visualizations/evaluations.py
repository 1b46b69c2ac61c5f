"""A figure of what metrics say of explanations: curves, and means with their standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trulens_core.visualizations.canvas import arranged, canvas
from trulens_core.visualizations.look import GREY, SMALL, label

if TYPE_CHECKING:
    from trulens_core.metrics.evaluation import Evaluation
    from trulens_core.metrics.scores import Score

_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f6000")
"""Of methods; they differ for colour-blind eyes too (Okabe and Ito)."""
_LINES = ("-", "--", "-.", ":")
_COLUMNS = 3
_SHARES = {"Deletion": "share taken out", "Insertion": "share put back"}
"""What the horizontal axis of a curve is."""


def draw(found: Evaluation, fig: Any = None) -> Any:
    """What `Evaluation.plot` does.

    Curves are means over records, with a band of a standard error; what knows nothing is grey.
    """
    curves = [m for m in found.metrics if any(_curve(own, m) for own in found.scores.values())]
    n = len(curves) + len(found.metrics)
    columns = min(_COLUMNS, n)
    rows = -(-n // columns)
    styles = _styles(list(found.scores), found.guesses)
    height = max(2.4, 0.9 + 0.28 * len(found.scores))
    with canvas((4.4 * columns, height * rows + 0.5), fig) as figure:
        arranged(figure.figure)
        every = figure.subplots(rows, columns, squeeze=False).reshape(-1)
        for axes, metric in zip(every, curves, strict=False):
            _curves(axes, metric, found.scores, styles)
        for axes, metric in zip(every[len(curves) :], found.metrics, strict=False):
            _means(axes, metric, found, styles)
        for axes in every[n:]:
            axes.set_axis_off()
        handles, names = every[0].get_legend_handles_labels()
        if curves:
            figure.legend(
                handles, names, loc="outside lower center", ncols=6, fontsize=SMALL, frameon=False
            )
    return figure


def _curve(own: Mapping[str, Score], metric: str) -> Any:
    return own[metric].curve if metric in own else None


def _styles(names: Sequence[str], guesses: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colours of methods, in order; grey, and each its line, for what knows nothing."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        i = len(found) - sum(n in guesses for n in found)
        if name in guesses:
            found[name] = {"color": GREY, "linestyle": _LINES[1 + guesses.index(name) % 3]}
        else:
            line = _LINES[i % len(_LINES)]  # of equal curves each is seen through the other
            found[name] = {"color": _COLORS[i % len(_COLORS)], "linestyle": line}
    return found


def _curves(
    axes: Any,
    metric: str,
    scores: Mapping[str, Mapping[str, Score]],
    styles: Mapping[str, dict[str, Any]],
) -> None:
    steps = None
    for name, own in scores.items():
        curve = _curve(own, metric)
        if curve is None:
            continue
        mean, n = np.nanmean(curve.values, axis=0), len(curve.values)
        axes.plot(curve.at, mean, label=label(name), linewidth=1.6, **styles[name])
        if n > 1:
            error = np.nanstd(curve.values, axis=0, ddof=1) / np.sqrt(n)
            color = styles[name]["color"]
            axes.fill_between(
                curve.at, mean - error, mean + error, color=color, alpha=0.15, linewidth=0
            )
        steps = curve.steps
    axes.set_title(metric, fontsize=SMALL + 1)
    if steps is None:
        axes.set_xlabel(_SHARES.get(metric, "share of the record"), fontsize=SMALL)
        axes.set_ylabel("quantity", fontsize=SMALL)
    else:
        named = [label(s, 14) for s in steps]
        turned = {"rotation": 30, "ha": "right"} if max(map(len, named), default=0) > 3 else {}
        axes.set_xticks(range(len(steps)), named, **turned)
        axes.set_xlabel("layers that forget", fontsize=SMALL)
        axes.set_ylabel("similarity", fontsize=SMALL)
    _quiet(axes)


def _means(axes: Any, metric: str, found: Evaluation, styles: Mapping[str, dict[str, Any]]) -> None:
    judged = [(n, own[metric]) for n, own in found.scores.items() if metric in own]
    for place, (name, score) in enumerate(judged):
        error = score.standard_error
        axes.errorbar(
            score.mean,
            place,
            xerr=None if np.isnan(error) else error,
            fmt="o",
            markersize=5,
            color=styles[name]["color"],
        )
    axes.set_yticks(range(len(judged)), [label(n) for n, _ in judged])
    axes.set_ylim(len(judged) - 0.5, -0.5)
    better = judged[0][1].better if judged else None
    said = "" if better is None else f" ({better} is better)"
    axes.set_title(metric + said, fontsize=SMALL + 1)
    axes.set_xlabel("mean ± standard error over records", fontsize=SMALL, color=GREY)
    axes.locator_params(axis="x", nbins=5)
    _quiet(axes)


def _quiet(axes: Any) -> None:
    axes.tick_params(labelsize=SMALL - 1)
    axes.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)

"""Charts of many records: which features count, which way, and how that depends on their value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.visualizations.charts import rows
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.look import GREY, SMALL, label, sign_color

MOST_DOTS = 1500
"""The dots of one feature."""
_BINS = 60
_VALUES = "cividis"
"""From dark to bright: what a feature's value is, which is no sign."""


def ranked(values: Array, most: int) -> tuple[Array, Array]:
    """The features with the largest mean size, the largest first, and these means."""
    means = np.abs(np.nan_to_num(values)).mean(axis=0)
    return np.argsort(-means, kind="stable")[:most], means


def spread(axes: Any, values: Array, names: Sequence[str], most: int) -> None:
    """Bars of the mean size of each feature's attribution, with its standard error.

    Args:
        axes: of matplotlib.
        values: (records, features).
        names: of the features.
        most: how many bars there is room for.
    """
    order, means = ranked(values, most)
    n = len(values)
    sizes = np.abs(np.nan_to_num(values[:, order]))
    errors = sizes.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(len(order))
    places = np.arange(len(order))
    raise_ = np.nan_to_num(values[:, order]).mean(axis=0)
    colors = [sign_color(v) for v in raise_]
    axes.barh(places, means[order], color=colors)
    axes.errorbar(means[order], places, xerr=errors, fmt="none", ecolor="0.2", elinewidth=1)
    numbers = [f"{m:.2g} ± {e:.1g}" for m, e in zip(means[order], errors, strict=True)]
    rows(axes, _labels(names, order), numbers)
    more = len(means) - len(order)
    said = f"mean |attribution| over {n:,} records; orange raises on average, blue lowers"
    _below(axes, said, more)


def beeswarm(axes: Any, values: Array, x: Array | None, names: Sequence[str], most: int) -> None:
    """A dot for each record and feature, at its attribution, in the colour of the feature's value.

    Args:
        axes: of matplotlib.
        values: (records, features).
        x: the features' values, alike.
        names: of the features.
        most: how many features there is room for.
    """
    order, means = ranked(values, most)
    drawn = None
    for place, feature in enumerate(order):
        column = np.nan_to_num(values[:, feature])
        kept = chosen_dots(column)
        heights = place + 0.4 * heaped(column[kept])
        colors: dict[str, Any] = {"color": sign_color(1)}
        if x is not None:
            part = _part_of_range(x[:, feature])[kept]
            colors = {"c": part, "cmap": _VALUES, "vmin": 0.0, "vmax": 1.0}
        drawn = axes.scatter(column[kept], heights, s=7, linewidths=0, rasterized=True, **colors)
    rows(axes, _labels(names, order), [f"{means[f]:.2g}" for f in order])
    axes.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    if x is not None and drawn is not None:
        bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.03, pad=0.12, ticks=[0, 1])
        bar.ax.set_yticklabels(["low", "high"], fontsize=SMALL - 1)
        bar.set_label("the feature's value", fontsize=SMALL, color=GREY)
    n = len(values)
    some = f" ({MOST_DOTS:,} drawn)" if n > MOST_DOTS else ""
    said = f"attribution, {n:,} records{some}; on the right the mean size"
    _below(axes, said, len(means) - len(order))


def dependence(axes: Any, values: Array, x: Array, name: str) -> None:
    """One feature's attributions against its values, a dot for each record.

    Args:
        axes: of matplotlib.
        values: (records,).
        x: the feature's values, (records,).
        name: of the feature.
    """
    kept = chosen_dots(x)
    shown = values[kept]
    for sign in (1, -1):
        mine = (shown >= 0) if sign > 0 else (shown < 0)
        axes.scatter(
            x[kept][mine], shown[mine], s=12, linewidths=0, color=sign_color(sign), rasterized=True
        )
    axes.axhline(0, color="0.5", linewidth=0.8, zorder=0)
    axes.set_xlabel(label(name), fontsize=SMALL)
    axes.set_ylabel(f"attribution of {label(name, 20)}", fontsize=SMALL)
    axes.tick_params(labelsize=SMALL - 1)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def chosen_dots(values: Array) -> Array:
    """Places of as many numbers as are drawn: all, or both ends and others by chance."""
    n = len(values)
    if n <= MOST_DOTS:
        return np.arange(n)
    some = np.random.default_rng(0).choice(n, MOST_DOTS - 2, replace=False)
    return np.concatenate([some, [values.argmin(), values.argmax()]])


def heaped(values: Array) -> Array:
    """For each number a height from -1 to 1: what is near one another is heaped up."""
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if high <= low:
        return np.zeros(len(values))
    bins = np.minimum(((values - low) / (high - low) * _BINS).astype(int), _BINS - 1)
    order = np.argsort(bins, kind="stable")
    counts = np.bincount(bins, minlength=_BINS)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.empty(len(values), int)
    rank[order] = np.arange(len(values)) - starts[bins[order]]
    sides = np.where(rank % 2, 1.0, -1.0) * ((rank + 1) // 2)
    return np.asarray(sides / max(float(counts.max()) / 2, 8.0))


def _part_of_range(x: Array) -> Array:
    """Where values lie between their 5th and 95th percentiles, which outliers do not stretch."""
    low, high = np.nanpercentile(x, [5, 95])
    if high <= low:
        low, high = float(np.nanmin(x)), float(np.nanmax(x))
    return np.asarray(np.clip((x - low) / ((high - low) or 1.0), 0.0, 1.0))


def _labels(names: Sequence[str], order: Array) -> list[str]:
    return [label(names[i]) for i in order]


def _below(axes: Any, said: str, more: int) -> None:
    left = f"\n… and {more:,} more features" if more > 0 else ""
    axes.set_xlabel(f"{said}{left}", fontsize=SMALL, color=GREY)


def check_values(x: Array | None, values: Array, kind: str) -> Array:
    """The features' values, (records, features), which some charts cannot do without."""
    if x is None:
        raise ValueError(f"kind={kind!r} shows the features' values: give them as x=")
    found = x.reshape(len(x), -1)
    if found.shape != values.shape:
        raise ValueError(f"x has shape {x.shape}, and attributions {values.shape}")
    return found

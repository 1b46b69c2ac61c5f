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


def ranked(values: Array, most: int) -> Array:
    """The features with the largest mean size, the largest first."""
    means = np.abs(np.nan_to_num(values)).mean(axis=0)
    return np.argsort(-means, kind="stable")[:most]


def _rows(values: Array, names: Sequence[str], most: int) -> tuple[Array, Array, list[str]]:
    """What the rows of a chart show: the strongest features, and the sum of those left out."""
    order = ranked(values, most)
    known = np.nan_to_num(values)
    shown, labels = known[:, order], [label(names[i]) for i in order]
    more = values.shape[1] - len(order)
    if more:
        others = known.sum(axis=1) - shown.sum(axis=1)
        shown = np.concatenate([shown, others[:, None]], axis=1)
        labels.append(f"{more:,} others, together")
    return shown, order, labels


def spread(axes: Any, values: Array, names: Sequence[str], most: int) -> None:
    """Bars of the mean size of each feature's attribution, with its standard error.

    Args:
        axes: of matplotlib.
        values: (records, features).
        names: of the features.
        most: how many bars there is room for.
    """
    shown, order, labels = _rows(values, names, most)
    n = len(values)
    sizes = np.abs(shown)
    means = sizes.mean(axis=0)
    errors = sizes.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(len(means))
    places = np.arange(len(means))
    axes.barh(places, means, color=[sign_color(v) for v in shown.mean(axis=0)])
    axes.errorbar(means, places, xerr=errors, fmt="none", ecolor="0.2", elinewidth=1)
    said = [f"{m:.2g}" for m in means]
    if n > 1:  # one record's mean has an error, which is not known
        said = [f"{m} ± {e:.1g}" for m, e in zip(said, errors, strict=True)]
    rows(axes, labels, said)
    if len(means) > len(order):
        ends = means[:-1] + errors[:-1]
        _kept_in_scale(axes, [0.0, float(ends.max())], [float(means[-1])])
    _below(axes, f"mean |attribution| over {_records(n)}; orange raises on average, blue lowers")


def beeswarm(axes: Any, values: Array, x: Array | None, names: Sequence[str], most: int) -> None:
    """A dot for each record and feature, at its attribution, in the colour of the feature's value.

    Of its sign, where values are not known.

    Args:
        axes: of matplotlib.
        values: (records, features).
        x: the features' values, alike.
        names: of the features.
        most: how many features there is room for.
    """
    shown, order, labels = _rows(values, names, most)
    drawn = None
    for place, column in enumerate(shown.T):
        kept = chosen_dots(column)
        heights = place + 0.4 * heaped(column[kept])
        of_sign = [sign_color(v) for v in column[kept]]
        colors: dict[str, Any] = {"color": GREY if place == len(order) else of_sign}
        if x is not None and place < len(order):
            part = _part_of_range(x[:, order[place]])[kept]
            colors = {"c": part, "cmap": _VALUES, "vmin": 0.0, "vmax": 1.0}
        dots = axes.scatter(column[kept], heights, s=7, linewidths=0, rasterized=True, **colors)
        drawn = dots if drawn is None else drawn
    rows(axes, labels, [f"{m:.2g}" for m in np.abs(shown).mean(axis=0)])
    axes.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    if x is not None and drawn is not None:
        bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.03, pad=0.12, ticks=[0, 1])
        bar.ax.set_yticklabels(["low", "high"], fontsize=SMALL - 1)
        bar.set_label("the feature's value", fontsize=SMALL, color=GREY)
    if shown.shape[1] > len(order):
        _kept_in_scale(axes, shown[:, :-1], shown[:, -1])
    n = len(values)
    some = f" ({MOST_DOTS:,} drawn)" if n > MOST_DOTS else ""
    _below(axes, f"attribution, {_records(n)}{some}; on the right the mean size")


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


def _kept_in_scale(axes: Any, features: Any, others: Any) -> None:
    """Ends the axis where features end, and says on it where the sum of the others goes on.

    Of a thousand features the sum of those left out can be many times the largest one shown.
    """
    low, high = min(0.0, float(np.min(features))), max(0.0, float(np.max(features)))
    room = 0.04 * ((high - low) or 1.0)
    beyond = float(np.min(others)) < low - room, float(np.max(others)) > high + room
    if high == low or not any(beyond):
        return
    axes.set_xlim(low - room if low or beyond[0] else 0.0, high + room)
    place, at = axes.get_ylim()[0] - 0.5, axes.get_yaxis_transform()
    for part, goes_on, side in ((0.0, beyond[0], "left"), (1.0, beyond[1], "right")):
        if goes_on:
            arrow = "◀" if side == "left" else "▶"
            axes.text(part, place, arrow, transform=at, va="center", ha=side, fontsize=SMALL + 2)


def _records(n: int) -> str:
    return "1 record" if n == 1 else f"{n:,} records"


def _below(axes: Any, said: str) -> None:
    axes.set_xlabel(said, fontsize=SMALL, color=GREY)


def check_values(x: Array | None, values: Array, kind: str) -> Array:
    """The features' values, (records, features), which some charts cannot do without."""
    if x is None:
        raise ValueError(f"kind={kind!r} shows the features' values: give them as x=")
    found = x.reshape(len(x), -1)
    if found.shape != values.shape:
        raise ValueError(f"x has shape {x.shape}, and attributions {values.shape}")
    return found

"""The picture that fits an explanation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from math import isqrt
from typing import Any

import numpy as np

from trulens_core.optional import require
from trulens_core.results.fields import ResultFields
from trulens_core.results.parts import Part, parts
from trulens_core.results.records import rows_of
from trulens_core.results.tables import explained
from trulens_core.visualizations import image_panels, summaries
from trulens_core.visualizations.canvas import arranged, canvas
from trulens_core.visualizations.channel_panels import Channels, channels_first
from trulens_core.visualizations.charts import bars, series, waterfall
from trulens_core.visualizations.images import COLOR_COUNTS, Array, as_array
from trulens_core.visualizations.look import (
    GREY,
    SMALL,
    check_clip,
    feature_names,
    plain,
    title,
    title_of_all,
)
from trulens_core.visualizations.result_parts import kind_of
from trulens_core.visualizations.result_texts import Texts, texts
from trulens_core.visualizations.text_outputs import TextPicture

MOST_RECORDS = 4
"""Records that are drawn where it is not said which."""
MOST_CHARTS = 36
"""Records that one figure has room for."""
OVER_RECORDS = ("beeswarm", "global", "dependence")


@dataclasses.dataclass(frozen=True)
class Choices:
    """The options of `AttributionResult.plot`."""

    kind: str | None = None
    x: Any = None
    tokens: Sequence[Sequence[str]] | None = None
    names: Sequence[str] | None = None
    records: Sequence[int] | None = None
    channel_axis: int | None = None
    clip: float = 99
    most: int | None = None
    feature: int | str | None = None
    words: bool = False
    hidden_tokens: Sequence[str] = ()
    fig: Any = None
    ax: Any = None


def plotted(result: ResultFields, c: Choices) -> Any:
    """What `AttributionResult.plot` does."""
    check_clip(c.clip)
    found = parts(result)
    known: Mapping[str, Any] = result.names or {}
    tokens = known.get("tokens") if c.tokens is None else c.tokens
    if c.kind is None and tokens is not None:
        c = dataclasses.replace(c, kind="text")
    kinds = [kind_of(p.values, c.kind) for p in found]
    if "text" in kinds:
        chosen = chosen_records(c.records, found[0].values)
        return texts(Texts(result, tokens, c.words, frozenset(c.hidden_tokens)), found, chosen)
    require("matplotlib", "viz")
    chosen = chosen_records(c.records, found[0].values, MOST_CHARTS)
    names = known.get("features") if c.names is None else c.names
    plot = _Plot(result, chosen, names, c)
    values = [as_array(c.x, "x")] * len(found) if c.x is not None else explained(result)
    of_each = zip(found, kinds, values, strict=True)
    return _painted(plot, found, [plot.drawing(p.values, k, x) for p, k, x in of_each])


def _painted(plot: _Plot, found: Sequence[Part], drawn: Sequence[_Drawing]) -> Any:
    c, n = plot.c, len(found[0].values)
    of_all = kind_of(found[0].values, c.kind) in OVER_RECORDS
    if c.ax is not None and (len(found) > 1 or (len(plot.chosen) > 1 and not of_all)):
        raise ValueError(
            f"ax= has room for one picture; these are {len(plot.chosen)} records of {len(found)} "
            "arrays: choose one with records=[0], or give fig="
        )
    size = max(d.size[0] for d in drawn), sum(d.size[1] for d in drawn)
    with canvas(size, c.fig, c.ax) as given:
        _paint(given, found, drawn, c.ax is not None)
        if c.fig is None and c.ax is None and not of_all:
            said = ["blue lowers, orange raises"]
            asked = n if c.records is None else len(c.records)
            if len(plot.chosen) < asked:
                said.append(f"{len(plot.chosen)} of {asked:,} records: records= chooses others")
            given.supxlabel("; ".join(said), fontsize=SMALL - 1, color=GREY)
    return given if c.ax is None else given.figure


@dataclasses.dataclass(frozen=True)
class _Drawing:
    """How one array is drawn: on a figure of a size, or on axes if it is one chart."""

    size: tuple[float, float]
    on_figure: Callable[[Any], None]
    on_axes: Callable[[Any], None] | None = None


def _paint(given: Any, found: Sequence[Part], drawn: Sequence[_Drawing], axes: bool) -> None:
    if axes:
        if drawn[0].on_axes is None:
            raise ValueError("this picture has several panels: give fig= in place of ax=")
        drawn[0].on_axes(given)
        return
    arranged(given.figure)  # a part of a figure has its whole there
    if len(drawn) == 1:
        drawn[0].on_figure(given)
        return
    heights, widest = [d.size[1] for d in drawn], max(d.size[0] for d in drawn)
    rows = given.subfigures(len(drawn), squeeze=False, height_ratios=heights)[:, 0]
    for part, each, whole in zip(found, drawn, rows, strict=True):
        own, rest = each.size[0], widest - each.size[0]
        # what is narrower stands on the left, as wide as it is alone
        row = whole.subfigures(1, 2, width_ratios=[own, rest])[0] if rest > 0 else whole
        row.suptitle(plain(part.name), fontsize=SMALL + 2, weight="bold", x=0.01, ha="left")
        each.on_figure(row)


@dataclasses.dataclass(frozen=True)
class _Plot:
    """What all arrays of a result are drawn with."""

    result: ResultFields
    chosen: list[int]
    names: Sequence[str] | None
    c: Choices

    def drawing(self, values: Array, kind: str, x: Array | None) -> _Drawing:
        """How one array is drawn."""
        if kind in ("image", "channels"):
            return self._images(values[self.chosen], kind, x)
        if kind in OVER_RECORDS:
            return self._summary(values, kind, x)
        return self._charts(values, kind, x)

    def _images(self, values: Array, kind: str, x: Array | None) -> _Drawing:
        x = explained_image(self.result) if self.c.x is None else x
        shown = None if x is None else image_panels.pictures_of(x[self.chosen], self.c.channel_axis)
        axis = self.c.channel_axis if self.c.channel_axis is not None else _known(self.result)
        if kind == "channels":
            return self._channels(channels_first(values, axis), shown)
        drawn = image_panels.maps_of(
            values, shown, image_panels.map_axis(values, axis), self.c.clip
        )
        height, width = drawn[0].values.shape
        size = image_panels.size_of(len(self.chosen), 1 if shown is None else 3, height / width)

        def on_figure(figure: Any) -> None:
            image_panels.rows(figure, self.result, self.chosen, drawn, shown)

        def on_axes(axes: Any) -> None:
            picture = drawn[0].colors() if shown is None else drawn[0].over(shown[0])
            image_panels.panel(axes, picture, "")
            axes.set_title(title(self.result, self.chosen[0]), fontsize=SMALL + 1)
            image_panels.bar(drawn[0], axes)

        return _Drawing(size, on_figure, on_axes)

    def _channels(self, maps: Array, shown: Array | None) -> _Drawing:
        titles = [title(self.result, r, 80) for r in self.chosen]
        found = Channels(maps, titles, shown, self.c.most or 6, self.c.clip)
        ratio = 1.0 if shown is None else shown.shape[1] / shown.shape[2]
        return _Drawing(image_panels.size_of(len(titles), found.panels, ratio), found.draw)

    def _summary(self, values: Array, kind: str, x: Array | None) -> _Drawing:
        flat = values.reshape(len(values), -1)
        labels = feature_names(self.names, flat.shape[1])
        most = self.c.most or 20
        given = None if x is None else summaries.check_values(x, flat, kind)
        said = title_of_all(self.result)
        if kind == "dependence":
            feature = _feature(self.c.feature, labels)
            against = summaries.check_values(x, flat, kind)[:, feature]

            def draw(axes: Any) -> None:
                summaries.dependence(axes, flat[:, feature], against, labels[feature])
                axes.set_title(said, fontsize=SMALL + 1)
        elif kind == "global":

            def draw(axes: Any) -> None:
                summaries.spread(axes, flat, labels, most)
                axes.set_title(said, fontsize=SMALL + 1)
        else:

            def draw(axes: Any) -> None:
                summaries.beeswarm(axes, flat, given, labels, most)
                axes.set_title(said, fontsize=SMALL + 1)

        rows = 10 if kind == "dependence" else min(most, flat.shape[1] - 1) + 1
        return _Drawing((7.0, 0.32 * rows + 1.3), lambda figure: draw(figure.subplots()), draw)

    def _charts(self, values: Array, kind: str, x: Array | None) -> _Drawing:
        over_time = kind == "series"
        # time goes on to the right, so series stand below one another
        columns = 1 if over_time else isqrt(max(len(self.chosen) - 1, 0)) + 1
        rows = -(-len(self.chosen) // columns)
        flat = values.reshape(len(values), -1)
        most = self.c.most or (15 if rows == 1 else 8)
        labels = [] if over_time else feature_names(self.names, flat.shape[1])
        ends = _ends(self.result) if kind == "waterfall" else None

        def draw(axes: Any, record: int) -> None:
            if over_time:
                given = None if x is None or x.shape != values.shape else _columns(x[record])
                series(axes, _columns(values[record]), given, self.names, self.c.clip)
            elif ends is not None:
                first, last = ends
                own = float(np.ravel(first)[record]), float(np.ravel(last)[record])
                waterfall(axes, flat[record], labels, most, own)
            else:
                bars(axes, flat[record], labels, most)
            room = 60 if columns == 1 else 40
            axes.set_title(title(self.result, record, room), fontsize=SMALL + 1)

        def on_figure(figure: Any) -> None:
            every = figure.subplots(rows, columns, squeeze=False).reshape(-1)
            for axes in every[len(self.chosen) :]:
                axes.set_axis_off()
            for axes, record in zip(every, self.chosen, strict=False):
                draw(axes, record)

        bars_shown = min(most, flat.shape[1]) + 1
        height = 0.9 + 0.35 * min(values.shape[-1], 16) if over_time else 0.9 + 0.26 * bars_shown
        size = (8.0 if over_time else 2.0 + 4.2 * columns, max(2.2, rows * height))
        return _Drawing(size, on_figure, lambda axes: draw(axes, self.chosen[0]))


def _known(result: ResultFields) -> int | None:
    return (result.method or {}).get("channel_axis")


def explained_image(result: ResultFields) -> Array | None:
    """The one picture that a model was given, over which a layer's maps are shown."""
    leaves = getattr(result.inputs, "leaves", ())
    found = [as_array(leaf.value, "x") for leaf in leaves if getattr(leaf.value, "ndim", 0) == 4]
    return found[0] if len(found) == 1 and drawable(found[0]) else None


def drawable(x: Array) -> bool:
    """Whether an axis has as many channels as a picture has."""
    return x.ndim == 4 and bool({x.shape[1], x.shape[3]} & set(COLOR_COUNTS))


def _feature(chosen: int | str | None, labels: Sequence[str]) -> int:
    if isinstance(chosen, str) and chosen in labels:
        return list(labels).index(chosen)
    if isinstance(chosen, int) and 0 <= chosen < len(labels):
        return chosen
    raise ValueError(
        f"kind='dependence' shows one feature, and feature={chosen!r} is none: give its name or "
        f"its number, below {len(labels)}"
    )


def _ends(result: ResultFields) -> tuple[Array, Array]:
    first, last = result.baseline_quantity, result.quantity
    if rows_of(result) is not None:
        raise ValueError(
            "a waterfall leads from the score at the baseline to the record's, and a row is only a "
            "part of what its record has; leave kind= out, or add the rows up"
        )
    if first is None or last is None or len(getattr(last, "shape", ())) != 1:
        raise ValueError(
            "a waterfall leads from the score at the baseline to the record's, and this result "
            "has none for one quantity: explain() of integrated or expected gradients does"
        )
    return as_array(first, "baseline_quantity"), as_array(last, "quantity")


def chosen_records(
    records: Sequence[int] | None, values: Array, most: int | None = None
) -> list[int]:
    """Which records are drawn: those named, at the most so many, or the first few."""
    if records is None:
        return list(range(min(MOST_RECORDS, len(values))))
    if isinstance(records, int):
        raise ValueError(f"records is {records}; it must be a list, such as [{records}]")
    for r in records:
        if not -len(values) <= r < len(values):
            raise IndexError(f"records has {r}, but there are {len(values)} records")
    return [int(r) % len(values) for r in records][:most]


def _columns(own: Array) -> Array:
    """One record as (steps, channels)."""
    return own.reshape(len(own), -1)


__all__ = ["Choices", "TextPicture", "chosen_records", "plotted"]

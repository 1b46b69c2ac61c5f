"""The picture that fits an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any

import numpy as np

from trulens_core.optional import require
from trulens_core.visualizations.charts import bars, plain, series
from trulens_core.visualizations.colors import SIGNED
from trulens_core.visualizations.heatmaps import HeatmapVisualizer
from trulens_core.visualizations.images import Array, as_array
from trulens_core.visualizations.maps import Visualizer
from trulens_core.visualizations.pictures import painted
from trulens_core.visualizations.result_parts import Part, kind_of, parts_of, summed
from trulens_core.visualizations.text_lines import Column, TextLine, Token
from trulens_core.visualizations.text_outputs import TextPicture

MOST_RECORDS = 4
"""Records that are drawn where it is not said which."""


def plotted(  # noqa: PLR0913  # the options of `AttributionResult.plot`
    attributions: Any,
    kind: str | None,
    x: Any,
    tokens: Sequence[Sequence[str]] | None,
    names: Sequence[str] | None,
    records: Sequence[int] | None,
    channel_axis: int | None,
    fig: Any,
) -> TextPicture | None:
    """What `AttributionResult.plot` does."""
    parts = parts_of(attributions)
    kinds = [
        kind_of(p.values, "text" if kind is None and tokens is not None else kind) for p in parts
    ]
    shown = [Part(p.name, p.values[chosen_records(records, p.values)]) for p in parts]
    chosen = chosen_records(records, parts[0].values)
    if "text" in kinds:
        return _texts(shown, tokens, chosen)
    require("matplotlib", "viz")
    given = None if x is None else as_array(x, "x")[chosen]

    def paint(figure: Any) -> None:
        arrange(figure.figure)  # a part of a figure has its whole there
        rows = figure.subfigures(len(shown), squeeze=False)[:, 0] if len(shown) > 1 else [figure]
        for part, drawn, row in zip(shown, kinds, rows, strict=True):
            if part.name:
                row.suptitle(plain(part.name))
            if drawn == "image":
                _images(part.values, given, channel_axis, row)
            else:
                _charts(part.values, drawn == "series", given, names, chosen, row)

    painted(paint, fig)
    return None


def chosen_records(records: Sequence[int] | None, values: Array) -> list[int]:
    """Which records are drawn: those named, or the first few."""
    if records is None:
        return list(range(min(MOST_RECORDS, len(values))))
    for r in records:
        if not -len(values) <= r < len(values):
            raise IndexError(f"records has {r}, but there are {len(values)} records")
    return [int(r) % len(values) for r in records]


def _texts(
    parts: list[Part], tokens: Sequence[Sequence[str]] | None, chosen: list[int]
) -> TextPicture:
    lines = []
    for place, record in enumerate(chosen):
        columns = []
        for part in parts:
            if part.values.ndim < 2:
                raise ValueError(
                    f"texts have attributions (records, tokens, ...), not {part.values.shape}"
                )
            values = summed(part.values)[place]
            words = [str(i) for i in range(len(values))] if tokens is None else list(tokens[record])
            if len(words) != len(values):
                raise ValueError(
                    f"record {record} has {len(words)} tokens, but attributions for {len(values)}"
                )
            cells = [Token(w, float(v)) for w, v in zip(words, values, strict=True)]
            columns.append(Column(tuple(cells), part.name))
        lines.append(TextLine(tuple(columns)))
    return TextPicture(tuple(lines))


def _images(values: Array, x: Array | None, channel_axis: int | None, fig: Any) -> None:
    if x is None:
        Visualizer(combine_channels=True, channel_axis=channel_axis)(values, fig=fig)
    else:
        HeatmapVisualizer(blur=0, cmap=SIGNED, channel_axis=channel_axis)(values, x, fig=fig)


def _charts(
    values: Array,
    over_time: bool,
    x: Array | None,
    names: Sequence[str] | None,
    chosen: list[int],
    fig: Any,
) -> None:
    # time goes on to the right, so series stand below one another
    columns = 1 if over_time else isqrt(len(chosen) - 1) + 1
    rows = -(-len(chosen) // columns)
    every = fig.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes in every[len(chosen) :]:
        axes.set_axis_off()
    for place, (axes, record) in enumerate(zip(every, chosen, strict=False)):
        axes.set_title(f"record {record}", fontsize="medium")
        own = values[place]
        if over_time:
            series(axes, _columns(own), None if x is None else _columns(x[place]), names)
        else:
            flat = np.atleast_1d(own).reshape(-1)
            bars(axes, flat, _feature_names(names, flat.size), most=15 if rows == 1 else 8)


def arrange(root: Any) -> None:
    """Room for all labels, unless the figure has something on it that is its owner's."""
    if not root.axes and root.get_layout_engine() is None:
        root.set_layout_engine("constrained")


def _columns(own: Array) -> Array:
    """One record as (steps, channels)."""
    return own.reshape(len(own), -1)


def _feature_names(names: Sequence[str] | None, n: int) -> list[str]:
    if names is None:
        return [str(i) for i in range(n)]
    if len(names) != n:
        raise ValueError(f"names has {len(names)} names, but there are {n} features")
    return [str(name) for name in names]

"""Several methods side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.attribution import AttributionMethod
from trulens_core.inputs import ModelInputs
from trulens_core.results import AttributionResult
from trulens_core.results.arrays import host, is_array
from trulens_core.results.parts import parts
from trulens_core.results.records import named
from trulens_core.visualizations import image_panels
from trulens_core.visualizations.canvas import WIDEST, arranged, canvas
from trulens_core.visualizations.images import Array, as_array
from trulens_core.visualizations.look import GREY, SMALL, check_clip, label, title
from trulens_core.visualizations.result_plots import (
    MOST_CHARTS,
    chosen_records,
    drawable,
    explained_image,
)


def compare(
    explanations: Mapping[str, Any],
    x: Any = None,
    *,
    records: Sequence[int] | None = None,
    channel_axis: int | None = None,
    clip: float = 99,
    fig: Any = None,
) -> Any:
    """Show what several methods say of the same records: a row for each, a column a method.

    Of images each panel has its own scale, as methods have their own units; of anything else each
    method has its own picture, as `AttributionResult.plot` draws it.

    Args:
        explanations: by the name of a column, a result, or a method that explains x.
        x: what methods explain, and images are shown over: an array or tensor, or a `ModelInputs`.
        records: which records; None is the first four.
        channel_axis: of images.
        clip: the percentile of sizes that gets full colour.
        fig: the figure to draw on; None is a new one.

    Returns:
        The figure.

    Raises:
        ValueError: for nothing to compare, methods without x, and results of other records.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from trulens_core import InputAttribution, Saliency
        >>> from trulens_core.testing import small_image_model
        >>> model, x = small_image_model()
        >>> found = {"saliency": Saliency(model), "input x gradient": InputAttribution(model)}
        >>> figure = compare(found, x, fig=Figure())
    """
    check_clip(clip)
    if not isinstance(explanations, Mapping):
        raise ValueError("give compare a mapping, {'a name': a result or a method, ...}")
    results = {name: _result(name, given, x) for name, given in explanations.items()}
    if not results:
        raise ValueError("there is nothing to compare; give a mapping from names to results")
    if len({len(r) for r in results.values()}) > 1:
        counts = ", ".join(f"{name}: {len(r)}" for name, r in results.items())
        raise ValueError(f"the results are of different numbers of records ({counts})")
    values = {name: parts(r) for name, r in results.items()}
    if any(len(found) > 1 or found[0].values.ndim != 4 for found in values.values()):
        return _pictures(results, records, fig)
    first = _first(results)
    chosen = chosen_records(records, next(iter(values.values()))[0].values, MOST_CHARTS)
    image = _image(first, x)
    shown = None if image is None else image_panels.pictures_of(image[chosen], channel_axis)
    maps = {
        name: image_panels.maps_of(
            values[name][0].values[chosen],
            shown,
            image_panels.map_axis(values[name][0].values, (r.method or {}).get("channel_axis")),
            clip,
        )
        for name, r in results.items()
    }
    asked = len(first) if records is None else len(records)
    return _grid(first, chosen, maps, shown, fig, asked)


def _result(name: str, given: Any, x: Any) -> AttributionResult:
    if isinstance(given, AttributionResult):
        return given
    if is_array(given):
        return AttributionResult(given)
    if not isinstance(given, AttributionMethod):
        raise ValueError(f"{name!r} is {type(given).__name__}; give a result, a method or an array")
    if x is None:
        raise ValueError(f"{name!r} is a method: give x=, what it explains")
    return given.explain(x)


def _first(results: Mapping[str, AttributionResult]) -> AttributionResult:
    """The first result, by the names of classes that any of them has.

    Without its class and score where another result is of another quantity.
    """
    first, *others = results.values()
    if any(_differ(first, r) for r in others):
        first = dataclasses.replace(first, target=None, quantity=None)
    known = [r.names["classes"] for r in results.values() if r.names and "classes" in r.names]
    return first.named(classes=known[0]) if known else first


def _differ(one: AttributionResult, other: AttributionResult) -> bool:
    """Whether both are known to be of other quantities."""
    pairs = (one.target, other.target), (one.quantity, other.quantity)
    known = [(host(a), host(b)) for a, b in pairs if a is not None and b is not None]
    return any(a.shape != b.shape or not np.allclose(a, b, rtol=1e-3) for a, b in known)


def _image(first: AttributionResult, x: Any) -> Array | None:
    if x is None or isinstance(x, ModelInputs):
        return explained_image(first)
    found = as_array(x, "x")
    return found if drawable(found) else None


def _grid(
    first: AttributionResult,
    chosen: Sequence[int],
    maps: Mapping[str, Sequence[image_panels.Map]],
    shown: Array | None,
    fig: Any,
    asked: int,
) -> Any:
    columns = len(maps) + (shown is not None)
    height, width = next(iter(maps.values()))[0].values.shape
    wide, high = image_panels.size_of(len(chosen), columns, height / width)
    wide += 0.6 * len(maps)
    narrowed = min(1.0, WIDEST / wide)
    letters = int(min(wide, WIDEST) / columns / 0.095)  # that a column has room for
    with canvas((wide, high * narrowed + 0.3 + 0.15 * len(chosen)), fig) as figure:
        arranged(figure.figure)
        if fig is None:
            said = "blue lowers, orange raises"
            if len(chosen) < asked:
                said += f"; {len(chosen)} of {asked:,} records: records= chooses others"
            figure.supxlabel(said, fontsize=SMALL - 1, color=GREY)
        every = figure.subplots(len(chosen), columns, squeeze=False)
        for i, record in enumerate(chosen):
            panels = iter(every[i])
            if shown is not None:
                axes = next(panels)
                said = title(first, record, 26 + letters).replace(" · ", "\n")
                image_panels.panel(axes, shown[i], said)
            for axes, (name, found) in zip(panels, maps.items(), strict=True):
                picture = found[i].colors() if shown is None else found[i].over(shown[i])
                image_panels.panel(
                    axes, picture, "" if shown is not None else named(first, record)[0]
                )
                image_panels.bar(found[i], axes)
                if i == 0:
                    # in one line, above the powers of ten of the bars
                    axes.set_title(label(name, min(24, letters)), fontsize=SMALL + 1, y=1.0, pad=12)
    return figure


def _pictures(
    results: Mapping[str, AttributionResult], records: Sequence[int] | None, fig: Any
) -> Any:
    """A column for each method, drawn as its result draws itself."""
    n = len(records) if records is not None else min(2, len(next(iter(results.values()))))
    chosen = list(range(n)) if records is None else list(records)
    with canvas((5.0 * len(results), 1.0 + 2.9 * n), fig) as figure:
        arranged(figure.figure)
        columns = np.atleast_1d(figure.subfigures(1, len(results)))
        for column, (name, result) in zip(columns, results.items(), strict=True):
            column.suptitle(label(name, 40), fontsize=SMALL + 2)
            rows = np.atleast_1d(column.subfigures(n, 1)) if n > 1 else [column]
            for row, record in zip(rows, chosen, strict=True):
                result.plot(_kind(result), records=[record], fig=row)
    return figure


def _kind(result: AttributionResult) -> str | None:
    """The kind that is drawn on a figure: texts are charts of their tokens here."""
    ranks = {p.values.ndim for p in parts(result)}
    return "table" if ranks <= {1, 2} else "series" if ranks == {3} else None

"""An explanation in a notebook: what it says of itself, and a picture that fits."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trulens_core.results.parts import Part, parts
from trulens_core.results.records import rows_of
from trulens_core.visualizations.colors import on_white
from trulens_core.visualizations.image_html import panels_of
from trulens_core.visualizations.images import Array, Images, as_array
from trulens_core.visualizations.look import class_name, title_at_length
from trulens_core.visualizations.maps import AttributionMap
from trulens_core.visualizations.pictures import as_pixels, encoded
from trulens_core.visualizations.result_parts import kind_of, summed
from trulens_core.visualizations.result_plots import explained_image
from trulens_core.visualizations.result_texts import Texts, texts
from trulens_core.visualizations.text_colors import INK, QUIET, css, ground
from trulens_core.visualizations.text_escapes import in_html
from trulens_core.visualizations.text_html import CARD, legend, without_card
from trulens_core.visualizations.text_lines import Column, TextLine, Token

if TYPE_CHECKING:
    from trulens_core.results import AttributionResult

MOST_IMAGES = 3
MOST_RECORDS, MOST_COLUMNS, MOST_POSITIONS = 8, 12, 400


def result_as_html(result: AttributionResult) -> str:
    """A fragment of HTML, in ASCII."""
    names = (result.names or {}).get("features")
    of = "record" if rows_of(result) is None else "row"
    body = "".join(_heading(part) + _picture(result, part, names, of) for part in parts(result))
    return f'<div class="trulens-result" style="{CARD}">{_quality(result)}{body}</div>'


def _heading(part: Part) -> str:
    shape = " &#215; ".join(str(n) for n in part.values.shape)
    name = f"<b>{in_html(part.name)}</b>, " if part.name else ""
    return f'<div style="color:{css(QUIET)};font-size:12px">{name}attributions {shape}</div>'


def _picture(result: AttributionResult, part: Part, names: Sequence[Any] | None, of: str) -> str:
    """The picture, or the reason why there is none: a notebook's output must not fail."""
    table = functools.partial(_table, names=names, of=of)
    strip = functools.partial(_strip, of=of)
    over = explained_image(result) is not None and rows_of(result) is None
    image = functools.partial(_overlays, result) if over else _image
    draw: dict[str, Callable[[Array], str]] = {"table": table, "series": strip, "image": image}
    try:
        if not part.values.size:
            return ""
        if (result.names or {}).get("tokens") is not None and rows_of(result) is None:
            return _texts(result, part.values)
        return draw[kind_of(part.values, None)](part.values)
    except (ValueError, ImportError) as error:
        return f"<div>{in_html(str(error))}</div>"


def _quality(result: AttributionResult) -> str:
    """Quantities, residuals and points of the first records."""
    columns: list[list[str]] = []
    if result.target is not None:
        names = (result.names or {}).get("classes")
        classes = as_array(result.target, "target")[:MOST_RECORDS]
        shown = [class_name(names, int(c)).removeprefix("class ") for c in classes]
        columns.append(["class", *shown])
    for name, value in (
        ("quantity", result.quantity),
        ("at the baseline", result.baseline_quantity),
        ("residual", result.residual),
        ("points", result.n_points),
        ("converged", result.converged),
    ):
        if value is not None:
            columns.append([name, *(_number(v) for v in as_array(value, name)[:MOST_RECORDS])])
    if not columns:
        return ""
    rows = max(map(len, columns))
    numbers = ["record", *map(str, range(rows - 1))]
    cells = [_cell(c[i], head=i == 0) for i in range(rows) for c in [numbers, *columns]]
    return _grid(cells, len(columns) + 1)


def _number(value: Any) -> str:
    array = np.asarray(value)
    if array.dtype.kind in "bi":
        return ", ".join(str(v) for v in array.reshape(-1))
    return ", ".join(f"{v:.4g}" for v in array.reshape(-1))


def _table(values: Array, names: Sequence[Any] | None, of: str) -> str:
    """Records or rows of theirs by features: those with the largest, in their order."""
    flat = values.reshape(len(values), -1)[:MOST_RECORDS].astype(float)
    strongest = np.argsort(-np.abs(np.nan_to_num(flat)).max(axis=0), kind="stable")
    kept = np.sort(strongest[:MOST_COLUMNS])
    known = names is not None and len(names) == flat.shape[1]
    heads = [str(names[i]) if names is not None and known else f"feature {i}" for i in kept]
    cells = [_cell(of, head=True), *(_cell(head, head=True) for head in heads)]
    for record, row in enumerate(flat):
        line = TextLine((Column(tuple(Token("", float(v)) for v in row)),))
        cells.append(_cell(str(record), head=True))
        cells += [_cell(f"{row[i]:+.2g}", line.fraction(float(row[i]))) for i in kept]
    shown = _grid(cells, len(kept) + 1) + _left_out(values, len(kept), of)
    return shown + legend(f"full colour is each {of}'s largest number")


def _left_out(values: Array, columns: int, of: str) -> str:
    more = []
    if len(values) > MOST_RECORDS:
        more.append(f"{len(values) - MOST_RECORDS} more {of}s")
    total = int(np.prod(values.shape[1:]))
    if total > columns:
        more.append(f"{total - columns} weaker features")
    return f'<div style="color:{css(QUIET)};font-size:12px">{", ".join(more)}</div>' if more else ""


def _texts(result: AttributionResult, values: Array) -> str:
    """The first records' tokens in their colours, as `plot` has them."""
    how = Texts(result, (result.names or {})["tokens"], False, frozenset())
    shown = range(min(len(values), MOST_RECORDS))
    found = without_card(texts(how, [Part("", values)], shown).lines)
    return found + _left_out(values[:, :0], 0, "record") + legend()


def _strip(values: Array, of: str) -> str:
    """Positions, of a text or in time, coloured by their sums."""
    lines = []
    for record, row in enumerate(summed(values)[:MOST_RECORDS, :MOST_POSITIONS]):
        cells = tuple(Token(str(i), float(v)) for i, v in enumerate(row))
        lines.append(TextLine((Column(cells),), f"{of} {record}"))
    return without_card(lines) + legend()


def _overlays(result: AttributionResult, values: Array) -> str:
    """The first records' images, the attributions over them and their map, as `plot` has them."""
    rows = []
    style = f"margin:0;flex:1 1 120px;max-width:220px;color:{css(QUIET)};font-size:12px"
    for record in range(min(len(values), MOST_IMAGES)):
        found = panels_of(result, values, record, 99)
        said = in_html(f"{title_at_length(result, record)} · full colour ±{found.shown.limit:.3g}")
        figures = found.figures(style, widest=320)
        rows.append(f'<div>{said}</div><div style="display:flex;gap:8px">{figures}</div>')
    more = len(values) - len(rows)
    left = f'<div style="color:{css(QUIET)};font-size:12px">{more} more records</div>'
    return "".join(rows) + (left if more else "") + legend("of each record", strong=True)


def _image(values: Array) -> str:
    images = Images.read(values[:MOST_RECORDS], "attributions")
    shown = AttributionMap.of(images, combine_channels=True, normalization_type=None, blur=0.0)
    pixels = as_pixels(on_white(shown.colors(None)))
    data = base64.b64encode(encoded(pixels, "png")).decode("ascii")
    width = min(640, max(240, pixels.shape[1]))
    style = f"width:{width}px;max-width:100%;image-rendering:pixelated;border:1px solid #bbb"
    image = f'<img alt="attributions" style="{style}" src="data:image/png;base64,{data}">'
    return image + legend("full colour is each record's largest number", strong=True)


def _cell(text: str, fraction: float = 0.0, *, head: bool = False) -> str:
    quiet = f"color:{css(QUIET)};font-size:12px;align-self:center"
    color = quiet if head else f"color:{css(INK)}"
    style = f"background:{css(ground(fraction))};{color};padding:0 6px;text-align:right"
    return f'<div class="trulens-cell" style="{style}">{in_html(text)}</div>'


def _grid(cells: list[str], columns: int) -> str:
    style = f"display:inline-grid;grid-template-columns:repeat({columns},auto);max-width:100%"
    return f'<div><div style="{style};overflow-x:auto">{"".join(cells)}</div></div>'

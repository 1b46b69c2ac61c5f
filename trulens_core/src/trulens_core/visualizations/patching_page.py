"""Patching as HTML: a table of layers and tokens, and the text, which each of its cells colours.

One fragment, nothing fetched. Without a script the table has its colours and numbers, and the text
those of the layer with the strongest place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trulens_core.text.patching_result import PatchingResult
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.layer_names import layer_names
from trulens_core.visualizations.text_colors import GROUND, INK, QUIET, css
from trulens_core.visualizations.text_escapes import in_html
from trulens_core.visualizations.text_pages import (
    CARD,
    PAINT,
    SAID,
    STEPS,
    apart,
    data,
    largest_of,
    painted,
    parts,
    written,
)

_MOST = 80
"""Columns of the table, of which there are as many as tokens, heads or neurons."""

STYLE = f"""<style>
.trulens-patching {{ {CARD} }}
.trulens-patching .tp-text {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: 6px 0; }}
.trulens-patching .tp-p {{ border-bottom: 3px solid transparent; border-radius: 2px; }}
.trulens-patching .tp-on {{ outline: 2px solid {css(INK)}; outline-offset: -1px; }}
.trulens-patching i {{ color: {css(QUIET)}; font-size: 13px; }}
.trulens-patching .tp-said {{ {SAID} }}
.trulens-patching .tp-say {{ {SAID} color: {css(INK)}; min-height: 3em; }}
.trulens-patching .tp-said b {{ color: {css(INK)}; font-weight: normal; padding: 0 4px; }}
.trulens-patching .tp-wide {{ overflow-x: auto; }}
.trulens-patching table {{ border-collapse: separate; border-spacing: 1px; font-size: 13px;
  line-height: 1.3; margin: 0; width: auto; }}
.trulens-patching td {{ min-width: 22px; height: 26px; padding: 0; cursor: pointer;
  border: 1px solid #ddd; border-bottom: 3px solid transparent; box-sizing: border-box; }}
.trulens-patching td:focus-visible, .trulens-patching td[aria-selected=true] {{
  outline: 3px solid {css(INK)}; outline-offset: -2px; }}
.trulens-patching th {{ font-weight: normal; color: {css(INK)}; background: {css(GROUND)};
  text-align: right; white-space: nowrap; padding: 0 6px; }}
.trulens-patching tbody th {{ position: sticky; left: 0; }}
.trulens-patching thead th {{ padding: 6px 0 2px; vertical-align: bottom; text-align: left; }}
.trulens-patching thead th span {{ writing-mode: vertical-rl; transform: rotate(180deg);
  max-height: 11em; overflow: hidden; text-overflow: ellipsis; display: inline-block; }}
</style>"""

# a fragment may be shown several times on a page, and each has to find its own
SCRIPT = """<script>
document.querySelectorAll('.trulens-patching:not([data-ready])').forEach((box) => {
  box.dataset.ready = '1';
  const data = JSON.parse(box.querySelector('.tp-data').textContent);
  const words = [...box.querySelectorAll('.tp-p')];
  const rows = [...box.querySelectorAll('tbody tr')].map((r) => [...r.querySelectorAll('td')]);
  const say = box.querySelector('.tp-say');
  const first = say.textContent;
  let pinned = null;
PAINT
  const show = (i, j) => {
    const row = data.texts[data.of_parts ? i * rows[0].length + j : i];
    const scale = data.scale / STEPS;
    words.forEach((e, p) => {
      paint(e, row[p] / STEPS, row[p] * scale);
      e.classList.toggle('tp-on', !data.of_parts && p === data.columns[j]);
    });
    const v = data.cells[i][j] * data.largest / STEPS;
    say.textContent = data.layers[i] + ', ' + data.named[j] + ': ' + number(v);
    rows.flat().forEach((c) => c.setAttribute('aria-selected', 'false'));
    if (pinned) rows[pinned[0]][pinned[1]].setAttribute('aria-selected', 'true');
  };
  const rest = () => {
    if (pinned) { show(...pinned); return; }
    show(...data.first);
    words.forEach((e) => e.classList.remove('tp-on'));
    say.textContent = first;
  };
  rows.forEach((cells, i) => cells.forEach((c, j) => {
    c.addEventListener('mouseenter', () => show(i, j));
    c.addEventListener('mouseleave', rest);
    c.addEventListener('focus', () => show(i, j));
    c.addEventListener('blur', rest);
    const hold = () => { pinned = pinned && pinned[0] === i && pinned[1] === j ? null : [i, j];
      show(i, j); };
    c.addEventListener('click', hold);
    c.addEventListener('keydown', (e) => {
      const n = cells.length - 1;
      const to = {ArrowRight: [i, j + 1], ArrowLeft: [i, j - 1], ArrowUp: [i - 1, j],
        ArrowDown: [i + 1, j], Home: [i, 0], End: [i, n]}[e.key];
      const next = to && rows[to[0]] && rows[to[0]][to[1]];
      if (next) {
        e.preventDefault(); c.tabIndex = -1; next.tabIndex = 0; next.focus(); show(...to);
      }
      if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); hold(); }
      if (e.key === 'Escape') { pinned = null; c.blur(); rest(); }
    });
  }));
});
</script>""".replace("PAINT", PAINT.strip("\n")).replace("STEPS", str(STEPS))


class _Table(NamedTuple):
    """What is shown of a result.

    Attributes:
        cells: the numbers of the table, (layers, columns), the last layer first.
        columns: which tokens, heads or neurons the columns are.
        texts: numbers of all tokens, (rows, tokens): a row for each layer, or for each cell.
        names: of the layers.
        left_out: what all names have in common, in words.
    """

    cells: Array
    columns: list[int]
    texts: Array
    names: list[str]
    left_out: str


def fragment(result: PatchingResult) -> str:
    """The result as a piece of HTML."""
    table = _table(result)
    strongest = np.unravel_index(np.abs(np.nan_to_num(table.cells)).argmax(), table.cells.shape)
    i, j = (int(n) for n in strongest)
    first = table.texts[i * len(table.columns) + j if result.at != "layers" else i]
    scale = largest_of(table.texts)
    part = "" if result.at == "layers" else f", {result.at[:-1]} {table.columns[j]}"
    told = f"The text has the colours of {table.names[i]}{part}, where the largest number is."
    held = {
        "cells": [parts(row, largest_of(table.cells)) for row in table.cells],
        "largest": largest_of(table.cells),
        "texts": [parts(row, scale) for row in table.texts],
        "scale": scale,
        "columns": table.columns,
        "layers": table.names,
        "named": [_named(result, c) for c in table.columns],
        "of_parts": result.at != "layers",
        "first": [i, j],
    }
    return (
        f"{STYLE}\n<div class='trulens-patching' role='group' aria-label='Patching'>"
        f"{_key(result)}<div class='tp-text'>{_text(result, first, scale)}</div>"
        f"<div class='tp-wide'>{_cells(result, table)}</div>"
        f"<div class='tp-said'>{_columns_said(result, table)}</div>"
        f"<div class='tp-say' aria-live='polite'>{in_html(told)}</div>"
        f"<script type='application/json' class='tp-data'>{data(held)}</script></div>\n{SCRIPT}"
    )


def _table(result: PatchingResult) -> _Table:
    names, left_out = layer_names(result.layers)
    values = np.asarray(result.attributions, "float64")[::-1]
    cells = values if result.at == "layers" else values.sum(axis=1)
    kept = np.sort(np.argsort(-np.abs(cells).max(axis=0), kind="stable")[:_MOST])
    texts = values
    if result.at != "layers":  # of each cell its own
        texts = values[:, :, kept].swapaxes(1, 2).reshape(-1, values.shape[1])
    return _Table(cells[:, kept], kept.tolist(), texts, names[::-1], left_out)


def _text(result: PatchingResult, row: Array, scale: float) -> str:
    """The clean text, and in it what the other text has, where they differ."""
    other, changed, found = result.corrupted.pieces, set(result.changed), []
    for p, piece in enumerate(result.clean.pieces):
        fraction = float(row[p]) / scale if scale > 0 else 0.0
        blank, rest = apart(piece)
        found.append(
            f"{blank}<span class='tp-p' style='{painted(fraction)}'>{written(rest)}</span>"
        )
        if p in changed:
            found.append(f"<i>&#8592;{in_html(other[p].strip()) or '&#183;'}</i>")
    return "".join(found)


def _cells(result: PatchingResult, table: _Table) -> str:
    largest = largest_of(table.cells) or 1.0
    heads = "".join(f"<th scope='col'><span>{_head(result, c)}</span></th>" for c in table.columns)
    rows = []
    for i, (name, row) in enumerate(zip(table.names, table.cells, strict=True)):
        cells = "".join(
            f"<td tabindex='{0 if i + j == 0 else -1}' aria-selected='false' "
            f"aria-label='{in_html(_named(result, c))}: {v:+.3g}' title='{v:+.3g}' "
            f"style='{painted(float(v) / largest)}'></td>"
            for j, (c, v) in enumerate(zip(table.columns, row, strict=True))
        )
        rows.append(f"<tr><th scope='row'>{in_html(name)}</th>{cells}</tr>")
    body = "".join(rows)
    return (
        f"<table role='grid'><thead><tr><td style='border:0'></td>{heads}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _head(result: PatchingResult, column: int) -> str:
    if result.at != "layers":
        return str(column)
    return in_html(result.clean.pieces[column].strip()) or "&#183;"


def _named(result: PatchingResult, column: int) -> str:
    """What a column is called where it is spoken of."""
    if result.at != "layers":
        return f"{result.at[:-1]} {column}"
    clean, corrupted = (t.pieces[column].strip() for t in (result.clean, result.corrupted))
    other = f" (corrupted: “{corrupted}”)" if column in result.changed else ""
    return f"token {column} “{clean}”{other}"


def _columns_said(result: PatchingResult, table: _Table) -> str:
    n = result.attributions.shape[1 if result.at == "layers" else 2]
    what = "tokens" if result.at == "layers" else f"{result.at}, summed over tokens"
    few = f", the {len(table.columns)} largest of {n:,}" if len(table.columns) < n else ""
    common = f"; names of layers are shortened, {table.left_out}" if table.left_out else ""
    cells, text = (f"\xb1{largest_of(x):.3g}" for x in (table.cells, table.texts))
    scale = cells if result.at == "layers" else f"{cells}, of the text {text}"
    return in_html(
        f"Columns: {what}{few}; rows: layers, the last one on top{common}. Full colour: {scale}."
    )


def _key(result: PatchingResult) -> str:
    ends = f"{result.quantity:.3g} clean, {result.corrupted_quantity:.3g} corrupted"
    how = "exact" if result.path == "exact" else f"path={result.path}"
    asked = result.asked or "the quantity"
    row = "layer" if result.at == "layers" else result.at[:-1]
    return (
        f"<div class='tp-said'><b>{in_html(asked)}</b>: {ends} ({how}). What is "
        f"<b style='{painted(1.0)}'>orange</b> supports it, what is "
        f"<b style='{painted(-1.0)}'>blue</b> opposes it. The {row} of the cell that the mouse or "
        "the Tab and arrow keys are on colours the text; a click or Enter holds it, Escape lets "
        "go. The other text has what follows &#8592;.</div>"
    )

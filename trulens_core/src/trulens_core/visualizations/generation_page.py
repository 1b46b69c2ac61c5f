"""An explained generation as HTML: one fragment, nothing fetched, readable without its script.

Each token of the continuation is a button: what it rests on is coloured where the mouse or the
keyboard is, and stays where it was clicked. Without a script the sum of all targets is coloured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.text.fields import GenerationFields
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

STYLE = f"""<style>
.trulens-generation {{ {CARD} max-width: 70em; }}
.trulens-generation .tg-text {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
.trulens-generation .tg-s, .trulens-generation .tg-t {{ font: inherit; color: {css(INK)};
  background: {css(GROUND)}; border: 0; border-bottom: 3px solid transparent; border-radius: 2px;
  padding: 2px 0; margin: 0; white-space: pre-wrap; }}
.trulens-generation .tg-t {{ cursor: pointer; outline: 1px solid #bbb; outline-offset: -1px; }}
.trulens-generation .tg-t:focus-visible {{ outline: 3px solid {css(INK)}; outline-offset: 0; }}
.trulens-generation .tg-t[aria-pressed=true] {{ outline: 2px solid {css(INK)};
  outline-offset: 0; font-weight: bold; }}
.trulens-generation .tg-held {{ color: {css(QUIET)}; font-style: italic; }}
.trulens-generation .tg-say {{ {SAID} min-height: 3em; }}
.trulens-generation .tg-key {{ {SAID} }}
.trulens-generation .tg-key b {{ color: {css(INK)}; font-weight: normal; padding: 0 4px; }}
.trulens-generation hr {{ border: 0; border-top: 1px solid #bbb; }}
</style>"""

# a fragment may be shown several times on a page, and each has to find its own
SCRIPT = """<script>
document.querySelectorAll('.trulens-generation:not([data-ready])').forEach((box) => {
  box.dataset.ready = '1';
  const data = JSON.parse(box.querySelector('.tg-data').textContent);
  const sources = [...box.querySelectorAll('[data-s]')];
  const targets = [...box.querySelectorAll('.tg-t')];
  const say = box.querySelector('.tg-say');
  const first = say.textContent;
  let pinned = -1;
PAINT
  const row = (i) => {
    const r = data.rows[i], s = data.scales[i] / STEPS;
    sources.forEach((e) => paint(e, r[e.dataset.s] / STEPS, r[e.dataset.s] * s));
    const best = sources.map((e) => [r[e.dataset.s] * s, e.textContent])
      .filter((p) => p[0]).sort((a, b) => Math.abs(b[0]) - Math.abs(a[0])).slice(0, 5);
    say.textContent = data.told[i] + (best.length ? '. Strongest: ' : '')
      + best.map((p) => '\\u201c' + p[1].trim() + '\\u201d ' + number(p[0])).join(', ');
    targets.forEach((t, k) => t.setAttribute('aria-pressed', String(k === pinned)));
  };
  const rest = () => { row(pinned < 0 ? targets.length : pinned);
    if (pinned < 0) say.textContent = first; };
  targets.forEach((t, i) => {
    t.addEventListener('mouseenter', () => row(i));
    t.addEventListener('mouseleave', rest);
    t.addEventListener('focus', () => row(i));
    t.addEventListener('blur', rest);
    t.addEventListener('click', () => { pinned = pinned === i ? -1 : i; row(i); });
    t.addEventListener('keydown', (e) => {
      const to = {ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: targets.length - 1}[e.key];
      if (to !== undefined && targets[to]) {
        e.preventDefault(); targets[to].focus(); row(to);
      }
      if (e.key === 'Escape') { pinned = -1; t.blur(); rest(); }
    });
  });
});
</script>""".replace("PAINT", PAINT.strip("\n")).replace("STEPS", str(STEPS))


def fragment(result: GenerationFields) -> str:
    """The result as a piece of HTML."""
    total = result.attributions.sum(0)
    largest = largest_of(total)
    shown = total / largest if largest > 0 else total
    body = _text(result, shown)
    return (
        f"{STYLE}\n<div class='trulens-generation' role='group' "
        f"aria-label='Explained text'>{_key(result)}<div class='tg-text'>{body}</div><hr>"
        f"<div class='tg-say' aria-live='polite'>{in_html(_first(result))}</div>"
        f"<script type='application/json' class='tg-data'>{_data(result, total)}</script></div>\n"
        f"{SCRIPT}"
    )


def _text(result: GenerationFields, shown: Any) -> str:
    """The tokens of prompt and continuation, the latter in buttons, coloured as the sum is."""
    pieces, n = result.text.pieces, len(result.inputs)
    held = np.zeros(len(pieces), bool) if result.held is None else result.held
    found = []
    for j, (a, b) in enumerate(result.sources):
        if a < n:
            found.append(_token("".join(pieces[a:b]), j, shown[j], bool(held[a:b].all())))
    column = {span: j for j, span in enumerate(result.sources)}
    written = [p for a, b in result.targets for p in range(a, b)]
    at = 0
    for a, b in result.targets:
        found += [_aside("".join(result.outputs.pieces[at:a]))] if a > at else []
        found.append(_button(_inside(result, column, a, b, shown)))
        at = b
    rest = "".join(result.outputs.pieces[at:]) if written else ""
    return "".join([*found, _aside(rest) if rest else ""])


def _inside(result: GenerationFields, column: Any, a: int, b: int, shown: Any) -> str:
    """The tokens of a target, as the sources that they are of later ones."""
    n, pieces = len(result.inputs), result.text.pieces
    spans = [(i, j) for i, j in column if n + a <= i < n + b]
    if not spans:
        return written("".join(pieces[n + a : n + b]))
    return "".join(
        _token("".join(pieces[i:j]), column[i, j], shown[column[i, j]], False) for i, j in spans
    )


def _token(piece: str, j: int, fraction: float, held: bool) -> str:
    kind = "tg-s tg-held" if held else "tg-s"
    blank, rest = apart(piece)
    style = painted(fraction)
    return f"{blank}<span class='{kind}' data-s='{j}' style='{style}'>{written(rest)}</span>"


def _button(inside: str) -> str:
    return f"<button type='button' class='tg-t' aria-pressed='false'>{inside}</button>"


def _aside(piece: str) -> str:
    return f"<span class='tg-held'>{written(piece)}</span>"


def _key(result: GenerationFields) -> str:
    what = in_html(str(result.method.get("quantity") or "the quantity"))
    return (
        "<div class='tg-key'>"
        f"<b style='{painted(1.0)}'>raises</b> or <b style='{painted(-1.0)}'>lowers</b> {what} of "
        "the framed token that the mouse or the Tab key is on; a click holds it, Escape lets go. "
        "Full colour is the largest number of that token.</div>"
    )


def _first(result: GenerationFields) -> str:
    name = str(result.method.get("name") or "")
    base = result.method.get("baseline")
    more = f", baseline {base}" if base else ""
    n = len(result)
    what = f"The sum of all {n} framed tokens" if n > 1 else "The framed token"
    return what + (f" ({name}{more})" if name else "")


def _data(result: GenerationFields, total: Any) -> str:
    """Rows as parts of their largest number, the sum of all last, and what is said of each."""
    rows = [*result.attributions, total]
    scales = [largest_of(r) for r in rows]
    return data(
        {
            "rows": [parts(r, s) for r, s in zip(rows, scales, strict=True)],
            "scales": scales,
            "told": [*_told(result), _first(result)],
        }
    )


def _told(result: GenerationFields) -> Sequence[str]:
    """What is said of each target: its number, where it is from, what is left."""
    what = str(result.method.get("quantity") or "quantity")
    found = []
    for i, piece in enumerate(result.outputs_shown):
        words = [f"“{piece.strip()}”"]
        if result.quantity is not None:
            words.append(f"{what} {result.quantity[i]:.4g}")
        if result.baseline_quantity is not None:
            words.append(f"at the baseline {result.baseline_quantity[i]:.4g}")
        if result.residual is not None:
            words.append(f"residual {result.residual[i]:.2g}")
        found.append(", ".join(words))
    return found

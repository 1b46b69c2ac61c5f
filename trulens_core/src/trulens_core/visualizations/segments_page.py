"""Parts of a prompt as HTML: the prompt with its parts coloured, and bars beside it.

One fragment, nothing fetched, and readable without its script.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.text.segment_result import SegmentsResult
from trulens_core.visualizations.look import sign_color
from trulens_core.visualizations.text_colors import INK, QUIET, css
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

_MOST = 30
"""Bars; the others are told as one number."""

STYLE = f"""<style>
.trulens-segments {{ {CARD} }}
.trulens-segments .ts-both {{ display: grid; gap: 8px 28px; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }}
.trulens-segments .ts-text {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
.trulens-segments .ts-s, .trulens-segments .ts-t {{ border-bottom: 3px solid transparent;
  border-radius: 2px; padding: 1px 0; cursor: pointer; }}
.trulens-segments .ts-t {{ outline: 1px solid #bbb; outline-offset: -1px; }}
.trulens-segments .ts-s:focus-visible, .trulens-segments .ts-t:focus-visible {{
  outline: 3px solid {css(INK)}; }}
.trulens-segments [aria-pressed=true], .trulens-segments .ts-on {{
  outline: 2px solid {css(INK)}; outline-offset: 0; }}
.trulens-segments .ts-between {{ color: {css(QUIET)}; font-style: italic; }}
.trulens-segments .ts-said, .trulens-segments .ts-say {{ {SAID} }}
.trulens-segments .ts-say {{ color: {css(INK)}; min-height: 3em; }}
.trulens-segments .ts-said b {{ color: {css(INK)}; font-weight: normal; padding: 0 4px; }}
.trulens-segments .ts-row {{ display: grid; align-items: center; font-size: 13px; gap: 8px;
  grid-template-columns: minmax(0, 5fr) minmax(0, 3fr) 64px; line-height: 1.4; padding: 2px 0; }}
.trulens-segments .ts-row > :first-child {{ display: -webkit-box; -webkit-box-orient: vertical;
  -webkit-line-clamp: 2; overflow: hidden; overflow-wrap: anywhere; }}
.trulens-segments .ts-row > :first-child, .trulens-segments .ts-row > :last-child {{
  text-align: right; }}
.trulens-segments .ts-bar {{ position: relative; height: 15px;
  background: linear-gradient(#999, #999) center/1px 100% no-repeat; }}
.trulens-segments .ts-bar i {{ position: absolute; top: 1px; bottom: 1px; }}
</style>"""

# a fragment may be shown several times on a page, and each has to find its own
SCRIPT = """<script>
document.querySelectorAll('.trulens-segments:not([data-ready])').forEach((box) => {
  box.dataset.ready = '1';
  const data = JSON.parse(box.querySelector('.ts-data').textContent);
  const own = [...box.querySelectorAll('.ts-s')], targets = [...box.querySelectorAll('.ts-t')];
  const bars = [...box.querySelectorAll('.ts-row[data-s]')];
  const say = box.querySelector('.ts-say'), first = say.textContent;
  let target = -1, pinned = -1;
PAINT
  const value = (r, s) => data.rows[r][s] * data.scale / STEPS;
  const row = (t) => {
    const r = t < 0 ? data.rows.length - 1 : t;
    own.forEach((e) => paint(e, data.rows[r][e.dataset.s] / data.rows[r].most,
      value(r, e.dataset.s)));
    bars.forEach((b) => {
      const v = value(r, b.dataset.s), i = b.querySelector('i'), w = 50 * Math.abs(v) / data.wide;
      i.style.cssText = 'left:' + (v < 0 ? 50 - w : 50) + '%;width:' + w + '%;background:'
        + (v < 0 ? 'DOWN' : 'UP');
      b.lastElementChild.textContent = number(v);
    });
    targets.forEach((e, k) => e.setAttribute('aria-pressed', String(k === target)));
  };
  data.rows.forEach((r) => { r.most = Math.max(1, ...r.map(Math.abs)); });
  const on = (s) => [...own, ...bars].forEach(
    (e) => e.classList.toggle('ts-on', Number(e.dataset.s) === s));
  const told = (s) => {
    on(s);
    const r = target < 0 ? data.rows.length - 1 : target;
    say.textContent = '\\u201c' + data.names[s] + '\\u201d: ' + number(value(r, s))
      + (target < 0 ? data.errors[s] : '')
      + (target < 0 ? '' : ', of \\u201c' + data.targets[target] + '\\u201d alone');
  };
  const rest = () => {
    row(target); on(pinned);
    if (pinned >= 0) told(pinned); else say.textContent = target < 0 ? first
      : 'Of \\u201c' + data.targets[target] + '\\u201d alone';
  };
  const listen = (e, over, hold, among) => {
    e.addEventListener('mouseenter', over);
    e.addEventListener('mouseleave', rest);
    e.addEventListener('focus', over);
    e.addEventListener('blur', rest);
    e.addEventListener('click', hold);
    e.addEventListener('keydown', (k) => {
      const at = among.indexOf(e);
      const to = {ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1,
        Home: 0, End: among.length - 1}[k.key];
      if (among[to]) { k.preventDefault(); e.tabIndex = -1; among[to].tabIndex = 0;
        among[to].focus(); among[to].dispatchEvent(new Event('focus')); }
      if (k.key === 'Enter' || k.key === ' ') { k.preventDefault(); hold(); }
      if (k.key === 'Escape') { pinned = target = -1; e.blur(); rest(); }
    });
  };
  own.forEach((e) => listen(e, () => told(Number(e.dataset.s)), () => {
    const s = Number(e.dataset.s); pinned = pinned === s ? -1 : s; told(s); }, own));
  bars.forEach((e) => {
    e.addEventListener('mouseenter', () => told(Number(e.dataset.s)));
    e.addEventListener('mouseleave', rest);
  });
  targets.forEach((e, k) => listen(e, () => {
    row(k); say.textContent = 'Of \\u201c' + data.targets[k] + '\\u201d alone'; },
    () => { target = target === k ? -1 : k; row(target); }, targets));
});
</script>""".replace("PAINT", PAINT.strip("\n")).replace("STEPS", str(STEPS))
SCRIPT = SCRIPT.replace("DOWN", sign_color(-1.0)).replace("UP", sign_color(1.0))


def fragment(result: SegmentsResult) -> str:
    """The result as a piece of HTML."""
    total = result.total()
    rows = [*(result.rows() if _each(result) else ()), total]
    scale = largest_of(np.stack(rows))
    held = {
        "rows": [parts(row, scale) for row in rows],
        "scale": scale,
        "wide": scale or 1.0,
        "names": list(result.segments),
        "targets": _targets(result),
        "errors": _errors(result),
    }
    return (
        f"{STYLE}\n<div class='trulens-segments' role='group' aria-label='Parts of a prompt'>"
        f"{_key(result)}<div class='ts-both'><div class='ts-text'>{_prompt(result, total)}"
        f"{_answer(result)}</div><div>{_bars(result, total, scale or 1.0)}</div></div>"
        f"<div class='ts-say' aria-live='polite'>{in_html(_first(result))}</div>"
        f"<script type='application/json' class='ts-data'>{data(held)}</script></div>\n{SCRIPT}"
    )


def _each(result: SegmentsResult) -> bool:
    """Whether tokens of the answer were asked about one by one."""
    return result.attributions.ndim > 1 and len(result.rows()) > 1


def _targets(result: SegmentsResult) -> list[str]:
    if not _each(result):
        return []
    pieces = [p.strip() for p in result.answer.pieces]
    n = len(result.rows())
    return pieces if len(pieces) == n else [f"target {i}" for i in range(n)]


def _prompt(result: SegmentsResult, total: Any) -> str:
    """The prompt's text; what is in no part stands between."""
    text, largest, end, found = result.prompt.text, largest_of(total) or 1.0, 0, []
    order = sorted(range(len(result)), key=lambda i: result.spans[i])
    for at, i in enumerate(order):
        a, b = result.spans[i]
        found.append(_between(text[end:a]))
        blank, rest = apart(text[a:b])
        found.append(
            f"{blank}<span class='ts-s' data-s='{i}' role='button' tabindex='{-1 if at else 0}' "
            f"style='{painted(float(total[i]) / largest)}'>{written(rest)}</span>"
        )
        end = b
    return "".join([*found, _between(text[end:])])


def _between(text: str) -> str:
    return f"<span class='ts-between'>{written(text)}</span>" if text else ""


def _answer(result: SegmentsResult) -> str:
    if not len(result.answer):
        return ""
    if not _each(result):
        return f" <b>{written(result.answer.text.strip())}</b>"
    told = [f"{name} " for name in _targets(result)]
    if len(result.answer) == len(told):
        told = result.answer.pieces
    return "".join(
        f"<span class='ts-t' role='button' tabindex='{-1 if i else 0}' aria-pressed='false'>"
        f"{written(name)}</span>"
        for i, name in enumerate(told)
    )


def _bars(result: SegmentsResult, total: Any, wide: float) -> str:
    """The strongest parts, and the sum of the others."""
    order = np.argsort(-np.abs(total), kind="stable")
    found = [_bar(i, result.segments[i], float(total[i]), wide) for i in order[:_MOST].tolist()]
    if len(order) > _MOST:
        rest = float(total[order[_MOST:]].sum())
        found.append(_bar(None, f"{len(order) - _MOST} others", rest, wide))
    return "".join(found)


def _bar(place: int | None, name: str, value: float, wide: float) -> str:
    width = min(50.0, 50 * abs(value) / wide)
    left = 50 - width if value < 0 else 50.0
    at = "" if place is None else f" data-s='{place}'"
    return (
        f"<div class='ts-row'{at}><span title='{in_html(name)}'>{in_html(name)}</span>"
        f"<div class='ts-bar'><i style='left:{left:.2f}%;width:{width:.2f}%;"
        f"background:{sign_color(value)}'></i></div><span>{value:+.3g}</span></div>"
    )


def _errors(result: SegmentsResult) -> list[str]:
    """What is said of how sure each sum is; nothing where nothing was drawn."""
    if result.standard_error is None or _each(result):
        return [""] * len(result)
    return [f" ± {e:.2g}" for e in np.atleast_2d(result.standard_error)[0]]


def _key(result: SegmentsResult) -> str:
    asked = in_html(result.asked or "the quantity")
    how = in_html(f"{result.method}, {result.removal} by {result.removed_by}".removesuffix(" by "))
    each = " A framed token of the answer shows what it rests on." if _each(result) else ""
    return (
        f"<div class='ts-said'><b>{asked}</b> ({how}). What is <b style='{painted(1.0)}'>orange</b>"
        f" raises it, what is <b style='{painted(-1.0)}'>blue</b> lowers it. The mouse, or the Tab "
        f"and arrow keys, tell a part's number; a click or Enter holds it, Escape lets go.{each}"
        "</div>"
    )


def _first(result: SegmentsResult) -> str:
    words = [f"{float(np.sum(result.quantity)):.4g} with all parts"]
    if result.baseline_quantity is not None:
        words.append(f"{float(np.sum(result.baseline_quantity)):.4g} with none")
    words.append(f"{result.n_evaluations:,} texts were read")
    return ", ".join(words)

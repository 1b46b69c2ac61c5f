"""A page to leaf through a result: one file, that opens in any browser, without a server."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trulens_core.results.fields import ResultFields
from trulens_core.results.parts import Part, parts
from trulens_core.results.records import count, rows_of
from trulens_core.visualizations import image_panels
from trulens_core.visualizations.charts import MOST_CHANNELS, strongest
from trulens_core.visualizations.explorer_page import SCRIPT, STYLE
from trulens_core.visualizations.image_html import panels_of, source
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.look import (
    check_clip,
    feature_names,
    limit,
    sign_color,
    title_at_length,
)
from trulens_core.visualizations.pictures import replace_file
from trulens_core.visualizations.result_parts import kind_of
from trulens_core.visualizations.result_plots import chosen_records
from trulens_core.visualizations.result_texts import Texts, texts
from trulens_core.visualizations.text_escapes import in_html
from trulens_core.visualizations.text_html import legend, without_card

MOST_RECORDS = 200
_MOST_BARS = 15
_SCALES: dict[str, str] = {
    "table": "the longest bar is the record's largest number",
    "image": "full colour is the \xb1 number under the pictures",
    "series": "full colour is the \xb1 number under the strips",
    "text": "full colour is the \xb1 number at the end",
}
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def explored(
    result: ResultFields,
    beside: Mapping[str, ResultFields],
    path: str | Path | None,
    records: Sequence[int] | None,
    options: tuple[float, bool, frozenset[str]],
) -> str:
    """What `AttributionResult.to_html` does."""
    clip, words, hidden = options
    check_clip(clip)
    n = count(result)
    others = {name: count(r) for name, r in beside.items() if count(r) != n}
    if others:
        raise ValueError(f"the result has {n} records, and those beside it {others}")
    name = str((result.method or {}).get("name", "this")) if beside else ""
    values = parts(result)[0].values
    n = n if rows_of(result) is None else len(values)
    chosen = list(range(min(n, MOST_RECORDS)))
    if records is not None:
        chosen = chosen_records(records, values)
    made = Explorer({name: result, **beside}, clip, words, hidden).page(chosen, n)
    if path is not None:
        replace_file(Path(path).resolve(), made.encode("ascii"))
    return made


@dataclasses.dataclass(frozen=True)
class Explorer:
    """The page of several results of the same records.

    Attributes:
        results: by name; an empty name for the only one.
        clip: the percentile of sizes that gets full colour.
        words: of texts, whether the pieces of a word become one.
        hidden: of texts, tokens that are not shown.
    """

    results: Mapping[str, ResultFields]
    clip: float
    words: bool
    hidden: frozenset[str]

    def page(self, records: Sequence[int], n: int) -> str:
        """The whole page, in ASCII."""
        first = next(iter(self.results.values()))
        name, _, how = str((first.method or {}).get("text", "attributions")).partition(": ")
        head, how = in_html(name), f"<p>{in_html(how)}</p>" if how else ""
        rows = "".join(self._record(r, i) for i, r in enumerate(records))
        more = f"{n:,} {'records' if rows_of(first) is None else 'rows'}"
        if len(records) < n:
            more = f"{len(records):,} of {more}"
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{head}</title><style>{STYLE}</style></head><body><header><h1>{head}</h1>"
            f'{how}<p>{more}</p><nav><button id="back" aria-label="record before">&#8592;</button>'
            '<select id="chosen" aria-label="record"></select>'
            '<button id="on" aria-label="next record">&#8594;</button></nav></header>'
            f"<main>{rows}</main><footer>{self._legend()}"
            f'<output id="value" aria-live="polite"></output></footer><script>{SCRIPT}</script>'
            "</body></html>\n"
        )

    def _legend(self) -> str:
        """What the colours mean, in those that the page has."""
        kinds = {_kind(r, p) for r in self.results.values() for p in parts(r)}
        said = _SCALES[min(kinds)] if len(kinds) == 1 else "each has its own scale"
        return legend(said, strong="text" not in kinds)

    def _record(self, record: int, place: int) -> str:
        columns = "".join(
            f"<section>{f'<h3>{in_html(name)}</h3>' if name else ''}"
            f"{self._explanation(result, record)}</section>"
            for name, result in self.results.items()
        )
        first = next(iter(self.results.values()))
        said = in_html(title_at_length(first, record))
        hidden = " hidden" if place else ""
        return f'<article aria-label="{said}"{hidden}><h2>{said}</h2><div>{columns}</div></article>'

    def _explanation(self, result: ResultFields, record: int) -> str:
        found = []
        for part in parts(result):
            name = f"<h4>{in_html(part.name)}</h4>" if part.name else ""
            found.append(name + self._part(result, part, _kind(result, part), record))
        return "".join(found)

    def _part(self, result: ResultFields, part: Part, kind: str, record: int) -> str:
        if kind == "image":
            return self._image(result, part.values, record)
        if kind == "table":
            names = (result.names or {}).get("features")
            return _bars(np.atleast_1d(part.values[record]).reshape(-1), names)
        if kind == "series":
            return _strips(part.values[record], (result.names or {}).get("features"), self.clip)
        tokens = (result.names or {}).get("tokens")
        how = Texts(result, tokens, self.words, self.hidden)
        alone = dataclasses.replace(how.result, target=None)
        shown = texts(dataclasses.replace(how, result=alone), [Part("", part.values)], [record])
        return without_card(shown.lines)

    def _image(self, result: ResultFields, values: Array, record: int) -> str:
        found = panels_of(result, values, record, self.clip)
        shown = found.shown
        numbers = np.rint(np.clip(np.nan_to_num(shown.values) / shown.limit, -2, 2) * 16383)
        data = base64.b64encode(numbers.astype("<i2").tobytes()).decode()
        height, width = shown.values.shape
        return (
            f'<div class="maps" data-values="{data}" data-limit="{shown.limit:.6g}" '
            f'data-width="{width}" data-height="{height}">{found.figures()}'
            f"<p>full colour is &#177;{shown.limit:.3g}</p></div>"
        )


def _kind(result: ResultFields, part: Part) -> str:
    """How an array is shown; a long vector for each place is one of a text, as embeddings are."""
    if (result.names or {}).get("tokens") is not None:
        return "text"
    kind = kind_of(part.values, None)
    return "text" if kind == "series" and part.values.shape[2] > MOST_CHANNELS else kind


def _strips(values: Array, names: Sequence[Any] | None, clip: float) -> str:
    """A strip of colour for each channel of (steps, channels), from the first step to the last."""
    top = limit(values, clip)
    found = image_panels.Map(values.T, top, False).colors()
    known = [f"channel {i}" for i in range(len(found))] if names is None else [*map(str, names)]
    rows = "".join(
        f'<div class="row strip"><span class="name">{in_html(name)}</span>'
        f'<img alt="{in_html(name)}" src="{source(own[np.newaxis])}">'
        f"<span>{np.nansum(numbers):+.3g}</span></div>"
        for name, own, numbers in zip(known, found, values.T, strict=True)
    )
    return (
        f'<div class="maps strips">{rows}<p>steps 0 to {len(values) - 1} from left to right, on '
        f"the right their sum; full colour is &#177;{top:.3g}</p></div>"
    )


def _bars(values: Array, names: Sequence[Any] | None) -> str:
    """The strongest features, each a bar from the middle of its row."""
    known = feature_names(names, len(values))
    numbers, _, top = strongest(values, known, _MOST_BARS)
    labels = [known[i] for i in top]
    labels += [f"{len(values) - len(top)} others"] if len(numbers) > len(labels) else []
    most = max((abs(v) for v in numbers if np.isfinite(v)), default=0.0) or 1.0
    rows = ""
    for name, value in zip(labels, numbers, strict=True):
        part = 50 * min(abs(float(np.nan_to_num(value))) / most, 1.0)
        left = 50 - part if value < 0 else 50
        style = f"left:{left:.2f}%;width:{part:.2f}%;background:{sign_color(value)}"
        said = f"{in_html(name)}: {value:+.6g}"
        rows += (
            f'<div class="row" title="{said}"><span class="name">{in_html(name)}</span>'
            f'<span class="bar"><i style="{style}"></i></span>'
            f"<span>{value:+.3g}</span></div>"
        )
    return f'<div class="bars">{rows}</div>'

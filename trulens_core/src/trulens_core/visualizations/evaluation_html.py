"""What `evaluate` found, in a notebook: a table, who leads, and how much methods agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trulens_core.cards import QUIET, ascii_html, folded, framed, grid
from trulens_core.metrics.scores import number

if TYPE_CHECKING:
    from trulens_core.metrics.evaluation import Evaluation


def as_html(found: Evaluation) -> str:
    """A fragment of HTML, in ASCII, in the page's own ink."""
    head, *rows = found.table()
    names = [f"<b>{ascii_html(c)}</b>" for c in head]
    lines = [_line(row, quiet=row[0] in found.guesses) for row in rows]
    said = f"means &#177; standard errors over {found.n_records} records; bold is the best"
    if found.guesses:
        said += "; what is grey knows nothing of the model"
    leads = "".join(f"<div>{ascii_html(w)}</div>" for w in found.winners())
    body = (
        f'<div><b>Evaluation</b> <span style="{QUIET}">{said}</span></div>'
        f"{grid([names, *lines])}{leads}{_agreement(found)}"
    )
    return framed(body)


def _line(row: Sequence[str], *, quiet: bool) -> list[str]:
    cells = []
    for cell in row:
        text = ascii_html(cell.removesuffix("*"))
        text = f"<b>{text}</b>" if cell.endswith("*") else text
        cells.append(f'<span style="opacity:0.7">{text}</span>' if quiet else text)
    return cells


def _agreement(found: Evaluation) -> str:
    """The rank correlation of each two explanations, which unfolds."""
    if found.agreement is None:
        return ""
    names, means, errors = found.agreement
    rows = [["", *(f"<b>{ascii_html(n)}</b>" for n in names)]]
    for name, own, wrong in zip(names, means, errors, strict=True):
        cells = [ascii_html(number(m, e)) for m, e in zip(own, wrong, strict=True)]
        rows.append([f"<b>{ascii_html(name)}</b>", *cells])
    return folded(["how much they agree: rank correlations"], grid(rows))

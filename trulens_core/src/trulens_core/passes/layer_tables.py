"""The layers of a model for people: a table in a terminal, and a tree that folds in a notebook."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from trulens_core.cards import ascii_html, folded, framed
from trulens_core.passes.names import Layer

_STEP = re.compile(r"[./]")
_OPEN = 12
"""So many layers are shown without being folded."""


def table_of(owner: str, backend: str, layers: Sequence[Layer], depth: int | None = None) -> str:
    """The layers as a table, those `depth` names deep; what is deeper is counted."""
    shown = list(layers) if depth is None else shallow(layers, depth)
    rows = [("layer", "kind", "output", "calls", "parameters", "within")]
    for x in shown:
        calls = "" if x.calls is None else str(x.calls)
        rows.append((x.name, x.kind, shape_of(x), calls, number_of(x), x.within))
    used = [i for i in range(6) if i < 2 or any(r[i] for r in rows[1:])]
    width = {i: max(len(r[i]) for r in rows) for i in used}
    lines = ["  ".join(_set(r[i], i, width[i]) for i in used).rstrip() for r in rows]
    return "\n".join([_head(owner, backend, layers), *lines])


def tree_of(owner: str, backend: str, layers: Sequence[Layer]) -> str:
    """The layers as a fragment of HTML, in which those inside another unfold."""
    opened = len(layers) <= _OPEN
    body = _branches(list(layers), 1, opened)
    return framed(f"<div>{ascii_html(_head(owner, backend, layers))}</div>{body}")


def shallow(layers: Sequence[Layer], depth: int) -> list[Layer]:
    """The layers at most `depth` names deep; each says how many more are inside.

    Raises:
        ValueError: for a depth below 1.

    Example:
        >>> shallow([Layer("a.b", "Linear", parameters=6), Layer("a.c", "ReLU")], 1)[0].kind
        '2 inside'
    """
    if depth < 1:
        raise ValueError(f"depth is {depth!r}; it must be at least 1")
    found: dict[str, Layer] = {}
    inside: Counter[str] = Counter()
    for x in layers:
        top = _first(x.name, depth)
        if top == x.name:
            found[top] = x
        else:
            inside[top] += 1
            found.setdefault(top, Layer(top, ""))
    return [_counted(x, inside[x.name]) for x in found.values()]


def shape_of(layer: Layer) -> str:
    """The shape of what a layer gives, as a table shows it."""
    sizes = () if layer.shape is None else layer.shape
    return "×".join("?" if n is None else str(n) for n in sizes)


def number_of(layer: Layer) -> str:
    """How many parameters a layer has, as a table shows it; nothing for none."""
    return f"{layer.parameters:,}" if layer.parameters else ""


def _counted(layer: Layer, inside: int) -> Layer:
    if not inside:
        return layer
    said = f"{inside} inside"
    return layer._replace(kind=f"{layer.kind}, {said}" if layer.kind else said)


def _first(name: str, depth: int) -> str:
    """The first names of a path; the whole path where it has no more."""
    ends = [m.start() for m in _STEP.finditer(name)]
    return name if len(ends) < depth else name[: ends[depth - 1]]


def _set(text: str, column: int, width: int) -> str:
    return text.rjust(width) if column == 4 else text.ljust(width)  # numbers end in one line


def _head(owner: str, backend: str, layers: Sequence[Layer]) -> str:
    return f"{owner} on {backend}, {len(layers)} layers"


def _branches(layers: list[Layer], depth: int, opened: bool) -> str:
    groups: dict[str, list[Layer]] = {}
    for x in layers:
        groups.setdefault(_first(x.name, depth), []).append(x)
    return "".join(_branch(top, group, depth, opened) for top, group in groups.items())


def _branch(top: str, group: list[Layer], depth: int, opened: bool) -> str:
    own = next((x for x in group if x.name == top), Layer(top, ""))
    others = [x for x in group if x is not own]
    cells = _cells(_counted(own, len(others)))
    if not others:
        line = "".join(f'<span style="padding-right:14px">{c}</span>' for c in cells)
        return f'<div style="padding-left:15px">{line}</div>'  # as far as what unfolds
    return folded(cells, _branches(others, depth + 1, opened), shown=opened)


def _cells(layer: Layer) -> list[str]:
    number = number_of(layer)
    said = [
        *(layer.kind, shape_of(layer)),
        f"{number} parameters" if number else "",
        f"{layer.calls} calls" if layer.calls not in (None, 1) else "",
        layer.within,
    ]
    quiet = [f'<span style="opacity:0.75">{ascii_html(s)}</span>' for s in said if s]
    return [f"<code>{ascii_html(layer.name)}</code>", *quiet]

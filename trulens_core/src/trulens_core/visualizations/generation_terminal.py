"""An explained generation in a terminal: plain lines, and coloured ones by rich."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trulens_core.optional import require
from trulens_core.text.fields import GenerationFields
from trulens_core.visualizations.text_colors import STRONG_LOWERS, STRONG_RAISES, VISIBLE, css
from trulens_core.visualizations.text_escapes import visible

_STRONGEST = 4


def lines(result: GenerationFields) -> Iterator[str]:
    """What it is, and for each target what it rests on most, a line each."""
    name = result.method.get("name") or "an explanation"
    n = len(result)
    targets = f"{n} target{'s' * (n != 1)}"
    asked = str(result.method.get("quantity") or "")
    if asked.startswith("contrast"):  # of which the text does not tell the other half
        targets = f"the {visible(asked)} of {targets}"
    yield f"{name} of {targets}, by {len(result.sources)} stretches of the text"
    yield f"prompt: {visible(result.inputs.text)}"
    shown = [visible(s.strip()) for s in result.outputs_shown]
    width = max(map(len, shown), default=0)
    for i, piece in enumerate(shown):
        number = "" if result.quantity is None else f" {result.quantity[i]:>9.4g}"
        strongest = "  ".join(f"{s} {v:+.3g}" for s, v in _strongest(result, i))
        yield f"{piece:<{width}}{number}  {strongest}"


def _strongest(result: GenerationFields, i: int) -> Iterator[tuple[str, float]]:
    row = result.attributions[i]
    pieces = result.text.pieces
    for j in np.argsort(-np.abs(row), kind="stable")[:_STRONGEST]:
        if row[j]:
            a, b = result.sources[j]
            yield visible("".join(pieces[a:b]).strip()) or "·", float(row[j])


def styled(result: GenerationFields) -> Any:
    """The text coloured by the sum of all targets, then the lines, as a `rich.text.Text`."""
    text = require("rich.text", "text").Text
    total = result.attributions.sum(0)
    largest = float(np.abs(total).max()) or 1.0
    found, pieces = text(), result.text.pieces
    for j, (a, b) in enumerate(result.sources):
        fraction = float(total[j]) / largest
        written = "".join(visible(c) if c != "\n" else c for c in "".join(pieces[a:b]))
        found.append(written, style=_style(fraction, a >= len(result.inputs)))
    found.append("\n\n")
    for line in list(lines(result))[2:]:
        found.append(line + "\n")
    return found


def _style(fraction: float, written: bool) -> str:
    style = "italic " if written else ""
    if abs(fraction) < VISIBLE:
        return style.strip()
    color = css(STRONG_RAISES if fraction > 0 else STRONG_LOWERS)
    strength = "bold reverse" if abs(fraction) > 0.5 else "bold" if abs(fraction) > 0.2 else ""
    # what lowers is underlined too, for eyes and terminals that tell no colours
    return f"{style}{strength} {'underline ' if fraction < 0 else ''}{color}".strip()

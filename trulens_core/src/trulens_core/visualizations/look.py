"""How pictures look: one palette of sign, words that fit, titles that say what is shown."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.optional import require
from trulens_core.results.arrays import host
from trulens_core.results.fields import ResultFields
from trulens_core.results.records import named
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.text_colors import (
    GROUND,
    LOWERS,
    QUIET,
    RAISES,
    STRONG_LOWERS,
    STRONG_RAISES,
    css,
)
from trulens_core.visualizations.text_escapes import visible

SMALL = 9
"""The size of letters, in points."""
LONGEST = 28
"""The letters of a name for which there is room beside a chart."""
GREY = css(QUIET)


@functools.cache
def signed_map() -> Any:
    """Blue lowers, white is nothing, orange raises: a colour map of matplotlib."""
    ramp = [css(c) for c in (STRONG_LOWERS, LOWERS, GROUND, RAISES, STRONG_RAISES)]
    return _map("trulens", ramp)


@functools.cache
def size_map() -> Any:
    """White is nothing, and orange much: of what has no sign."""
    return _map("trulens_size", [css(c) for c in (GROUND, RAISES, STRONG_RAISES)])


def _map(name: str, ramp: list[str]) -> Any:
    return require("matplotlib.colors", "viz").LinearSegmentedColormap.from_list(name, ramp)


def sign_color(value: float) -> str:
    """The strong colour of what raises or lowers.

    Example:
        >>> sign_color(1.0), sign_color(-1.0)
        ('#cc4c0c', '#1f77d0')
    """
    return css(STRONG_RAISES if value >= 0 else STRONG_LOWERS)


def plain(text: Any) -> str:
    """Text for a label of matplotlib, where dollars would begin a formula."""
    return visible(str(text)).replace("$", r"\$")


def label(text: Any, room: int = LONGEST) -> str:
    """Text as a label, with its middle left out where it is longer than there is room for.

    Example:
        >>> label("a short name"), label("a name that goes on and on and on", 16)
        ('a short name', 'a name t… and on')
    """
    shown = visible(str(text))
    if _width(shown) > room:
        head, tail = (room + 1) // 2, room - (room + 1) // 2 - 1
        shown = f"{_fitting(shown, head)}…{_fitting(shown[::-1], tail)[::-1]}"
    return shown.replace("$", r"\$")


def _width(text: str) -> int:
    """In letters, of which those of East Asia take two."""
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _fitting(text: str, room: int) -> str:
    found = ""
    for c in text:
        if _width(found + c) > room:
            break
        found += c
    return found


def limit(values: Array, clip: float) -> float:
    """The size of number that gets full colour: the percentile `clip` of sizes, at best not 0."""
    sizes = np.abs(values[np.isfinite(values)])
    if not sizes.size or not sizes.max():
        return 1.0
    found = float(np.percentile(sizes, clip))
    return found if found > 0 else float(sizes.max())


def check_clip(clip: float) -> None:
    """Accepts percentiles."""
    if not 0 < clip <= 100:
        raise ValueError(f"clip is {clip!r}; it must be a percentile, above 0 and up to 100")


def title(result: ResultFields, place: int, room: int = 60) -> str:
    """A record's number, its class and its score, as far as they are known."""
    name, record = named(result, place)
    words, names = [name], result.names or {}
    if record is None:
        return name
    if result.target is not None:
        words.append(class_name(names.get("classes"), int(host(result.target)[record]), room - 26))
    if result.quantity is not None:
        scores = np.atleast_1d(host(result.quantity)[record]).reshape(-1)
        shown = ", ".join(f"{s:.3g}" for s in scores[:3]) + (", …" if len(scores) > 3 else "")
        words.append(f"score {shown}")
    return " · ".join(words)


def title_at_length(result: ResultFields, place: int) -> str:
    """A record's number, its class and its score, at any length: a page has room."""
    name, record = named(result, place)
    if record is None:
        return name
    words = [name]
    if result.target is not None:
        names = (result.names or {}).get("classes") or ()
        number = int(host(result.target)[record])
        known = -len(names) <= number < len(names)
        words.append(str(names[number]) if known else f"class {number}")
    if result.quantity is not None:
        scores = np.atleast_1d(host(result.quantity)[record]).reshape(-1)
        words.append("score " + ", ".join(f"{s:.4g}" for s in scores))
    return " · ".join(words)


def title_of_all(result: ResultFields) -> str:
    """What all records were explained for: their class, or how many of each."""
    if result.target is None:
        return ""
    names = (result.names or {}).get("classes")
    found, counts = np.unique(host(result.target), return_counts=True)
    if len(found) == 1:
        n = int(counts[0])
        return f"{class_name(names, int(found[0]), 50)}, {n:,} record{'s' * (n != 1)}"
    shown = 2 if len(found) > 3 else 3
    order = np.argsort(-counts, kind="stable")[:shown]
    said = [f"{class_name(names, int(found[i]), 12)} ({counts[i]:,})" for i in order]
    more = [f"{len(found) - shown:,} more"] if len(found) > shown else []
    return f"each record's class: {', '.join([*said, *more])}"


def feature_names(names: Sequence[Any] | None, n: int) -> list[str]:
    """The features' names, or their numbers.

    Example:
        >>> feature_names(None, 2), feature_names(["age", "income"], 2)
        (['feature 0', 'feature 1'], ['age', 'income'])
    """
    if names is None:
        return [f"feature {i}" for i in range(n)]
    if len(names) != n:
        raise ValueError(f"names has {len(names)} names, but there are {n} features")
    return [str(name) for name in names]


def class_name(names: Sequence[Any] | None, number: int, room: int = LONGEST) -> str:
    """What a class is called, or its number.

    Example:
        >>> class_name(["cat", "dog"], 1), class_name(None, 1)
        ('dog', 'class 1')
    """
    known = names is not None and -len(names) <= number < len(names)
    return label(names[number], room) if names is not None and known else f"class {number}"

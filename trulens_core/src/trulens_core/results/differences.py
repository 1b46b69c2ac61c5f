"""Two saved results compared: for people, and for an exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from trulens_core.results.arrays import Array, average_ranks
from trulens_core.results.comparison import changes
from trulens_core.results.fields import ResultFields
from trulens_core.results.parts import Part, parts
from trulens_core.results.replaying import weights_changed

_SHOWN = 10
Measure = Callable[[Array, Array], float]


class Difference(NamedTuple):
    """How two results differ.

    Attributes:
        same: whether no record's attributions changed by more than the tolerance.
        lines: what to say of it.
    """

    same: bool
    lines: tuple[str, ...]


def difference(a: ResultFields, b: ResultFields, tolerance: float) -> Difference:
    """How far b is from a: largest relative change of a record, cosine, ranks, which records."""
    lines = _beside(a, b)
    ours, theirs = parts(a), parts(b)
    if [p.values.shape for p in ours] != [p.values.shape for p in theirs]:
        shapes = " and ".join(str([p.values.shape for p in x]) for x in (ours, theirs))
        return Difference(False, (*lines, f"attributions have other shapes: {shapes}"))
    worst = 0.0
    for one, other in zip(ours, theirs, strict=True):
        (change,) = changes(other.values, one.values)
        worst = max(worst, float(change.max(initial=0.0)))
        lines += _of_part(one, other, change, tolerance)
    same = worst <= tolerance
    said = f"the same to {tolerance:g}" if same else f"not the same to {tolerance:g}"
    return Difference(same, (*lines, f"{said}: the largest change of a record is {worst:.3g}"))


def _beside(a: ResultFields, b: ResultFields) -> list[str]:
    """What differs beside the numbers."""
    lines = []
    for name in ("text", "model", "backend"):
        old, new = ((r.method or {}).get(name) for r in (a, b))
        if old != new:
            lines.append(f"{'method' if name == 'text' else name}: {old} -> {new}")
    then, now = ((r.method or {}).get("versions") or {} for r in (a, b))
    lines += [f"{k}: {v} -> {now[k]}" for k, v in then.items() if now.get(k, v) != v]
    old, new = ((r.fingerprints or {}) for r in (a, b))
    lines += weights_changed(old.get("weights"), new.get("weights"))
    if old.get("inputs") != new.get("inputs"):
        lines.append("the inputs are others")
    return lines


def _of_part(one: Part, other: Part, change: Array, tolerance: float) -> list[str]:
    if not change.max(initial=0.0) > 0:
        return []
    name = f"{one.name}: " if one.name else ""
    a, b = (x.values.reshape(len(x.values), -1).astype("float64") for x in (one, other))
    moved = np.flatnonzero(change > tolerance)
    listed = ", ".join(f"{r} ({change[r]:.2g})" for r in moved[:_SHOWN])
    more = f" and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
    lines = [f"{name}cosine at least {_each(_cosine, a, b):.6f}"]
    lines.append(f"{name}rank correlation at least {_each(_ranks, a, b):.6f}")
    if len(moved):
        lines.append(f"{name}records beyond the tolerance: {listed}{more}")
    return lines


def _each(measure: Measure, a: Array, b: Array) -> float:
    """The smallest of a measure over records."""
    return min((measure(x, y) for x, y in zip(a, b, strict=True)), default=1.0)


def _cosine(a: Array, b: Array) -> float:
    sizes = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / sizes if sizes else float(not (a.any() or b.any()))


def _ranks(a: Array, b: Array) -> float:
    """Spearman's correlation; ties have the mean of their places."""
    x, y = _places(a), _places(b)
    if not (x.any() and y.any()):
        return 1.0
    return _cosine(x, y)


def _places(a: Array) -> Array:
    found = average_ranks(a)
    return np.asarray(found - found.mean())

"""A result in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trulens_core.results.arrays import host
from trulens_core.results.fields import ResultFields
from trulens_core.results.parts import parts
from trulens_core.results.records import count, named
from trulens_core.results.tables import Strongest, top

_STRONGEST = 5


def lines(result: ResultFields, records: int) -> Iterator[str]:
    """What it is, and the strongest attributions of the first records, a line each."""
    method = result.method or {}
    yield str(method.get("text", "a result whose method is not known"))
    if method:
        framework = {k: v for k, v in (method.get("versions") or {}).items() if k != "threads"}
        yield f"model: {method.get('model')} ({method.get('backend')})"
        yield "versions: " + ", ".join(f"{k} {v}" for k, v in framework.items())
    weights = (result.fingerprints or {}).get("weights")
    if weights:
        yield f"weights: {len(weights)}, with fingerprints"
    for part in parts(result):
        yield f"attributions{f' {part.name}' if part.name else ''}: {part.values.shape}"
    n = count(result)
    for i, strongest in enumerate(top(result, _STRONGEST)[:records]):
        found = "  ".join(f"{_place(result, s)} {s.value:+.3g}" for s in strongest)
        name, record = named(result, i)
        yield f"{name}{'' if record is None else _numbers(result, record)}: {found}"
    if n > records:
        yield f"and {n - records} more records"


def _place(result: ResultFields, s: Strongest) -> str:
    """What an attribution is of; a number alone says that it is a feature's."""
    known = {"features", "tokens"} & set(result.names or {})
    name = s.name if known or len(s.place) != 1 else f"feature {s.name}"
    return f"{s.part} {name}".strip()


def _class(result: ResultFields) -> Any:
    """The classes explained, by name where they have one."""
    names = (result.names or {}).get("classes")
    if result.target is None or names is None:
        return result.target
    return np.array([str(names[c]) if c < len(names) else str(c) for c in host(result.target)])


def _numbers(result: ResultFields, i: int) -> str:
    told = {
        "class": _class(result),
        "score": result.quantity,
        "residual": result.residual,
    }
    shown = [f"{k} {_short(host(v)[i])}" for k, v in told.items() if v is not None]
    return f" ({', '.join(shown)})" if shown else ""


def _short(value: Any) -> str:
    return ", ".join(
        str(v) if isinstance(v, np.integer | str) else f"{v:.4g}" for v in np.atleast_1d(value)
    )

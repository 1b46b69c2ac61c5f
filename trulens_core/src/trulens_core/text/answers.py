"""The numbers of a method as those of each record's tokens."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.errors import TrulensWarning
from trulens_core.results.arrays import host
from trulens_core.text.forced import Forced
from trulens_core.text.spans import Spans

_LEAK = 1e-6


def tables(found: Any, rows: int, tensors: int) -> list[list[np.ndarray[Any, Any]]]:
    """Attributions as [row][tensor] of (records, tokens), whichever lists of one were unwrapped."""
    if rows > 1:
        return [list(row) if tensors > 1 else [row] for row in found]
    return [list(found) if tensors > 1 else [found]]


def of_record(
    tables: Sequence[Sequence[Any]],
    record: int,
    n: int,
    forced: Forced,
    held: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """One record's numbers, (its n targets, tokens of its text), 0 of what is held."""
    columns = [
        np.stack([host(row[t])[record] for row in tables])[:n] for t in range(len(tables[0]))
    ]
    values = forced.of_tokens(record, columns)
    return np.where(held, 0.0, values).astype(values.dtype)


def row_of(values: Any, record: int, own: Spans) -> np.ndarray[Any, Any] | None:
    """One record's numbers, one per target; None where there are none."""
    if values is None:
        return None
    own_values = host(values)[record]
    return np.atleast_1d(own_values)[: len(own)]


def check_causal(values: np.ndarray[Any, Any], forced: Forced, record: int, own: Spans) -> None:
    """Warn where a token that came later has an effect on one before it."""
    n = len(forced.prompts[record])
    beyond = [r[n + b - 1 :] for r, (_, b) in zip(values, own, strict=True)]
    later = max(float(np.abs(r).max()) for r in beyond)
    if later > _LEAK * float(np.abs(values).max()):
        warnings.warn(
            "tokens have an effect on what stands before them, so that the model is not causal, or "
            "its tokens compete for room, as experts of a limited capacity do; a row is then not "
            "what the text cut off after it gives",
            TrulensWarning,
            stacklevel=4,
        )

"""What a call must leave as it was, before it and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal, arrays to the bit."""
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


def copied(value: Any) -> Any:
    """The value with its arrays copied, which a call may change."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return {k: copied(v) for k, v in value.items()}
    return [copied(v) for v in value] if isinstance(value, list | tuple) else value


def assert_same(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Fail, and name what differs."""
    changed = [
        f"{k} ({before.get(k)!r:.60} before, {after.get(k)!r:.60} after)"
        for k in {**before, **after}
        if k not in before or k not in after or not same(before[k], after[k])
    ]
    assert not changed, "a call left changed: " + ", ".join(changed)

"""A small cache of traced steps, safe to share between threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class StepCache:
    """The steps last used, by key.

    A copy, and what is unpickled, starts empty: steps belong to one process and one model.

    Args:
        size: how many are kept.

    Example:
        >>> cache = StepCache(2)
        >>> [cache.get(k, lambda: object) is object for k in "aab"], len(cache)
        ([True, True, True], 2)
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.RLock()
        self._held: OrderedDict[Hashable, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def __reduce__(self) -> tuple[type[StepCache], tuple[int]]:
        return StepCache, (self._size,)

    def get(self, key: Hashable, build: Callable[[], Any]) -> Any:
        """The step of a key, built at its first use; the one not used for longest makes room."""
        with self._lock:
            if key not in self._held:
                self._held[key] = build()
            return self._used(key)

    def found(self, key: Hashable) -> Any:
        """The step of a key, None where there is none; it does not count as used."""
        return self._held.get(key)

    def put(self, key: Hashable, step: Any) -> None:
        """Keep a step in the place of another one of its key, if there is one."""
        with self._lock:
            self._held[key] = step  # at once: `found` never misses the one before
            self._used(key)

    def clear(self) -> None:
        """Forget all steps."""
        with self._lock:
            self._held.clear()

    def _used(self, key: Hashable) -> Any:
        self._held.move_to_end(key)
        while len(self._held) > self._size:
            self._held.popitem(last=False)
        return self._held[key]

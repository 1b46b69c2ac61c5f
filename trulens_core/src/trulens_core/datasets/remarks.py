"""What is warned of in many batches, said once."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


class Remarks:
    """Warnings of batches: each kind once, when it first comes, and at the end how often."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, tuple[type[Warning], str]] = {}

    def add(self, warned: Sequence[tuple[type[Warning], str]], level: int) -> None:
        """Take a batch's."""
        for kind, text in warned:
            key = _NUMBER.sub("#", text)
            self._counts[key] = self._counts.get(key, 0) + 1
            if key not in self._first:
                self._first[key] = kind, text
                warnings.warn(text, kind, stacklevel=level)

    def lines(self, batches: int) -> list[str]:
        """Each kind, and in how many batches it came."""
        return [
            f"in {n} of {batches} batches: {self._first[k][1]}" for k, n in self._counts.items()
        ]

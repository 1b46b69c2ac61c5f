"""Texts that begin alike: the beginning is read once, where the model remembers what it read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from trulens_core.models.texts import Remembered, TextModel
from trulens_core.text.tokens import Ids

Array = np.ndarray[Any, Any]

_LEAST = 16
"""Tokens of a beginning that is worth remembering."""


class Ways(Protocol):
    """What of `Passes` is needed."""

    @property
    def text(self) -> TextModel: ...
    @property
    def ids(self) -> Ids: ...
    @property
    def steps(self) -> int: ...
    @property
    def others(self) -> Mapping[str, Any]: ...

    def closed(self, kept: Array) -> Any: ...
    def after(self, n: int, remembered: Mapping[str, Any], kept: Array) -> Any: ...
    def near(self, y: Any, exact: Array) -> bool: ...
    def host(self, y: Any) -> Array: ...


class Following:
    """`Passes.closed`, where the beginning that all rows have is not read again.

    Each call of an explanation makes its own, and finds out anew, with a row of the first rows that
    are read so, whether the model gives the same by it: that may depend on the text's length, and
    on what was done to the model since.

    Args:
        ways: the text, and how it is read.
    """

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._remembered: Remembered | None = None
        self._use = ways.text.remember is not None and not ways.others

    def __call__(self, kept: Array) -> Any:
        ways, length = self._ways, kept.shape[1]
        n = min(int(alike(kept).min()), length - ways.steps)
        # to read the whole text, and one row to compare with, has to pay
        if not self._use or n < _LEAST or n * len(kept) < 2 * length:
            return ways.closed(kept)
        known = self._remembered is not None
        if self._remembered is None and ways.text.remember is not None:
            self._remembered = ways.text.remember(ways.ids.tolist())
        self._use = self._remembered is not None
        if self._remembered is None:
            return ways.closed(kept)
        y = ways.after(n, self._remembered(n, len(kept)), kept)
        if not known:
            i = int(np.argmin(kept.sum(axis=1)))
            self._use = ways.near(y[i : i + 1], ways.host(ways.closed(kept[i : i + 1])))
        return y if self._use else ways.closed(kept)


def alike(kept: Array) -> Array:
    """How many tokens at the start of each row are all kept."""
    found: Array = np.where(kept.all(axis=1), kept.shape[1], np.argmin(kept, axis=1))
    return found

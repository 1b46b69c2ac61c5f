"""Designs: which masks of segments are evaluated, made as they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from trulens_core.segments import Regions

Array = npt.NDArray[Any]

_CHUNK = 256
"""Draws that are made together, so that a draw does not depend on how blocks are cut."""


class Masks(ABC):
    """The masks of a design for one number of segments.

    The first keeps everything: it gives the quantity of the unmodified record. Mask i depends on
    the design and on the number of segments alone.

    Attributes:
        n: how many there are.
        n_segments: of each mask.
    """

    def __init__(self, n_segments: int, n: int) -> None:
        self.n_segments: int = n_segments
        self.n: int = n

    @abstractmethod
    def __call__(self, i: int, j: int) -> Array:
        """The masks i to j, (j − i, segments): booleans, True is kept, or numbers from 0 to 1."""

    def draws(self, i: int, j: int) -> npt.NDArray[np.int64]:
        """Which draw from data each of the masks i to j goes with; by default its own."""
        return np.arange(i, j)


class Design(ABC):
    """Which masks are evaluated: a frozen recipe, whatever the records.

    Attributes:
        random: whether masks, or what replaces removed segments, may be drawn at random.
    """

    random: ClassVar[bool] = True

    @abstractmethod
    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        """The masks for a record.

        Args:
            regions: of the record, one per tensor of the value.
            drawn: whether what replaces removed segments is drawn from data, anew for each draw.

        Raises:
            ValueError: where they cannot be made for so many segments.
        """


class Uniforms:
    """Numbers in [0, 1), rows of one length, by Philox on the host.

    Row i depends on (seed, stream, length, i) alone.

    Args:
        seed: of all.
        stream: tells apart what is drawn for different purposes.
        length: of a row.
    """

    def __init__(self, seed: int, stream: int, length: int) -> None:
        self._seed, self._stream, self._length = int(seed), stream, length
        self._last: tuple[int, Array] = -1, np.zeros((0, length))

    def __call__(self, i: int, j: int) -> Array:
        """The rows i to j."""
        if j <= i:
            return np.zeros((0, self._length))
        first, last = i // _CHUNK, (j - 1) // _CHUNK
        rows = np.concatenate([self._chunk(c) for c in range(first, last + 1)])
        return rows[i - first * _CHUNK : j - first * _CHUNK]

    def _chunk(self, c: int) -> Array:
        known, found = self._last  # as one: another thread may be at another chunk
        if known != c:
            bits = np.random.Philox(key=self._seed, counter=[0, self._stream, 2, c])
            found = np.random.Generator(bits).random((_CHUNK, self._length))
            self._last = c, found
        return found

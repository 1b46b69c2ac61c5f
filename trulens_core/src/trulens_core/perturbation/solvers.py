"""Solvers: how the quantities at masked points become a number for each segment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trulens_core.distributions import Masks

Array = npt.NDArray[Any]


class Solved(NamedTuple):
    """What a solver gives for b records of equally many segments.

    Attributes:
        values: (b, segments).
        error: the standard error of each, alike, where the design is random; or a function that
            computes it when it is asked for.
        quantity: at the unmodified records, (b,).
        baseline: at what replaces all segments, where that is known.
        residual: quantity − baseline − Σ values, where values are shares of that difference.
    """

    values: Array
    error: Array | Callable[[], Array] | None = None
    quantity: Array | None = None
    baseline: Array | None = None
    residual: Array | None = None


class Solver(ABC):
    """A solver at work on one quantity of b records with equally many segments.

    Args:
        masks: of the records.
        records: b.
    """

    def __init__(self, masks: Any, records: int) -> None:
        self.masks: Any = masks
        self.records: int = records

    @abstractmethod
    def add(self, first: int, q: Array) -> None:
        """Add the quantities (k, b) at the masks from `first` on; called in order."""

    @abstractmethod
    def finish(self) -> Solved:
        """The answer, when all masks were added."""

    def zeros(self) -> Array:
        """A number for each segment and record, (segments, b)."""
        return np.zeros((self.masks.n_segments, self.records))


class Difference(Solver):
    """What removing a segment takes away: q(x) − q(x without it)."""

    def __init__(self, masks: Masks, records: int) -> None:
        super().__init__(masks, records)
        self._q = np.zeros((masks.n, records))

    def add(self, first: int, q: Array) -> None:
        self._q[first : first + len(q)] = q

    def finish(self) -> Solved:
        return Solved((self._q[0] - self._q[1:]).T, quantity=self._q[0])


class Alone(Difference):
    """What a segment gives by itself: q(baseline with it) − q(baseline)."""

    def finish(self) -> Solved:
        return Solved((self._q[2:] - self._q[1]).T, quantity=self._q[0], baseline=self._q[1])


class Moments:
    """The running mean and sum of squared deviations of samples (n, …) (Chan et al., 1979).

    Attributes:
        n: how many there were.
    """

    def __init__(self) -> None:
        self.n: int = 0
        self._mean: Any = 0.0
        self._spread: Any = 0.0

    def add(self, samples: Array) -> None:
        """Add samples, on the first axis."""
        n, total = len(samples), self.n + len(samples)
        if not n:
            return
        mean = samples.mean(axis=0)
        off = mean - self._mean
        spread = ((samples - mean) ** 2).sum(axis=0)
        self._spread = self._spread + spread + off * off * (self.n * n / total)
        self._mean, self.n = self._mean + off * (n / total), total

    def mean(self) -> Array:
        """Their mean."""
        return np.asarray(self._mean)

    def variance(self) -> Array:
        """Their population variance."""
        return np.asarray(self._spread) / max(1, self.n)

    def error(self) -> Array:
        """The standard error of the mean, for two samples or more."""
        return np.asarray(np.sqrt(self._spread / (self.n * max(1, self.n - 1))))


class OfUnits(Solver):
    """A solver whose masks come in units, such as permutations, after some at the head."""

    def __init__(self, masks: Any, records: int) -> None:
        super().__init__(masks, records)
        self.heads: list[Array] = []
        self._waiting: Array = np.zeros((0, records))
        self._unit = 0

    @property
    def head(self) -> int:
        """How many masks come before the units."""
        return 1

    def add(self, first: int, q: Array) -> None:
        at_head = max(0, self.head - first)
        self.heads += list(q[:at_head])
        waiting = np.concatenate([self._waiting, q[at_head:]])
        size = self.masks.size
        n = len(waiting) // size if size else 0
        if n:
            self.add_units(self._unit, waiting[: n * size].reshape(n, size, -1))
        self._unit += n
        self._waiting = waiting[n * size :]

    @abstractmethod
    def add_units(self, first: int, q: Array) -> None:
        """Add whole units (n, size, b), the first of which has a number."""

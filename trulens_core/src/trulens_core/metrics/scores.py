"""What a metric says: a number for each record, and where it comes from a curve, the curve."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Better = Literal["higher", "lower"] | None
"""Which numbers of a metric speak for an explanation; None: neither does."""


class Curve(NamedTuple):
    """A quantity as more and more of a record is changed.

    Attributes:
        at: (n,) what share is changed, or which step it is.
        values: (records, n).
        steps: the names of the n places, where they are steps.

    Example:
        >>> Curve(np.array([0.0, 1.0]), np.array([[3.0, 1.0]])).area()
        array([2.])
    """

    at: Array
    values: Array
    steps: tuple[str, ...] | None = None

    def area(self) -> Array:
        """The area under it by the trapezoid rule, (records,); of shares, the mean height."""
        heights = (self.values[:, 1:] + self.values[:, :-1]) / 2
        return np.asarray((heights * np.diff(self.at)).sum(axis=1))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Score:
    """What a metric says of an explanation of some records.

    Attributes:
        metric: its name.
        values: (records,); NaN where it says nothing of a record.
        better: "higher" or "lower", or None where neither is.
        sampling_error: of each value, where the metric draws at random: its standard error.
        curve: where the values are areas or means of one.

    Example:
        >>> score = Score("Complexity", np.array([1.0, 2.0, 3.0]), "lower")
        >>> score
        Score(Complexity: 2 ± 0.58, 3 records, lower is better)
    """

    metric: str
    values: Array
    better: Better = None
    sampling_error: Array | None = None
    curve: Curve | None = None

    @property
    def mean(self) -> float:
        """Over the records of which the metric says something; NaN where there are none."""
        known = self.values[~np.isnan(self.values)]
        return float(known.mean()) if len(known) else float("nan")

    @property
    def standard_error(self) -> float:
        """Of the mean, over records as a sample: s / √n; NaN for fewer than two."""
        return standard_error(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        said = "" if self.better is None else f", {self.better} is better"
        mean, n = number(self.mean, self.standard_error), len(self)
        return f"Score({self.metric}: {mean}, {n} record{'s' * (n != 1)}{said})"


def standard_error(values: Array) -> float:
    """The standard error of the mean of what is no NaN.

    Example:
        >>> standard_error(np.array([1.0, 3.0, np.nan]))
        1.0
    """
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else float("nan")


def number(mean: float, error: float) -> str:
    """A mean and its standard error, in words.

    Example:
        >>> number(0.123456, 0.01234), number(2.0, float("nan"))
        ('0.123 ± 0.012', '2')
    """
    if np.isnan(error):
        return f"{mean:.3g}"
    return f"{mean:.3g} ± {error:.2g}"

"""The short forms of statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trulens_core.influence.path_sum import PathSum
from trulens_core.influence.statistics import Mean, SecondMoment, Statistic, Variance

_NAMED: dict[str, Callable[[], Statistic]] = {
    "mean": Mean,
    "second_moment": SecondMoment,
    "variance": Variance,
    "path": PathSum,
}


def as_statistic(value: Any) -> Statistic:
    """The statistic that a short form means.

    Example:
        >>> as_statistic("variance")
        Variance()
    """
    if isinstance(value, Statistic):
        return value
    if isinstance(value, str) and value in _NAMED:
        return _NAMED[value]()
    if isinstance(value, type) and issubclass(value, Statistic):
        raise ValueError(f"statistic is a class; give an object of it, {value.__name__}()")
    names = ", ".join(map(repr, _NAMED))
    raise ValueError(f"statistic is {value!r}; it must be a Statistic or one of {names}")

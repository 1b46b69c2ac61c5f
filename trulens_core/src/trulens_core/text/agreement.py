"""How alike two explanations of one text are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trulens_core.results.arrays import average_ranks

Array = np.ndarray[Any, Any]


class Agreement(NamedTuple):
    """How alike two explanations of one text are.

    Attributes:
        correlation: of each row's numbers (Pearson), (rows,); nan where one of them is constant.
        ranks: the same of their ranks (Spearman).
        largest: the largest difference of a row, as a part of the other result's largest number.
    """

    correlation: Array
    ranks: Array
    largest: Array


def agreement(a: Array, b: Array) -> Agreement:
    """Of two tables with a row for each of what is compared.

    Example:
        >>> agreement(np.array([[1.0, 2.0, 4.0]]), np.array([[2.0, 4.0, 8.0]])).ranks
        array([1.])
    """
    pairs = [(x.reshape(-1), y.reshape(-1)) for x, y in zip(a, b, strict=True)]
    tiny = np.finfo("float64").tiny
    largest = [np.abs(x - y).max() / max(np.abs(y).max(), tiny) for x, y in pairs]
    return Agreement(
        np.asarray([_correlation(x, y) for x, y in pairs]),
        np.asarray([_correlation(average_ranks(x), average_ranks(y)) for x, y in pairs]),
        np.asarray(largest),
    )


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 0 else float("nan")

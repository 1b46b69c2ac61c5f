"""How many parts an explanation is about."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from trulens_core.metrics.explained import Explained
from trulens_core.metrics.metric import Metric
from trulens_core.metrics.scores import Array, Better, Score


class Complexity(Metric):
    """The entropy of the shares of |attributions|, in nats (Bhatt et al., 2020).

    0 where one element has everything, ln n where n have the same.

    Example:
        >>> Complexity().score(np.array([[0.0, 1.0], [-2.0, 2.0]])).values.round(3)
        array([0.   , 0.693])
    """

    better: ClassVar[Better] = "lower"

    def _score(self, explained: Explained) -> Score:
        sizes = _sizes(explained.values)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = sizes / sizes.sum(axis=1, keepdims=True)
            parts = np.where(shares > 0, shares * np.log(shares), shares)
        return self._of(-parts.sum(axis=1) + 0.0)


class Sparseness(Metric):
    """The Gini index of |attributions| (Chalasani et al., 2020).

    1 − 1/n where one of n elements has everything, 0 where all have the same.

    Example:
        >>> Sparseness().score(np.array([[0.0, 0.0, 0.0, 1.0], [1.0, -1.0, 1.0, 1.0]])).values
        array([0.75, 0.  ])
    """

    better: ClassVar[Better] = "higher"

    def _score(self, explained: Explained) -> Score:
        sizes = np.sort(_sizes(explained.values), axis=1)
        n = sizes.shape[1]
        weights = 2 * np.arange(1, n + 1) - n - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._of((weights * sizes).sum(axis=1) / (n * sizes.sum(axis=1)))


def _sizes(values: Array) -> Array:
    return np.abs(values).reshape(len(values), -1)

"""The marginal distribution of data, as what takes the place of removed segments."""

from __future__ import annotations

from typing import Any

from trulens_core.distributions.baselines import Source


class Marginal:
    """Values drawn from data, whatever the kept segments are: the marginal distribution.

    What is removed from a record takes its values from one row of the data. A design at random
    draws a row for each permutation, pair or mask, so that its standard error holds for the data
    too; others evaluate each mask with every row and average.

    Args:
        data: (rows, …), an array or tensor with values like those that are explained; a list or
            mapping of them where the cut holds several tensors.
        every: whether each mask is evaluated with every row, which costs so many times as much;
            None is so for up to 32 rows, and where the design is not random.

    Raises:
        ValueError: for data without rows.
        DoiError: when used, for data that does not fit the value at the cut.

    Example:
        >>> import numpy as np
        >>> Marginal(np.zeros((100, 3)))
        Marginal(100 rows)
    """

    def __init__(self, data: Any, *, every: bool | None = None) -> None:
        self.source: Source = Source(data)
        self.every: bool | None = every

    def __repr__(self) -> str:
        every = "" if self.every is None else f", every={self.every}"
        return f"Marginal({self.source.rows} rows{every})"

"""Points of a distribution for some records, evaluated together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.slices import Cut


class Block(NamedTuple):
    """k points of a distribution for b records.

    Attributes:
        cut: where the points live.
        points: (k, b, …) per tensor of the cut, in memory of their own, which may be overwritten;
            empty where the one point is the value itself.
        weights: (k,) floats.
        made: makes the points, (k·b, …), of the value at the cut, where a narrow pass meets it;
            `points` is empty then.
        references: the baselines that rules compare the points with, shaped as those are.
    """

    cut: Cut
    points: list[Tensor]
    weights: np.ndarray[Any, Any]
    made: Callable[[list[Tensor]], list[Tensor]] | None = None
    references: list[Tensor] = []  # noqa: RUF012 - never changed

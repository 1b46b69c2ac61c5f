"""The sum of gradients over blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.slices import Cut


class RunningSum:
    """The running sum of gradients, and what a single point gives besides.

    Args:
        backend: of the tensors.
        keep: whether single points' gradients are kept; blocks then come unsummed.

    Attributes:
        total: n lists of t tensors (b, …).
        activations: the value at the source cut, where the point gave it.
        quantities: n tensors (b,), where the point gave them.
    """

    def __init__(self, backend: Backend, keep: bool) -> None:
        self._backend = backend
        self._kept: list[list[list[Tensor]]] | None = [] if keep else None
        self.total: list[list[Tensor]] = []
        self.activations: dict[Cut, list[Tensor]] = {}
        self.quantities: list[Tensor] | None = None

    def add(
        self, gradients: Sequence[Sequence[Any]], weights: np.ndarray[Any, Any], count: int
    ) -> None:
        """Add a block's gradients, of which the first `count` points are real; see `keep`."""
        new = [list(gs) for gs in gradients]
        if self._kept is not None:
            self._kept.append([[g[:count] for g in gs] for gs in new])
            w = self._backend.from_numpy(weights)
            new = [[self._backend.weighted_sum(g, w) for g in gs] for gs in new]
        if not self.total:
            self.total = new
            return
        self.total = [
            [a + b for a, b in zip(olds, news, strict=True)]
            for olds, news in zip(self.total, new, strict=True)
        ]

    @property
    def singles(self) -> list[list[Tensor]] | None:
        """Single points' gradients, (K, b, …)."""
        if self._kept is None:
            return None
        concat = self._backend.xp.concat
        return [
            [concat([block[i][j] for block in self._kept], axis=0) for j in range(len(gs))]
            for i, gs in enumerate(self.total)
        ]

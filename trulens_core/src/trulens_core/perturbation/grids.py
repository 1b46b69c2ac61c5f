"""The design of RISE: small random grids, enlarged smoothly and shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from trulens_core.distributions import Design, Masks, Uniforms
from trulens_core.distributions.designs import Array
from trulens_core.segments import Regions

_CELLS = 5
"""The stream of draws of grids and shifts."""


@final
@dataclass(frozen=True)
class Grids(Design):
    """Grids of cells that are kept with some probability, enlarged and shifted (RISE, 2018).

    Between the middles of cells a mask is linear. Each is shifted by up to a cell along each axis.

    Args:
        n: how many.
        cells: of a grid, or one number per axis of places.
        keep: the probability of a cell.
        seed: of the draws.
    """

    n: int
    cells: int | tuple[int, ...]
    keep: float
    seed: int = 0

    def masks(self, regions: Sequence[Regions], drawn: bool) -> Masks:
        del drawn
        labels = regions[0].labels
        space = () if labels is None else tuple(n for n in labels.shape if n > 1)
        if len(regions) != 1 or int(np.prod(space)) != regions[0].n:
            raise ValueError("RISE masks the places of one tensor, each of which is a segment")
        cells = self.cells if isinstance(self.cells, tuple) else (self.cells,) * len(space)
        if len(cells) != len(space):
            raise ValueError(f"cells={self.cells} does not fit places of shape {space}")
        return _Enlarged(space, cells, self.n, self.keep, self.seed)


class _Enlarged(Masks):
    def __init__(
        self, space: tuple[int, ...], cells: tuple[int, ...], n: int, keep: float, seed: int
    ) -> None:
        self._space, self._cells, self._keep = space, cells, keep
        super().__init__(int(np.prod(space)), n + 1)
        self._steps = [-(-size // g) for size, g in zip(space, cells, strict=True)]
        self._bases = [_linear(g, (g + 1) * c) for g, c in zip(cells, self._steps, strict=True)]
        self._uniforms = Uniforms(seed, _CELLS, int(np.prod(cells)) + len(space))

    def __call__(self, i: int, j: int) -> Array:
        u, n = self._uniforms(i, j), j - i
        found: Any = (u[:, : -len(self._space)] < self._keep).reshape(n, *self._cells)
        found = found.astype("float32")
        for axis, (base, step) in enumerate(zip(self._bases, self._steps, strict=True)):
            size = self._space[axis]
            shift = (u[:, axis - len(self._space)] * step).astype(int)
            windows = base[shift[:, np.newaxis] + np.arange(size)]  # (n, size, cells)
            moved = np.moveaxis(found, axis + 1, 1)
            flat = windows @ moved.reshape(n, moved.shape[1], -1)
            found = np.moveaxis(flat.reshape(n, size, *moved.shape[2:]), 1, axis + 1)
        masks = np.ascontiguousarray(found).reshape(n, self.n_segments)
        masks[: max(0, min(1, j) - i)] = 1.0
        return np.asarray(np.clip(masks, 0.0, 1.0))


def _linear(cells: int, size: int) -> Array:
    """(size, cells): linear interpolation between the middles of cells, constant at the ends."""
    at = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
    low = np.floor(at).astype(int)
    found = np.zeros((size, cells), "float32")
    np.add.at(found, (np.arange(size), low), 1 - (at - low))
    np.add.at(found, (np.arange(size), np.minimum(low + 1, cells - 1)), at - low)
    return found

"""What a quantity is here, and what stands at the cut where it is read."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass
class Quantity:
    name: str
    given: Any
    data: Callable[[int, Any], dict]
    value: Callable[[Any, Any, dict], list]
    own: bool = False


@dataclasses.dataclass
class Target:
    """What stands at the target cut: shapes with rows, and the axis of the classes of the first."""

    fw: Any
    rng: np.random.Generator
    n: int
    shapes: list[tuple[int, ...]]
    boxes: bool = False

    @property
    def rank(self):
        return len(self.shapes[0])

    @property
    def axis(self):
        return {2: 1, 3: 2}.get(self.rank, self.rank - 1 if self.fw.channels_last else 1)

    @property
    def classes(self):
        return self.shapes[0][self.axis]

    @property
    def positions(self):
        return tuple(m for a, m in enumerate(self.shapes[0]) if a not in (0, self.axis))

    def scores(self, y):
        """(positions, classes) of one row."""
        moved = self.fw.moveaxis(y[0], self.axis - 1, -1)
        return self.fw.reshape(moved, (-1, self.classes))

    def cl(self):
        return int(self.rng.integers(self.classes))

    def one_hot(self, classes):
        """(positions, classes) with 1 at classes, a number or (positions,)."""
        size = int(np.prod(self.positions, dtype=int))
        chosen = np.broadcast_to(np.asarray(classes).reshape(-1), (size,))
        return np.eye(self.classes)[chosen]

    def region(self):
        """None, or a region as it is given, and as (positions,) for record i."""
        size = int(np.prod(self.positions, dtype=int))
        if not self.positions or self.rng.random() < 0.5:
            return None, lambda i: np.ones(size)
        mask = self.rng.random() < 0.5
        draw = lambda *s: self.rng.random(s) < 0.6 if mask else self.rng.normal(size=s)
        if self.rng.random() < 0.5 and self.n > 1:
            region = draw(self.n, *self.positions)
            return region, lambda i: region[i].reshape(-1).astype(float)
        region = draw(*self.positions)
        given = region[None] if len(self.positions) > 1 else region
        return given, lambda i: region.reshape(-1).astype(float)

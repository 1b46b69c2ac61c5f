"""Points of a distribution of interest: weighted, and made a chunk at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import DoiError
from trulens_core.inputs import ModelInputs

Stack = Callable[[int, int], list[Tensor]]


@dataclasses.dataclass(frozen=True)
class Records:
    """Records that are explained together, seen at the cut of the distribution.

    Attributes:
        z: the value there, a list of tensors of (last − first, …).
        inputs: the records' inputs.
        backend: of the tensors.
        first: the first record's place among all.
        last: one past the last record's place.
        total: how many records there are in all.
    """

    z: list[Tensor]
    inputs: ModelInputs
    backend: Backend
    first: int
    last: int
    total: int


class Points(NamedTuple):
    """Points and their weights, for a `DoI` whose points do not weigh the same.

    Attributes:
        points: as a DoI returns them: tensors shaped like the value, or one list per tensor.
        weights: one number per point. They are used as they are; a mean has weights that sum
            to 1.

    Raises:
        DoiError: when used, if there are not as many weights as points.

    Example:
        >>> import numpy as np
        >>> Points([np.zeros(2), np.ones(2)], [0.25, 0.75]).weights
        [0.25, 0.75]
    """

    points: Iterable[Any]
    weights: Sequence[float]


class LazyPoints(NamedTuple):
    """Points that are computed when they are stacked.

    Attributes:
        weights: one per point.
        stack: `stack(i, j)` gives the points i to j, one (j − i, b, …) per tensor of the cut.
            None: the one point is the unmodified value itself, so that nothing is replaced.
    """

    weights: tuple[float, ...]
    stack: Stack | None


def listed(given: Any, records: Records, name: str) -> LazyPoints:
    """What a user's DoI returned, checked against the value at its cut."""
    z, backend = records.z, records.backend
    weights: Sequence[float] | None = None
    if isinstance(given, Points):
        given, weights = given.points, given.weights
    columns = [list(c) for c in given] if len(z) > 1 else [list(given)]
    if len(columns) != len(z):
        raise DoiError(
            f"{name} returned {len(columns)} lists of points, but its cut holds {len(z)} tensors; "
            "return one list of points per tensor"
        )
    counts = {len(c) for c in columns}
    if len(counts) > 1 or not columns[0]:
        raise DoiError(f"{name} returned {sorted(counts)} points; give each tensor as many, >= 1")
    n = len(columns[0])
    if weights is None:
        weights = [1 / n] * n
    if len(weights) != n:
        raise DoiError(f"{name} returned {n} points and {len(weights)} weights")
    points = [
        [_point(p, t, backend, name) for p in column] for column, t in zip(columns, z, strict=True)
    ]

    def stack(i: int, j: int) -> list[Tensor]:
        return [backend.xp.stack(column[i:j]) for column in points]

    return LazyPoints(tuple(float(w) for w in weights), stack)


def _point(point: Any, z: Tensor, backend: Backend, name: str) -> Tensor:
    if not backend.is_tensor(point):
        try:
            point = backend.from_numpy(point, like=z)
        except (TypeError, AttributeError) as error:
            raise DoiError(
                f"{name} returned a point of type {type(point).__name__}; give {backend.name} "
                f"tensors of shape {tuple(z.shape)}"
            ) from error
    shape = tuple(z.shape)
    if tuple(point.shape) not in (shape, (1, *shape[1:])):
        raise DoiError(
            f"{name} returned a point of shape {tuple(point.shape)}; the value at its cut has "
            f"shape {shape}"
        )
    return backend.xp.broadcast_to(backend.cast(point, z), shape)

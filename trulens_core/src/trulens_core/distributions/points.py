"""Points of a distribution of interest: weighted, and made a chunk at a time."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.distributions.quadrature import positive_int
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
        multipliers: of a DoI whose points have one each, instead of one for all: what the gradient
            at each point is multiplied with, given as the points are. None: there are none.

    Raises:
        DoiError: when used, if there are not as many weights or multipliers as points.

    Example:
        >>> import numpy as np
        >>> Points([np.zeros(2), np.ones(2)], [0.25, 0.75]).weights
        [0.25, 0.75]
    """

    points: Iterable[Any]
    weights: Sequence[float]
    multipliers: Iterable[Any] | None = None


class Parts(NamedTuple):
    """What some points are made of by a compiled program that the value is given to.

    Attributes:
        function: equal where one program serves: of a backend, the value, `held` and `numbers` it
            gives the points, (k, b, …) per tensor.
        held: tensors, for each tensor of the value.
        numbers: arrays of the host, one per tensor, whose first axis is that of the points.
    """

    function: Callable[[Backend, list[Tensor], list[list[Tensor]], list[Tensor]], list[Tensor]]
    held: list[list[Tensor]]
    numbers: list[np.ndarray[Any, Any]]


class LazyPoints(NamedTuple):
    """Points that are computed when they are stacked.

    Attributes:
        weights: one per point.
        stack: `stack(i, j)` gives the points i to j, one (j − i, b, …) per tensor of the cut. It
            is called for one block after the other, in order.
            None: the one point is the unmodified value itself, so that nothing is replaced.
        multipliers: of points that have one each: what their gradients are multiplied with at the
            source cut, stacked likewise.
        factors: numbers for each quantity and point that its gradients are multiplied with too.
        ends: of points on a path from the value: where the part of it that each point stands for
            ends, stacked likewise. The first begins at the value, each of the others where the
            one before it ends.
        baselines: of points that have one each, stacked likewise.
        plan: of points that are masked values, what a solver needs of the masks: a `Masking`.
        parts: what the points i to j are made of, in place of `stack(i, j)`; None: not known.
        total_only: whether nothing is wanted of a statistic beside its total.
    """

    weights: tuple[float, ...]
    stack: Stack | None
    multipliers: Stack | None = None
    factors: Stack | None = None
    ends: Stack | None = None
    baselines: Stack | None = None
    plan: Any = None
    parts: Callable[[int, int], Parts] | None = None
    total_only: bool = False


Made = Callable[[Backend, list[Tensor], list[Tensor] | None, list[Tensor]], list[Tensor]]


class Formula(NamedTuple):
    """Points as a pure function of the value at the cut, which a compiled program makes them by.

    Attributes:
        function: at the level of a module: it is part of what a program is kept by. Of a backend,
            the value, where the path ends (None: at zeros, or there is no path) and the tensors of
            `numbers`, it gives k points, (k, b, …), per tensor.
        numbers: all that points differ in, and no key: arrays of the points i to j, for a value of
            these shapes.
        by_shape: whether the arrays depend on the shapes.
        ends: of points on a path from the value, the same arrays of where the part of it that each
            of the points i to j stands for ends, see `LazyPoints`: by them the function makes these
            ends. None: the points are on no path.
        baselines: likewise, of points that have one each instead of one for all, (k, b or 1, …):
            each point's gradient is multiplied with the value less its own.
    """

    function: Made
    numbers: Callable[[Sequence[tuple[int, ...]], int, int], list[np.ndarray[Any, Any]]]
    by_shape: bool = False
    ends: Callable[[int, int], list[np.ndarray[Any, Any]]] | None = None
    baselines: Made | None = None

    @property
    def code(self) -> Hashable:
        """Equal where one program serves."""
        return self.function, self.baselines


def as_points(given: Any, records: Records, name: str, n: int | None = None) -> LazyPoints:
    """What a user's DoI returned, checked against the value at its cut.

    Args:
        given: the points, in an iterable per tensor of the cut.
        records: whose points they are.
        name: of the DoI, for messages.
        n: how many points there are, where the DoI states it: they are then taken one by one as
            they are needed, and each block's are forgotten before the next block's are made.
    """
    weights: Sequence[float] | None = None
    multipliers: Any = None
    if isinstance(given, Points):
        given, weights, multipliers = given
    stack = _stacked(given, records, name, n)
    own = None if multipliers is None else _stacked(multipliers, records, name, n)
    if weights is None:
        weights = [1 / stack.n] * stack.n
    if len(weights) != stack.n:
        raise DoiError(f"{name} returned {stack.n} points and {len(weights)} weights")
    if own is not None and own.n != stack.n:
        raise DoiError(f"{name} returned {stack.n} points and {own.n} multipliers")
    return LazyPoints(tuple(float(w) for w in weights), stack, own)


def _stacked(given: Any, records: Records, name: str, n: int | None) -> _AtOnce | _InOrder:
    columns = list(given) if len(records.z) > 1 else [given]
    if len(columns) != len(records.z):
        raise DoiError(
            f"{name} returned {len(columns)} lists of points, but its cut holds {len(records.z)} "
            "tensors; return one list of points per tensor"
        )
    parts = columns, records, name
    return _AtOnce(*parts) if n is None else _InOrder(*parts, positive_int(n, "n_points"))


class _AtOnce:
    """Stacks points that were all taken and looked at before."""

    def __init__(self, columns: Sequence[Iterable[Any]], records: Records, name: str) -> None:
        backend, listed = records.backend, [list(c) for c in columns]
        counts = {len(c) for c in listed}
        if len(counts) > 1 or not listed[0]:
            raise DoiError(
                f"{name} returned {sorted(counts)} points; give each tensor as many, >= 1"
            )
        self.n: int = len(listed[0])
        self._backend = backend
        self._columns = [
            [_point(p, z, backend, name) for p in column]
            for column, z in zip(listed, records.z, strict=True)
        ]

    def __call__(self, i: int, j: int) -> list[Tensor]:
        return [self._backend.xp.stack(column[i:j]) for column in self._columns]


class _InOrder:
    """Stacks points that are taken from iterators, which give each of them once."""

    def __init__(
        self, columns: Sequence[Iterable[Any]], records: Records, name: str, n: int
    ) -> None:
        self.n: int = n
        self._columns = [iter(c) for c in columns]
        self._records, self._name = records, name
        self._next = 0

    def __call__(self, i: int, j: int) -> list[Tensor]:
        assert i == self._next, "points are taken in order"
        self._next = j
        backend, name = self._records.backend, self._name
        stacked = []
        for column, z in zip(self._columns, self._records.z, strict=True):
            points = list(itertools.islice(column, j - i))
            if len(points) < j - i or (j == self.n and next(column, self) is not self):
                found = "fewer" if len(points) < j - i else "more"
                raise DoiError(f"{name} states n_points={self.n}, but it gave {found} points")
            stacked.append(backend.xp.stack([_point(p, z, backend, name) for p in points]))
        return stacked


def remembered(points: LazyPoints, backend: Backend) -> LazyPoints:
    """The same points, all of them stacked once, to be looked at more than once."""
    if points.stack is None:
        return points
    every = points.stack(0, len(points.weights))
    return points._replace(stack=lambda i, j: [backend.fresh(t[i:j]) for t in every])


def steps_of_value(points: LazyPoints, z: list[Tensor], backend: Backend) -> Stack:
    """The steps of the value itself over the parts of a path that the points stand for."""
    ends, last = points.ends, [z]
    assert ends is not None

    def steps(i: int, j: int) -> list[Tensor]:
        found = ends(i, j)
        steps = downwards(last[0], found, backend)
        last[0] = [t[j - i - 1] for t in found]
        return steps

    return steps


def downwards(first: list[Tensor], ends: list[Tensor], backend: Backend) -> list[Tensor]:
    """From values (b, …) and those after it, (k, b, …): each one's less the next."""
    xp, wide = backend.xp, backend.accumulator
    found = []
    for start, end in zip(first, ends, strict=True):
        before = xp.concat([xp.expand_dims(start, axis=0), end[:-1]], axis=0)
        found.append(wide(before) - wide(end))
    return found


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

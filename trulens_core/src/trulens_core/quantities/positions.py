"""Quantities that are taken at each position of a map or a sequence, and summed.

A value (rows, …) with an axis of classes has the other axes as its positions: none for
(rows, classes), the steps of a sequence, the pixels of a map.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import QoiError
from trulens_core.quantities.base import QoI
from trulens_core.quantities.reading import (
    as_tensor,
    class_axis,
    no_class_axis,
    numbers,
    shown,
    single,
)

Shape = Sequence[int | None]


class PerPosition(QoI):
    """A number at each position, from the classes there; summed over the positions or a region.

    Attributes:
        axis: the axis of the classes, or None: 1 of rank 2, the last of rank 3, that of the
            channels of rank 4 and 5.
        region: which positions count and how much, or None: each counts once.
    """

    arrays: ClassVar[tuple[str, ...]] = ("region",)
    axis: int | None = None
    region: Any = None
    _images_axis: int | None = None
    _with_rows: frozenset[str] | None = None
    """The arrays that have a row per record, once the number of records is known."""

    @abstractmethod
    def at_positions(self, y: Tensor, axis: int, backend: Backend) -> Tensor:
        """The number at each position, (rows, positions…), of classes along an axis."""

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        self.validate([tuple(y.shape)])
        found = self.at_positions(y, self.classes_of(y), backend)
        if self.region is not None:
            found = weighted(found, as_tensor(self.region, found, backend), backend)
        others = tuple(range(1, len(found.shape)))
        return backend.xp.sum(found, axis=others) if others else found

    def classes_of(self, y: Tensor) -> int:
        """The axis of the classes of y."""
        axis = class_axis(len(y.shape), self.axis, self._images_axis)
        if axis is None:
            raise no_class_axis(y, self.axis, self)
        return axis

    def with_channel_axis(self, channel_axis: int | None) -> QoI:
        new = copy.copy(self)
        new._images_axis = channel_axis
        return new

    # -- a region for all records or for each ------------------------------------------------

    def with_n_records(self, n: int) -> QoI:
        rows = self.arrays_with_rows(n)
        if self.region is None and not rows:
            return self
        new = copy.copy(self)
        new._with_rows = rows
        return new

    def arrays_with_rows(self, n: int) -> frozenset[str]:
        """Which of the arrays that may have a row per record do, where there are n records."""
        return frozenset({"region"} if may_have_rows(self.region, n) else ())

    def has_rows(self, name: str, value: Any) -> bool:
        if name == "region":
            return name in (self._with_rows or ())
        return super().has_rows(name, value)

    def validate(self, shapes: Sequence[Shape]) -> None:
        if len(shapes) != 1:
            return  # which is said where the value is read
        axis = class_axis(len(shapes[0]), self.axis, self._images_axis)
        if axis is not None:
            positions = [*shapes[0][1:axis], *shapes[0][axis + 1 :]]
            self.check_positions(positions, shapes[0][axis])

    def check_positions(self, positions: Shape, classes: int | None) -> None:  # noqa: ARG002
        """Raise where the arrays do not fit these positions, or that many classes."""
        if self.region is None:
            return
        if not positions:
            raise QoiError(
                f"{type(self).__name__}: a region is one of the positions of a map or a sequence, "
                "and a value (records, classes) has none; weigh the quantity itself instead"
            )
        rows = None if self._with_rows is None else "region" in self._with_rows
        check_fits("region", self.region, positions, rows, self)


def weighted(found: Tensor, region: Tensor, backend: Backend) -> Tensor:
    """`found` times a region; nothing of what is outside of it, be it infinite."""
    xp = backend.xp
    inside = xp.where(xp.abs(region) > 0.0, found, xp.zeros_like(found))
    return inside * region


def chosen(y: Tensor, index: Any, axis: int, backend: Backend, what: str) -> Tensor:
    """`y` at indices along an axis, which is left out.

    Args:
        y: (rows, …).
        index: one for all, one per row, or one per row and position, (rows or 1, …).
        axis: not 0.
        backend: of `y`.
        what: the indices are of, for the message where an axis is open in a trace.
    """
    xp, rank = backend.xp, len(y.shape)
    index = backend.places(as_tensor(index, y, backend), y, axis, what)
    if len(index.shape) == 0:
        return xp.squeeze(xp.take(y, xp.reshape(index, (1,)), axis=axis), axis=axis)
    if len(index.shape) == 1:
        index = xp.reshape(index, (-1, *[1] * (rank - 1)))
    else:
        index = xp.expand_dims(index, axis=axis)
    if rank > 2:
        # not by a shape: how many rows there are may not be known in a trace
        first = y[(*[slice(None)] * axis, slice(0, 1), ...)]
        index = index + xp.astype(xp.zeros_like(first), index.dtype)
    return xp.squeeze(xp.take_along_axis(y, index, axis=axis), axis=axis)


# -- arrays for all records or for each --------------------------------------------------------


def may_have_rows(value: Any, n: int) -> bool:
    """Whether an array of two axes or more looks as if it had a row for each of n records.

    A leading axis of 1 is for all of them.
    """
    return value is not None and len(value.shape) > 1 and value.shape[0] == n != 1


def check_fits(name: str, value: Any, shape: Shape, rows: bool | None, qoi: object) -> None:
    """Raise QoiError unless an array is of a shape, or of that shape for each record.

    Args:
        name: of the array.
        value: it. Axes of length 1 stand for any length.
        shape: what it has to fit; None where an axis is open.
        rows: whether it was taken to have a row per record; None where nobody asked.
        qoi: whose it is.
    """
    found, who = tuple(value.shape), type(qoi).__name__
    each = len(found) == len(shape) + 1
    trailing = found[1:] if each else found
    fits = len(trailing) == len(shape) and all(
        a == b or a == 1 or b is None for a, b in zip(trailing, shape, strict=True)
    )
    if rows and len(found) == len(shape):
        raise QoiError(
            f"{who}: {name} has the axes of one for all records, and by chance as many rows as "
            f"records are explained; give it as {name}[None], with an axis of length 1 for them"
        )
    if not fits:
        raise QoiError(
            f"{who}: {name} has shape {found}, but what it belongs to has shape {tuple(shape)} in "
            f"each record; give a {name} of that shape for all records, or (records, …) of them"
        )
    if each and rows is False and found[0] != 1:
        raise QoiError(
            f"{who}: {name} has {found[0]} rows, which is not the number of records explained; "
            "give one row, or one per record"
        )


def checked_region(region: Any) -> Any:
    """A region as an array, None where there is none."""
    if region is None:
        return None
    array = numbers(region, "region")
    if not array.ndim:
        raise ValueError(f"region is {region!r}; it must be a mask of positions")
    return array


def options(region: Any, axis: int | None, first: str = "") -> str:
    """The options of a quantity that are not their defaults, as it shows itself."""
    given = {"axis": axis, "region": None if region is None else shown(region)}
    parts = [f"{k}={v}" for k, v in given.items() if v is not None]
    return ", ".join([first, *parts] if first else parts)

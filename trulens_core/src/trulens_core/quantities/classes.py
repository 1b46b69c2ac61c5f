"""Quantities of classes: the scores of a classifier."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, cast, final

import numpy as np  # noqa: F401 - for the examples

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import QoiError
from trulens_core.quantities.base import CombinedQoI, QoI
from trulens_core.quantities.positions import (
    PerPosition,
    Shape,
    checked_region,
    chosen,
    options,
)
from trulens_core.quantities.reading import (
    ONE_UNIT,
    Activation,
    activated,
    check_index,
    checked_activation,
    indices,
    shown,
    single,
)


class MaxClassQoI(PerPosition):
    """The largest score of each record: max over classes of y, at every point, (records,).

    y is (rows, classes). On maps and sequences it is Σ over positions of the largest score there.
    The class may change along a path; the function is continuous, so completeness holds. Ties go
    to the first class.

    Args:
        axis: the axis of the classes. By default 1 of scores (rows, classes), the last one of
            rank 3 values, and that of the channels of maps.
        activation: applied to y first: a function, "sigmoid" or "softmax" (over the classes).

    Raises:
        ValueError: for another activation.
        QoiCutSupportError: when used, at a cut of several tensors or without that axis.

    Example:
        >>> MaxClassQoI(activation="softmax")
        MaxClassQoI(activation='softmax')
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> MaxClassQoI()(b.from_numpy(np.asarray([[1.0, 3.0], [5.0, 4.0]])))
        Tensor(array([3., 5.]))
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ()

    def __init__(self, axis: int | None = None, activation: Activation = None) -> None:
        self.axis = axis
        self.activation = checked_activation(activation)

    def at_positions(self, y: Tensor, axis: int, backend: Backend) -> Tensor:
        return backend.largest(activated(y, self.activation, axis, backend), axis)

    def classes(self, y: Any) -> Any:
        if y is None or isinstance(y, list) or len(y.shape) != 2:
            return None  # a map has a class at each position
        y, backend = single(y, self)
        return backend.to_numpy(backend.xp.argmax(y, axis=self.classes_of(y)))

    def __repr__(self) -> str:
        given = {"axis": self.axis, "activation": self.activation}
        parts = [f"{k}={v!r}" for k, v in given.items() if v is not None]
        return f"{type(self).__name__}({', '.join(parts)})"


@final
class PredictedClassQoI(PerPosition):
    """The score of the class that is predicted for the unmodified record, whatever the point.

    Law: it is `ClassQoI` of the classes with the largest scores: one per record, (records,), and
    on maps and sequences one per record and position, whose scores are summed.

    Args:
        axis: the axis of the classes, as of `MaxClassQoI`.
        region: the positions that are summed over, as of `ClassQoI`.

    Raises:
        ValueError: for a region that is no array of finite numbers.
        QoiCutSupportError: when used, at a cut of several tensors or without that axis.
        QoiError: when used, for a region that does not fit the positions.

    Example:
        >>> PredictedClassQoI()
        PredictedClassQoI()
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> PredictedClassQoI().bind(b.from_numpy(np.asarray([[1.0, 3.0], [5.0, 4.0]])))
        ClassQoI([1, 0])
    """

    is_standard: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        raise TypeError(
            "PredictedClassQoI cannot be refined: what is evaluated is the ClassQoI of the classes "
            "that it finds. Write a QoI of your own, with `bind(y)` for the unmodified records"
        )

    def __init__(self, axis: int | None = None, region: Any = None) -> None:
        self.axis = axis
        self.region: Any = checked_region(region)

    def bind(self, y: Any) -> QoI:
        y, backend = single(y, self)
        best = backend.xp.argmax(y, axis=self.classes_of(y))
        return ClassQoI(backend.to_numpy(best), axis=self.axis).placed_as(self)

    def at_positions(self, y: Tensor, axis: int, backend: Backend) -> Tensor:
        return backend.largest(y, axis)

    def __call__(self, y: Any) -> Any:
        return self.bind(y)(y)

    def __repr__(self) -> str:
        return f"PredictedClassQoI({options(self.region, self.axis)})"


class ClassQoI(PerPosition):
    """The score of one class, (records,): y[:, cl], or y[i, cl[i]] for record i.

    On maps and sequences the class has a score at each position, and it is Σ over positions p of
    region[p] · y[:, p, cl], or Σ y[i, p, cl[i, p]].

    Args:
        cl: the index of the class; an array of one per record, (records,); or of one per record
            and position, (records, positions…). Negative ones count from the end.
        region: the positions that are summed over, a mask of booleans or of weights: one for all
            records, (positions…), or one per record, (records, positions…). One without any
            position gives 0. By default all.
        axis: the axis of the classes. By default 1 of scores (rows, classes), the last one of
            rank 3 values, and that of the channels of maps.

    Raises:
        ValueError: for classes that are no ints, or a region that is no array of finite numbers.
        IndexError: when used, for a class that y does not have.
        QoiCutSupportError: when used, at a cut of several tensors or without an axis of classes.
        QoiError: when used, for classes or a region that do not fit the positions.

    Example:
        >>> ClassQoI(3) - ClassQoI(5)
        1.0 * ClassQoI(3) + -1.0 * ClassQoI(5)
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> steps = b.from_numpy(np.arange(6.0).reshape(1, 3, 2))  # of two classes
        >>> ClassQoI(1)(steps), ClassQoI(1, region=[False, True, True])(steps)
        (Tensor(array([9.])), Tensor(array([8.])))
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("cl", "region")

    def __init__(self, cl: Any, region: Any = None, axis: int | None = None) -> None:
        self.cl: Any = indices(cl, type(self).__name__, per_position=True)
        self.region: Any = checked_region(region)
        self.axis = axis

    def at_positions(self, y: Tensor, axis: int, backend: Backend) -> Tensor:
        return chosen(y, self.cl, axis, backend, "class")

    def classes(self, y: Any) -> Any:
        del y
        return self.cl if len(self.cl.shape) < 2 else None

    def check_positions(self, positions: Shape, classes: int | None) -> None:
        check_index(self.cl, classes, "class", ONE_UNIT if not positions else "")
        super().check_positions(positions, classes)
        shape = tuple(self.cl.shape)
        known = zip(shape[1:], positions, strict=False)
        if len(shape) > 1 and (
            len(shape) != len(positions) + 1 or any(a != b for a, b in known if b is not None)
        ):
            raise QoiError(
                f"{type(self).__name__}: classes of shape {shape} are one per record and position, "
                f"but the positions of the value at the target cut have shape {tuple(positions)}"
            )

    def arrays_with_rows(self, n: int) -> frozenset[str]:
        by_position = len(self.cl.shape) > 1 and (n == 1 or self.cl.shape[0] != 1)
        return super().arrays_with_rows(n) | ({"cl"} if by_position else set())

    def has_rows(self, name: str, value: Any) -> bool:
        if name == "cl" and len(value.shape) > 1:  # a single row is for all
            return bool(value.shape[0] != 1 or "cl" in (self._with_rows or ()))
        return super().has_rows(name, value)

    def placed_as(self, other: PerPosition) -> ClassQoI:
        """This quantity of classes per record, with the region and the axes of another."""
        new = copy.copy(self)
        new.region, new._images_axis = other.region, other._images_axis
        if other._with_rows is not None:
            new._with_rows = other._with_rows
        if len(self.cl.shape) > 1 and (other.region is None or new._with_rows is not None):
            new._with_rows = (new._with_rows or frozenset()) | {"cl"}
        return new

    def __repr__(self) -> str:
        return f"{type(self).__name__}({options(self.region, self.axis, str(shown(self.cl)))})"


class ClassSeqQoI(ClassQoI):
    """The score of one class per record, y[i, seq_labels[i]]: the old name of `ClassQoI(array)`.

    Args:
        seq_labels: the class of each record, (records,).

    Raises:
        ValueError: for anything that is not one class per record.
        IndexError: when used, for a class that y does not have.

    Example:
        >>> ClassSeqQoI([2, 0])
        ClassSeqQoI([2, 0])
    """

    is_standard: ClassVar[bool] = True

    def __init__(self, seq_labels: Any) -> None:
        super().__init__(seq_labels)
        if len(self.cl.shape) != 1:
            raise ValueError("ClassSeqQoI needs one class per record, a sequence of ints")


class ComparativeQoI(CombinedQoI):
    """The score of one class less that of another, (records,): ClassQoI(cl1) − ClassQoI(cl2).

    Args:
        cl1: the class, or one per record.
        cl2: the class that it is compared with, or one per record.

    Raises:
        ValueError: for anything that is no int, nor one per record.
        IndexError: when used, for a class that y does not have.

    Example:
        >>> ComparativeQoI(3, 5)
        ComparativeQoI(3, 5)
    """

    is_standard: ClassVar[bool] = True

    def __init__(self, cl1: Any, cl2: Any) -> None:
        super().__init__((1.0, -1.0), (ClassQoI(cl1), ClassQoI(cl2)))

    @property
    def cl1(self) -> Any:
        """The class, or one per record."""
        return cast(ClassQoI, self.members[0]).cl

    @property
    def cl2(self) -> Any:
        """The class that it is compared with, or one per record."""
        return cast(ClassQoI, self.members[1]).cl

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown(self.cl1)}, {shown(self.cl2)})"

"""Quantities of classes: the scores of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast, final

import numpy as np

from trulens_core.errors import QoiCutSupportError
from trulens_core.quantities.base import CombinedQoI, QoI
from trulens_core.quantities.reading import (
    Activation,
    activated,
    check_index,
    checked_activation,
    has_axis,
    indices,
    single,
)


class MaxClassQoI(QoI):
    """The largest score of each record: max over classes of y, (rows, classes), at every point.

    The class may change along a path; the function is continuous, so completeness holds. Ties go
    to the first class.

    Args:
        axis: the axis of the classes.
        activation: applied to y first: a function, "sigmoid" or "softmax" (over `axis`).

    Raises:
        ValueError: for another activation.
        QoiCutSupportError: when used, at a cut of several tensors or without that axis.

    Example:
        >>> MaxClassQoI(activation="softmax")
        MaxClassQoI(axis=1, activation='softmax')
    """

    is_standard: ClassVar[bool] = True

    def __init__(self, axis: int = 1, activation: Activation = None) -> None:
        self.axis = axis
        self.activation = checked_activation(activation)

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        has_axis(y, self.axis, self)
        y = activated(y, self.activation, self.axis, backend)
        return backend.largest(y, self.axis)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(axis={self.axis}, activation={self.activation!r})"


@final
class PredictedClassQoI(QoI):
    """The score of the class that is predicted for the unmodified record, whatever the point.

    Law: it is `ClassQoI` of the classes with the largest scores, (records,).

    Args:
        axis: the axis of the classes in scores of (records, classes).

    Raises:
        QoiCutSupportError: when used, for scores of another rank or several tensors.

    Example:
        >>> PredictedClassQoI()
        PredictedClassQoI(axis=1)
    """

    is_standard: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        raise TypeError(
            "PredictedClassQoI cannot be refined: what is evaluated is the ClassQoI of the classes "
            "that it finds. Write a QoI of your own, with `bind(y)` for the unmodified records"
        )

    def __init__(self, axis: int = 1) -> None:
        self.axis = axis

    def bind(self, y: Any) -> QoI:
        y, backend = single(y, self)
        has_axis(y, self.axis, self)
        if len(y.shape) != 2:
            raise QoiCutSupportError(
                f"PredictedClassQoI needs scores of shape (records, classes), found "
                f"{tuple(y.shape)}; choose among them with an accessor or a quantity of your own"
            )
        scores = y if self.axis in (1, -1) else backend.xp.permute_dims(y, (1, 0))
        return ClassQoI(backend.to_numpy(backend.xp.argmax(scores, axis=1)))

    def __call__(self, y: Any) -> Any:
        return self.bind(y)(y)

    def __repr__(self) -> str:
        return f"PredictedClassQoI(axis={self.axis})"


class ClassQoI(QoI):
    """The score of one class, (records,): y[:, cl], or y[i, cl[i]] for record i.

    Args:
        cl: the index of the class, or an array of one per record, (records,). Negative ones count
            from the end.

    Raises:
        ValueError: for anything that is no int, nor one per record.
        IndexError: when used, for a class that y does not have.

    Example:
        >>> ClassQoI(3) - ClassQoI(5)
        1.0 * ClassQoI(3) + -1.0 * ClassQoI(5)
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("cl",)

    def __init__(self, cl: Any) -> None:
        self.cl: Any = indices(cl, type(self).__name__)

    def validate(self, shapes: Sequence[Sequence[int | None]]) -> None:
        if isinstance(self.cl, np.ndarray) and len(shapes) == 1 and len(shapes[0]) > 1:
            check_index(self.cl, shapes[0][1], "class")

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        has_axis(y, 1, self)
        xp = backend.xp
        if backend.is_tensor(self.cl):
            cl = self.cl
        else:
            self.validate([tuple(y.shape)])
            cl = backend.from_numpy(self.cl, like=y)
        cl = backend.places(cl, y, 1, "class")
        if len(cl.shape) == 0:
            return xp.squeeze(xp.take(y, xp.reshape(cl, (1,)), axis=1), axis=1)
        rank = len(y.shape)
        index = xp.reshape(cl, (-1, *[1] * (rank - 1)))
        if rank > 2:
            # not by a shape: how many rows there are may not be known in a trace
            index = index + xp.astype(xp.zeros_like(y[:, :1]), index.dtype)
        return xp.squeeze(xp.take_along_axis(y, index, axis=1), axis=1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_shown(self.cl)})"


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
        return f"{type(self).__name__}({_shown(self.cl1)}, {_shown(self.cl2)})"


def _shown(cl: Any) -> Any:
    return cl.tolist() if isinstance(cl, np.ndarray) else cl

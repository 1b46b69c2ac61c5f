"""Quantities of one number per record: a binary classifier's unit, a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np  # noqa: F401 - for the examples

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import QoiCutSupportError
from trulens_core.quantities.base import QoI
from trulens_core.quantities.positions import chosen
from trulens_core.quantities.reading import (
    as_tensor,
    check_index,
    indices,
    one_unit,
    shown,
    single,
)


class BinaryQoI(QoI):
    """The score of either class of a single unit, of values (records,) or (records, 1).

    Class 1: y, or sigmoid(y). Class 0: −y, or 1 − sigmoid(y), computed as sigmoid(−y). A unit
    that gives a probability already is read without an activation; its class 0 is −y then, which
    has the gradient of 1 − y.

    Args:
        cl: 0 or 1, or one of these per record, (records,). Negative ones count from the end.
        activation: "sigmoid", or None for the score itself.

    Raises:
        ValueError: for a class that is no int nor one per record, or another activation.
        IndexError: for a class that is neither 0 nor 1.
        QoiCutSupportError: when used, for values of another shape or several tensors.

    Example:
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> BinaryQoI(0)(b.from_numpy(np.asarray([2.0, -3.0])))
        Tensor(array([-2.,  3.]))
        >>> BinaryQoI([0, 1], activation="sigmoid")
        BinaryQoI([0, 1], activation='sigmoid')
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("cl",)

    def __init__(self, cl: Any, activation: Literal["sigmoid"] | None = None) -> None:
        classes = indices(cl, type(self).__name__)
        check_index(classes, 2, f"{type(self).__name__}: class")
        self.cl: Any = classes % 2
        if activation not in (None, "sigmoid"):
            raise ValueError(f"activation is {activation!r}; it must be 'sigmoid' or None")
        self.activation = activation

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        y = one_unit(y, self, "ClassQoI explains one class of several", backend)
        cl = backend.xp.astype(as_tensor(self.cl, y, backend), y.dtype)
        y = y * (2.0 * cl - 1.0)
        return probability(y, backend) if self.activation else y

    def __repr__(self) -> str:
        more = f", activation={self.activation!r}" if self.activation else ""
        return f"{type(self).__name__}({shown(self.cl)}{more})"


def probability(y: Tensor, backend: Backend) -> Tensor:
    """sigmoid(y), whose slope keeps its digits where that is near 1."""
    where, positive = backend.xp.where, y > 0.0
    small = backend.sigmoid(where(positive, -y, y))  # at most a half
    return where(positive, 1.0 - small, small)


class RegressionQoI(QoI):
    """The prediction itself, (records,): y, of values (records,) or (records, 1), or a column.

    Args:
        output: the column of values (records, k), or one per record, (records,); negative ones
            count from the end. None where each record has one number.

    Raises:
        ValueError: for an output that is no int, nor one per record.
        IndexError: when used, for a column that the value does not have.
        QoiCutSupportError: when used, for values of another shape, for several numbers per record
            without `output`, or for several tensors.

    Example:
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> RegressionQoI()(b.from_numpy(np.asarray([[2.0], [3.0]])))
        Tensor(array([2., 3.]))
        >>> RegressionQoI(output=1)(b.from_numpy(np.asarray([[2.0, 7.0], [3.0, 8.0]])))
        Tensor(array([7., 8.]))
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("output",)

    def __init__(self, output: Any = None) -> None:
        self.output: Any = None if output is None else indices(output, type(self).__name__)

    def validate(self, shapes: Sequence[Sequence[int | None]]) -> None:
        if self.output is not None and len(shapes) == 1 and len(shapes[0]) <= 2:
            columns = shapes[0][1] if len(shapes[0]) == 2 else 1
            check_index(self.output, columns, "output")

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        self.validate([tuple(y.shape)])
        if self.output is None or len(y.shape) == 1:
            return one_unit(y, self, "choose a column with output=", backend)
        if len(y.shape) != 2:
            raise QoiCutSupportError(
                f"{type(self).__name__} reads a column of (records, k), but the value at the "
                f"target cut has shape {tuple(y.shape)}; InternalChannelQoI sums the rest"
            )
        return chosen(y, self.output, 1, backend, "output")

    def __repr__(self) -> str:
        given = "" if self.output is None else f"output={shown(self.output)}"
        return f"{type(self).__name__}({given})"

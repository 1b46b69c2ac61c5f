"""Short forms of quantities, and the one check of what a quantity returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np  # noqa: F401 - for the example

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import QoiError
from trulens_core.quantities.base import QoI
from trulens_core.quantities.classes import ClassQoI, ComparativeQoI, MaxClassQoI, PredictedClassQoI
from trulens_core.quantities.units import InternalChannelQoI, LambdaQoI
from trulens_core.slices import is_index

_NAMED: dict[str, Callable[[], QoI]] = {"max": MaxClassQoI, "predicted": PredictedClassQoI}


def as_qoi(value: Any) -> QoI:
    """The quantity that a short form means.

    An int is `InternalChannelQoI`, a pair of them `ComparativeQoI`, a function `LambdaQoI`,
    "max" `MaxClassQoI` and "predicted" `PredictedClassQoI`. A 1-D array or tensor of integers, of
    any length, is `ClassQoI` of one class per record.

    Raises:
        ValueError: for anything else, bool included.

    Example:
        >>> as_qoi((3, 5))
        ComparativeQoI(3, 5)
        >>> as_qoi(np.asarray([3, 5]))
        ClassQoI([3, 5])
    """
    if isinstance(value, QoI):
        return value
    if isinstance(value, str) and value in _NAMED:
        return _NAMED[value]()
    if _is_row(value):  # before an index: some arrays of one are both
        return ClassQoI(value)
    if is_index(value):
        return InternalChannelQoI(int(value))
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(is_index, value)):
        return ComparativeQoI(int(value[0]), int(value[1]))
    if callable(value) and not isinstance(value, type):
        return LambdaQoI(value)
    labels = isinstance(value, list | tuple) and len(value) != 0 and all(map(is_index, value))
    raise ValueError(
        f"qoi is {value!r}; it must be a QoI, 'max', 'predicted', the index of a channel, a pair "
        "of classes to compare, an array of one class per record, or a function of the value at "
        "the target cut" + (". A list of labels is given as ClassQoI(labels)" if labels else "")
    )


def _is_row(value: Any) -> bool:
    """Whether `value` is an array of one axis, of any framework."""
    try:
        return len(value.shape) == 1
    except (AttributeError, TypeError, ValueError):  # no array, or one of unknown rank
        return False


def evaluate(qoi: QoI, y: list[Tensor], rows: int | None, backend: Backend) -> list[Tensor]:
    """The quantities of the value y, each a floating tensor of shape (rows,).

    Raises:
        QoiError: where the quantity returns anything else.
    """
    output = qoi(y[0] if len(y) == 1 else y)
    if isinstance(output, list | tuple):
        members = list(output)
        if not members:
            raise QoiError(f"{qoi!r} returned an empty list; return at least one quantity")
    elif backend.is_tensor(output) and len(output.shape) == 2:
        members = [output[:, j] for j in range(_columns(output, qoi))]
    else:
        members = [output]
    for q in members:
        _check(q, qoi, rows, backend)
    if y[0].shape[0] is None:  # a traced step whose rows are open
        return [backend.same_rows(q, y[0]) for q in members]
    return members


def _columns(output: Tensor, qoi: QoI) -> int:
    k = output.shape[1]
    if not k:
        raise QoiError(f"{qoi!r} returned shape {tuple(output.shape)}: no quantities at all")
    return int(k)


def _check(q: Any, qoi: QoI, rows: int | None, backend: Backend) -> None:
    advice = "return one number per row of y, or (rows, k) for k quantities"
    if not backend.is_tensor(q):
        raise QoiError(
            f"{qoi!r} returned {type(q).__name__}, not a {backend.name} tensor of shape "
            f"{_shape(rows)}; {advice}"
        )
    if len(q.shape) != 1 or (rows is not None and q.shape[0] not in (None, rows)):
        raise QoiError(
            f"{qoi!r} returned a tensor of shape {tuple(q.shape)}, expected {_shape(rows)}; "
            f"{advice}"
        )
    if not backend.is_floating(q):
        raise QoiError(
            f"{qoi!r} returned {q.dtype}, which has no gradient (an argmax or a comparison?); "
            "return a floating tensor"
        )


def _shape(rows: int | None) -> str:
    return f"(rows,) = ({rows},)" if rows is not None else "(rows,)"

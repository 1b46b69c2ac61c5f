"""Short forms of quantities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np  # noqa: F401 - for the example

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

"""Quantities of units and channels inside a network, and quantities given as functions."""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import numpy as np

from trulens_core import value_keys
from trulens_core.errors import QoiCutSupportError, QoiError
from trulens_core.quantities.base import Datum, QoI
from trulens_core.quantities.reading import (
    ONE_UNIT,
    Activation,
    activated,
    check_index,
    checked_activation,
    single,
)


class InternalChannelQoI(QoI):
    """The activation of one channel (or unit) of a layer, summed over its other axes.

    y[:, channel] for values of shape (records, units); y[..., channel] summed over the rest for
    rank 3; the channel's map, summed, for images. One number per record, (records,).

    Args:
        channel: an index, or a list of them, whose quantities are summed.
        channel_axis: the axis of the channels. By default the last one of rank 3 values, and for
            images the one the model's framework or layer has them on.
        agg_fn: maps one channel's values (records, …) to (records,), instead of the sum.

    Raises:
        ValueError: for an axis that the value does not have.
        IndexError: for a channel that the value does not have.

    Example:
        >>> InternalChannelQoI([2, 7])
        InternalChannelQoI([2, 7])
    """

    is_standard: ClassVar[bool] = True

    def __init__(
        self,
        channel: Any,
        channel_axis: int | None = None,
        agg_fn: Callable[[Any], Any] | None = None,
    ) -> None:
        listed = list(channel) if isinstance(channel, list | tuple | np.ndarray) else [channel]
        if not listed or any(isinstance(c, bool) for c in listed):
            raise ValueError(f"channel is {channel!r}; it must be an int or a list of ints")
        self.channels: tuple[Any, ...] = tuple(operator.index(c) for c in listed)
        self.channel_axis: int | None = (
            None if channel_axis is None else operator.index(channel_axis)
        )
        self.agg_fn = agg_fn
        self._images_axis: int | None = None

    def classes(self, y: Any) -> Any:
        del y
        return self.channels[0] if len(self.channels) == 1 else None

    def __repr__(self) -> str:
        shown = self.channels[0] if len(self.channels) == 1 else list(self.channels)
        axis = "" if self.channel_axis is None else f", channel_axis={self.channel_axis}"
        return f"{type(self).__name__}({shown}{axis})"

    def with_channel_axis(self, channel_axis: int | None) -> QoI:
        new = copy.copy(self)
        new._images_axis = channel_axis
        return new

    def validate(self, shapes: Sequence[Sequence[int | None]]) -> None:
        if len(shapes) == 1:
            n = shapes[0][self._axis(len(shapes[0]))]
            for c in self.channels:
                flat = len(shapes[0]) == 2
                check_index(c, n, "class or unit" if flat else "channel", ONE_UNIT if flat else "")

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        self.validate([tuple(y.shape)])
        axis, xp = self._axis(len(y.shape)), backend.xp
        total = None
        for channel in self.channels:
            if type(channel) is int:
                q = self._aggregated(y[(*(slice(None),) * axis, channel)], xp)
                total = q if total is None else total + q
                continue
            known = backend.is_tensor(channel)
            c = channel if known else backend.from_numpy(np.asarray(channel, "int32"), like=y)
            index = xp.reshape(backend.places(c, y, axis, "channel"), (1,))
            values = xp.squeeze(xp.take(y, index, axis=axis), axis=axis)
            q = self._aggregated(values, xp)
            total = q if total is None else total + q
        return total

    def _aggregated(self, values: Any, xp: Any) -> Any:
        if self.agg_fn is not None:
            return self.agg_fn(values)
        others = tuple(range(1, len(values.shape)))
        return xp.sum(values, axis=others) if others else values

    def _axis(self, rank: int) -> int:
        axis = self.channel_axis
        if axis is None:
            axis = rank - 1 if rank in (2, 3) else self._images_axis
        if rank == 1:
            raise QoiCutSupportError(
                "InternalChannelQoI needs an axis of channels, but the value at the target cut has "
                "one number per record, (records,), which BinaryQoI or RegressionQoI explains, "
                "or qoi=lambda y: y"
            )
        if axis is None:
            raise QoiError(
                "InternalChannelQoI cannot tell which axis holds the channels of this value of "
                f"rank {rank}; give channel_axis="
            )
        if not -rank <= axis < rank or axis % rank == 0:
            raise QoiCutSupportError(
                f"InternalChannelQoI: the value has rank {rank}, so channel_axis={axis} is not "
                "an axis of channels (axis 0 is that of the records)"
            )
        return axis % rank

    @property
    def is_ready(self) -> bool:
        return not self._given() and all([type(c) is int for c in self.channels])

    def data(self) -> list[Datum]:
        channels = [np.asarray(c, "int32") if isinstance(c, int) else c for c in self.channels]
        return super().data() + [Datum(c, False) for c in channels]

    def with_data(self, values: Sequence[Any]) -> QoI:
        own = len(self._given())
        new = super().with_data(values[:own])
        object.__setattr__(new, "channels", tuple(values[own:]))
        return new

    def key(self) -> Hashable:
        rest = value_keys.attributes(self, leave_out=("channels", *self.arrays))
        return rest, self._given(), len(self.channels)


class UnitQoI(QoI):
    """The activation of one unit: y[:, i, j, …], (records,).

    Args:
        index: which of a record's values: an int where a record has one axis, else one per axis.
            Negative ones count from the end. Like a class it is data: another one is evaluated by
            the same compiled step.

    Raises:
        ValueError: for anything else.
        QoiCutSupportError: when used, for a value of another number of axes.
        IndexError: when used, for a unit that the value does not have.

    Example:
        >>> UnitQoI((0, 2))
        UnitQoI((0, 2))
    """

    is_standard: ClassVar[bool] = True

    def __init__(self, index: int | Sequence[int]) -> None:
        listed: list[Any] = list(index) if isinstance(index, list | tuple) else [index]
        if not listed or any(isinstance(i, bool) for i in listed):
            raise ValueError(f"a unit is {index!r}; it must be an int, or one for each axis")
        try:
            self.index: tuple[Any, ...] = tuple(operator.index(i) for i in listed)
        except TypeError:
            raise ValueError(
                f"a unit is {index!r}; it must be an int, or one for each axis of a record"
            ) from None

    def __repr__(self) -> str:
        return f"UnitQoI({self.index[0] if len(self.index) == 1 else self.index})"

    def validate(self, shapes: Sequence[Sequence[int | None]]) -> None:
        if len(shapes) != 1:
            return
        axes = shapes[0][1:]
        if len(axes) != len(self.index):
            raise QoiCutSupportError(
                f"{self!r} has {len(self.index)} indices, but a record's value at its cut has "
                f"shape {tuple(axes)}; give one index for each axis"
            )
        for i, n in zip(self.index, axes, strict=True):
            if isinstance(i, int | np.ndarray):
                check_index(i, n, "unit")

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        self.validate([tuple(y.shape)])
        xp = backend.xp
        for i in self.index:
            known = (
                i if backend.is_tensor(i) else backend.from_numpy(np.asarray(i, "int32"), like=y)
            )
            place = xp.reshape(backend.places(known, y, 1, "unit"), (1,))
            y = xp.squeeze(xp.take(y, place, axis=1), axis=1)
        return y

    def data(self) -> list[Datum]:
        index = [np.asarray(i, "int32") if isinstance(i, int) else i for i in self.index]
        return [*super().data(), *(Datum(i, False) for i in index)]

    def with_data(self, values: Sequence[Any]) -> QoI:
        own = len(self.arrays)
        new = super().with_data(values[:own])
        object.__setattr__(new, "index", tuple(values[own:]))
        return new

    def key(self) -> Hashable:
        rest = value_keys.attributes(self, leave_out=("index", *self.arrays))
        return rest, len(self.index)


class ThresholdQoI(QoI):
    """The elements of y above a threshold less those below: Σ sign(y − threshold) · y, (records,).

    Args:
        threshold: elements above it count as high; in the units of y, after the activation.
        low_minus_high: whether the low elements count positively instead.
        activation: applied to y first: a function, "sigmoid" or "softmax" (over the channels).

    Raises:
        ValueError: for a threshold that is not one number, or another activation.
        QoiCutSupportError: when used, at a cut of several tensors.

    Example:
        >>> ThresholdQoI(0.5, activation="sigmoid")
        ThresholdQoI(0.5, low_minus_high=False, activation='sigmoid')
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("threshold",)

    def __init__(
        self, threshold: float, low_minus_high: bool = False, activation: Activation = None
    ) -> None:
        self.threshold: Any = np.asarray(threshold, "float64")
        if self.threshold.ndim:
            raise ValueError(f"threshold is {threshold!r}; it must be one number")
        self.low_minus_high: bool = bool(low_minus_high)
        self.activation = checked_activation(activation)
        self._images_axis: int | None = None

    def with_channel_axis(self, channel_axis: int | None) -> QoI:
        new = copy.copy(self)
        new._images_axis = channel_axis
        return new

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        xp, rank = backend.xp, len(y.shape)
        axis = {2: 1, 3: 2}.get(rank, 1 if self._images_axis is None else self._images_axis)
        y = activated(y, self.activation, axis, backend)
        threshold = self.threshold
        if backend.is_tensor(threshold):
            threshold = backend.cast(threshold, y)
        else:
            threshold = backend.from_numpy(threshold, like=y)
        sign = backend.stop_gradient(xp.sign(y - threshold))
        others = tuple(range(1, len(y.shape)))
        high = xp.sum(sign * y, axis=others) if others else sign * y
        return -high if self.low_minus_high else high

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({float(self.threshold)}, low_minus_high={self.low_minus_high}, "
            f"activation={self.activation!r})"
        )


class LambdaQoI(QoI):
    """A quantity given as a function of the value at the target cut.

    Args:
        function: takes one argument, y, (rows, …), and returns what a `QoI` returns. Arguments
            that have defaults may follow.

    Raises:
        ValueError: for a function of another number of arguments.

    Example:
        >>> LambdaQoI(lambda y: y[:, 0] ** 2)(np.ones((2, 3)))
        array([1., 1.])
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        if not callable(function):
            raise ValueError(f"LambdaQoI needs a function, found {function!r}")
        if not _takes_one(function):
            raise ValueError(
                "LambdaQoI needs a function of exactly one argument, the value at the target "
                f"cut; {function!r} takes {inspect.signature(function)}"
            )
        self.function = function

    def __call__(self, y: Any) -> Any:
        return self.function(y)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.function!r})"


def _takes_one(function: Callable[[Any], Any]) -> bool:
    """Whether the function needs exactly one argument, by position; True where it does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins
        return True
    required = [
        p
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    return len(required) == 1 and required[0].kind is not inspect.Parameter.KEYWORD_ONLY

"""How the standard quantities read the value they are given, and what they refuse."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import NoBackendError, QoiCutSupportError
from trulens_core.plugins import get_backend

Activation = Callable[[Tensor], Tensor] | Literal["sigmoid", "softmax"] | None


def single(y: Any, qoi: object) -> tuple[Tensor, Backend]:
    """The one tensor that `qoi` reads and its backend; an error for several tensors."""
    name = type(qoi).__name__
    if isinstance(y, list | tuple):
        if len(y) != 1:
            raise QoiCutSupportError(
                f"{name} reads one tensor, but the target cut holds {len(y)}; choose one with "
                "Cut(..., accessor=), or write a quantity of the list"
            )
        y = y[0]
    return y, get_backend(y)


def class_axis(rank: int, axis: int | None, images_axis: int | None) -> int | None:
    """The axis of the classes of values of a rank, from 1 on; None where there is none.

    It is `axis` where that is given; else 1 of rank 2, the last of rank 3, and that of the
    channels of rank 4 and 5, which is `images_axis` where it is known.
    """
    if axis is None:
        axis = {2: 1, 3: 2, 4: images_axis, 5: images_axis}.get(rank)
    if axis is None or not -rank <= axis < rank or axis % rank == 0:
        return None
    return axis % rank


def no_class_axis(y: Tensor, axis: int | None, qoi: object) -> QoiCutSupportError:
    """The error for a value without the axis of the classes."""
    name, shape = type(qoi).__name__, tuple(y.shape)
    if len(shape) < 2:
        return QoiCutSupportError(
            f"{name} needs an axis of classes, but the value at the target cut has shape {shape}: "
            "one number per record, which BinaryQoI or RegressionQoI explains, or "
            "qoi=lambda y: y"
        )
    if axis is None:
        return QoiCutSupportError(
            f"{name} cannot tell which axis of a value of shape {shape} holds the classes; give "
            "axis="
        )
    return QoiCutSupportError(
        f"{name} reads classes along axis {axis}, but the value at the target cut has shape "
        f"{shape}; axis 0 is that of the records"
    )


def checked_activation(activation: Any) -> Activation:
    """`activation` where it is one, else a ValueError."""
    if activation is None or callable(activation) or activation in ("sigmoid", "softmax"):
        return activation  # type: ignore[no-any-return]
    raise ValueError(f"activation is {activation!r}; it must be 'sigmoid', 'softmax' or a function")


def activated(y: Tensor, activation: Activation, axis: int, backend: Backend) -> Tensor:
    """`activation` of y."""
    if activation is None:
        return y
    if activation == "softmax":
        return backend.softmax(y, axis)
    return backend.sigmoid(y) if activation == "sigmoid" else activation(y)


def one_unit(y: Tensor, qoi: object, otherwise: str, backend: Backend) -> Tensor:
    """The only number of each record, (rows,), of values (rows,) or (rows, 1)."""
    shape = tuple(y.shape)
    if len(shape) == 1:
        return y
    if len(shape) == 2 and shape[1] in (1, None):
        return backend.xp.squeeze(y, axis=1)
    raise QoiCutSupportError(
        f"{type(qoi).__name__} reads one number per record, (records,) or (records, 1), but the "
        f"value at the target cut has shape {shape}; {otherwise}"
    )


# -- arrays that quantities are given ----------------------------------------------------------


def indices(value: Any, what: str, per_position: bool = False) -> np.ndarray[Any, Any]:
    """One int or one per record (and position), of any framework, as int32; else a ValueError."""
    array = as_array(value)
    ranked = array.ndim <= 1 or per_position
    whole = array.dtype.kind in "iu" and ranked and array.size > 0
    if not whole or isinstance(value, bool) or (array.astype("int32") != array).any():
        more = ", or one per record and position" if per_position else ""
        raise ValueError(f"{what} needs an int, or one per record{more}; found {value!r}")
    return array.astype("int32")


def as_array(value: Any) -> np.ndarray[Any, Any]:
    """An array, a tensor of any framework or nested lists as a NumPy array."""
    if hasattr(value, "shape") and not isinstance(value, np.ndarray | np.generic):
        with contextlib.suppress(NoBackendError):  # such as a column of a data frame
            return get_backend(value).to_numpy(value)
    return np.asarray(value)


def numbers(value: Any, what: str) -> np.ndarray[Any, Any]:
    """Finite numbers or booleans, of any framework, as float64; else a ValueError."""
    array = as_array(value)
    if array.dtype.kind not in "biuf" or not array.size:
        raise ValueError(f"{what} must be an array of numbers, found {value!r}")
    array = array.astype("float64")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite, and holds nan or infinity")
    return array


def as_tensor(value: Any, like: Tensor, backend: Backend) -> Tensor:
    """An array of a quantity as a tensor; floating ones of the type of `like`."""
    if not backend.is_tensor(value):
        return backend.from_numpy(np.asarray(value), like=like)
    return backend.cast(value, like) if backend.is_floating(value) else value


def check_index(index: Any, n: int | None, what: str, one: str = "") -> None:
    """Raise IndexError unless every index is within n; negative ones count from the end.

    Args:
        index: in NumPy; a tensor's are not looked at.
        n: how many there are; None where that is not known.
        what: they are, for the message.
        one: what the message says besides where there is one.
    """
    if n is None or not isinstance(index, int | np.ndarray | np.generic):
        return
    if type(index) is int and -n <= index < n:
        return
    array = np.asarray(index)
    outside = array[(array < -n) | (array >= n)]
    if outside.size:
        raise IndexError(
            f"{what} {outside.flat[0]} is out of range: there are {n} ({what} 0 to {n - 1})"
            + (one if n == 1 else "")
        )


ONE_UNIT = "; BinaryQoI explains either class of a single unit"


def shown(array: Any) -> Any:
    """An array as a quantity shows it: short ones by their numbers, others by their shape."""
    if not isinstance(array, np.ndarray):
        return array
    return array.tolist() if array.ndim < 2 else f"<array of shape {array.shape}>"

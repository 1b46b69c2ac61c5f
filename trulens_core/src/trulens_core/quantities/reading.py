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


def has_axis(y: Tensor, axis: int, qoi: object) -> None:
    """Raise unless y has the axis, and it is not that of the records."""
    rank = len(y.shape)
    if not -rank <= axis < rank or axis % rank == 0:
        raise QoiCutSupportError(
            f"{type(qoi).__name__} reads classes along axis {axis}, but the value at the target "
            f"cut has shape {tuple(y.shape)}; axis 0 is that of the records"
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


def indices(value: Any, what: str) -> Any:
    """One int or one per record, of any framework, as int32; else a ValueError."""
    array = _as_array(value)
    whole = array.dtype.kind in "iu" and array.ndim <= 1 and array.size > 0
    if not whole or isinstance(value, bool) or (array.astype("int32") != array).any():
        raise ValueError(f"{what} needs an int, or one per record; found {value!r}")
    return array.astype("int32")


def _as_array(value: Any) -> np.ndarray[Any, Any]:
    if hasattr(value, "shape") and not isinstance(value, np.ndarray | np.generic):
        with contextlib.suppress(NoBackendError):  # such as a column of a data frame
            return get_backend(value).to_numpy(value)
    return np.asarray(value)


def check_index(index: Any, n: int | None, what: str) -> None:
    """Raise IndexError unless every index is within n; negative ones count from the end."""
    if n is None:
        return
    outside = [i for i in np.atleast_1d(index).tolist() if not -n <= i < n]
    if outside:
        raise IndexError(
            f"{what} {outside[0]} is out of range: there are {n} ({what} 0 to {n - 1})"
        )

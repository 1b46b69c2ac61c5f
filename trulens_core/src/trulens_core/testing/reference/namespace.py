"""Reference tensors under array-API names, each with its derivative.

What core asks of `Backend.xp`, and what quantities and the layers of the zoo are written with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.testing.reference.tensors import Array, Tensor, binary, like, unbroadcast

float32: np.dtype[Any] = np.dtype("float32")
float64: np.dtype[Any] = np.dtype("float64")
int32: np.dtype[Any] = np.dtype("int32")
int64: np.dtype[Any] = np.dtype("int64")
uint8: np.dtype[Any] = np.dtype("uint8")
bool_: np.dtype[Any] = np.dtype("bool")
Axis = int | tuple[int, ...] | None


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is one of the kinds, or of the types, given."""
    return np.isdtype(dtype, kind)


def asarray(value: Any, /, *, dtype: Any = None) -> Tensor:
    """Numbers as a tensor."""
    return value if isinstance(value, Tensor) else Tensor(np.asarray(value, dtype))


def zeros_like(x: Tensor, /) -> Tensor:
    """Zeros shaped like `x`."""
    return Tensor(np.zeros_like(x.data))


def ones_like(x: Tensor, /) -> Tensor:
    """Ones shaped like `x`."""
    return Tensor(np.ones_like(x.data))


def full_like(x: Tensor, value: float, /) -> Tensor:
    """One number everywhere, shaped like `x`."""
    return Tensor(np.full_like(x.data, value))


def astype(x: Tensor, dtype: Any, /) -> Tensor:
    """`x` in another type; differentiable between floating ones."""
    if np.dtype(dtype).kind != "f" or x.dtype.kind != "f":
        return Tensor(x.data.astype(dtype))
    return Tensor(x.data.astype(dtype), (x, lambda g: g.astype(x.dtype)))


# -- element by element ----------------------------------------------------------------------


def _unary(x: Tensor, y: Any, slope: Any) -> Tensor:
    """A function of single elements with value `y` and derivative `slope`."""
    return Tensor(y, (x, lambda g: g * slope))


def abs(x: Tensor, /) -> Tensor:
    """|x|, with slope 0 at 0."""
    return _unary(x, np.abs(x.data), np.sign(x.data))


def sign(x: Tensor, /) -> Tensor:
    """−1, 0 or 1, through which nothing is differentiated."""
    return Tensor(np.sign(x.data))


def exp(x: Tensor, /) -> Tensor:
    """The exponential: its own derivative."""
    y = np.exp(x.data)
    return _unary(x, y, y)


def log(x: Tensor, /) -> Tensor:
    """The natural logarithm; 1/x."""
    return _unary(x, np.log(x.data), 1 / x.data)


def sqrt(x: Tensor, /) -> Tensor:
    """The root; 1 / (2 √x)."""
    y = np.sqrt(x.data)
    with np.errstate(divide="ignore"):  # infinite at 0, as it is
        return _unary(x, y, 0.5 / y)


def tanh(x: Tensor, /) -> Tensor:
    """The hyperbolic tangent; 1 − tanh²."""
    y = np.tanh(x.data)
    return _unary(x, y, 1 - y * y)


def isfinite(x: Tensor, /) -> Tensor:
    """Whether each element is a finite number."""
    return Tensor(np.isfinite(x.data))


def maximum(a: Any, b: Any, /) -> Tensor:
    """The larger of two; the gradient goes to the first where they are equal."""
    return binary(np.maximum, a, b, lambda g, x, y: g * (x >= y), lambda g, x, y: g * (x < y))


def minimum(a: Any, b: Any, /) -> Tensor:
    """The smaller of two; the gradient goes to the first where they are equal."""
    return binary(np.minimum, a, b, lambda g, x, y: g * (x <= y), lambda g, x, y: g * (x > y))


def where(condition: Tensor, a: Any, b: Any, /) -> Tensor:
    """`a` where the condition holds, else `b`."""
    c = condition.data
    a = a if isinstance(a, Tensor) else like(a, b)
    b = like(b, a)
    return Tensor(
        np.where(c, a.data, b.data),
        (a, lambda g: unbroadcast(np.where(c, g, 0), a.shape)),
        (b, lambda g: unbroadcast(np.where(c, 0, g), b.shape)),
    )


# -- sums and products -----------------------------------------------------------------------


def matmul(a: Tensor, b: Tensor, /) -> Tensor:
    """Products of matrices along the last two axes."""
    return a @ b


def sum(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Σ over axes; the gradient goes to every term."""
    data = x.data.sum(axis=axis, keepdims=keepdims)
    kept = x.data.sum(axis=axis, keepdims=True).shape
    return Tensor(data, (x, lambda g: np.broadcast_to(g.reshape(kept), x.shape)))


def mean(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over axes."""
    total = sum(x, axis=axis, keepdims=keepdims)
    return total * float(total.data.size / x.data.size)


def max(x: Tensor, /, *, axis: int, keepdims: bool = False) -> Tensor:
    """The largest along an axis; the gradient goes to the first of equals."""
    taken = take_along_axis(x, argmax(x, axis=axis, keepdims=True), axis=axis)
    return taken if keepdims else squeeze(taken, axis=axis)


def argmax(x: Tensor, /, *, axis: int, keepdims: bool = False) -> Tensor:
    """Where the largest along an axis is, the first of equals."""
    return Tensor(np.argmax(x.data, axis=axis, keepdims=keepdims))


def all(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements along axes are true."""
    return Tensor(np.all(x.data, axis=axis, keepdims=keepdims))


# -- moving elements -------------------------------------------------------------------------


def reshape(x: Tensor, shape: Sequence[int], /) -> Tensor:
    """The same elements in another shape."""
    return Tensor(x.data.reshape(tuple(shape)), (x, lambda g: g.reshape(x.shape)))


def expand_dims(x: Tensor, /, *, axis: int) -> Tensor:
    """One more axis of length 1."""
    return Tensor(np.expand_dims(x.data, axis), (x, lambda g: g.reshape(x.shape)))


def squeeze(x: Tensor, /, axis: int) -> Tensor:
    """One axis of length 1 less."""
    return Tensor(np.squeeze(x.data, axis), (x, lambda g: g.reshape(x.shape)))


def permute_dims(x: Tensor, /, axes: Sequence[int]) -> Tensor:
    """The axes in another order."""
    back = np.argsort(axes)
    return Tensor(np.transpose(x.data, axes), (x, lambda g: np.transpose(g, back)))


def broadcast_to(x: Tensor, /, shape: Sequence[int]) -> Tensor:
    """Copies along axes of length 1, and along new ones in front."""
    data = np.broadcast_to(x.data, tuple(shape))
    return Tensor(data, (x, lambda g: unbroadcast(g, x.shape)))


def concat(tensors: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Tensors one after the other along an axis."""
    parts = list(tensors)
    data = np.concatenate([like(t, parts[0]).data for t in parts], axis=axis)
    ends = np.cumsum([t.shape[axis] for t in parts])

    def part(i: int) -> Any:
        return lambda g: np.split(g, ends[:-1], axis=axis)[i]

    return Tensor(data, *((t, part(i)) for i, t in enumerate(parts)))


def stack(tensors: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Tensors along a new axis."""
    return concat([expand_dims(t, axis=axis) for t in tensors], axis=axis)


def _integers(indices: Tensor) -> Array:
    if indices.dtype.kind not in "iu":
        raise IndexError(f"indices are integers, not {indices.dtype}")
    return indices.data


def take(x: Tensor, indices: Tensor, /, *, axis: int) -> Tensor:
    """The elements at some indices, (n,), of an axis."""
    chosen = _integers(indices)
    if chosen.ndim != 1:
        raise IndexError(f"take has indices of shape {chosen.shape}; one axis is standard")

    def pull(g: Array) -> Array:
        whole = np.zeros_like(x.data)
        np.add.at(np.moveaxis(whole, axis, 0), chosen, np.moveaxis(g, axis, 0))
        return whole

    return Tensor(np.take(x.data, chosen, axis=axis), (x, pull))


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """The elements at indices of their own along an axis."""
    chosen = _integers(indices)
    fits = [n for i, n in enumerate(x.shape) if i != axis % x.ndim]
    if [n for i, n in enumerate(chosen.shape) if i != axis % x.ndim] != fits:
        raise IndexError(f"take_along_axis: {x.shape} and {chosen.shape} differ beside {axis=}")

    def pull(g: Array) -> Array:
        whole = np.zeros_like(x.data)
        places: list[Array] = list(np.indices(chosen.shape))
        places[axis] = chosen
        np.add.at(whole, tuple(places), g)
        return whole

    return Tensor(np.take_along_axis(x.data, chosen, axis=axis), (x, pull))

"""TensorFlow's tensors under array-API names.

TensorFlow has no such namespace, and `tf.experimental.numpy` needs a process-wide switch. What
core, quantities and distributions use is here, and little more.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

Axis = int | Sequence[int] | None

bool = tf.bool
int8, int16, int32, int64 = tf.int8, tf.int16, tf.int32, tf.int64
uint8, uint16, uint32, uint64 = tf.uint8, tf.uint16, tf.uint32, tf.uint64
float32, float64 = tf.float32, tf.float64

abs = tf.abs
exp, log, sqrt, tanh, sign = tf.exp, tf.math.log, tf.sqrt, tf.tanh, tf.sign
square, isnan = tf.square, tf.math.is_nan
matmul, zeros_like, ones_like = tf.matmul, tf.zeros_like, tf.ones_like

_KINDS: dict[str, Any] = {
    "bool": lambda d: d.is_bool,
    "signed integer": lambda d: d.is_integer and not d.is_unsigned,
    "unsigned integer": lambda d: d.is_unsigned,
    "integral": lambda d: d.is_integer,
    "real floating": lambda d: d.is_floating,
    "complex floating": lambda d: d.is_complex,
    "numeric": lambda d: d.is_integer or d.is_floating or d.is_complex,
}


def isdtype(dtype: tf.DType, kind: Any) -> Any:
    """Whether `dtype` is of a kind, is a dtype, or is any of several of these."""
    if isinstance(kind, tuple):
        return builtins.any(isdtype(dtype, k) for k in kind)
    return _KINDS[kind](dtype) if isinstance(kind, str) else dtype == kind


def asarray(x: Any, dtype: tf.DType | None = None) -> tf.Tensor:
    """`x` as a tensor."""
    if tf.is_tensor(x):
        return x if dtype is None else tf.cast(x, dtype)
    return tf.convert_to_tensor(x, dtype)


def astype(x: tf.Tensor, dtype: tf.DType, /) -> tf.Tensor:
    """`x` in another type."""
    return tf.cast(x, dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> tf.Tensor:
    """Numbers from `start` up to `stop`, or from 0 up to `start`."""
    start, stop = (0, start) if stop is None else (start, stop)
    return tf.range(start, stop, step, dtype=dtype)


def linspace(start: float, stop: float, num: int, dtype: Any = tf.float32) -> tf.Tensor:
    """`num` numbers from `start` to `stop`, both in."""
    return tf.linspace(tf.constant(start, dtype), tf.constant(stop, dtype), num)


def full_like(x: tf.Tensor, value: Any) -> tf.Tensor:
    """A tensor shaped as `x` that holds one value."""
    if tf.is_tensor(value):
        value = tf.cast(value, x.dtype)
    return tf.fill(tf.shape(x), tf.convert_to_tensor(value, x.dtype))  # no detour by float32


def finfo(dtype: tf.DType) -> Any:
    """The limits of a floating type."""
    return tf.experimental.numpy.finfo(dtype.as_numpy_dtype)


def sum(x: tf.Tensor, axis: Axis = None, keepdims: Any = False) -> tf.Tensor:
    """The sum along `axis`."""
    return tf.reduce_sum(x, axis, keepdims)


def prod(x: tf.Tensor, axis: Axis = None, keepdims: Any = False) -> tf.Tensor:
    """The product along `axis`."""
    return tf.reduce_prod(x, axis, keepdims)


def mean(x: tf.Tensor, axis: Axis = None, keepdims: Any = False) -> tf.Tensor:
    """The mean along `axis`."""
    return tf.reduce_mean(x, axis, keepdims)


def max(x: tf.Tensor, axis: Axis = None, keepdims: Any = False) -> tf.Tensor:
    """The largest element along `axis`."""
    return tf.reduce_max(x, axis, keepdims)


def min(x: tf.Tensor, axis: Axis = None, keepdims: Any = False) -> tf.Tensor:
    """The smallest element along `axis`."""
    return tf.reduce_min(x, axis, keepdims)


def all(x: tf.Tensor, axis: Axis = None, keepdims: Any = False) -> tf.Tensor:
    """Whether all elements along `axis` are true, or not zero."""
    return tf.reduce_all(tf.cast(x, tf.bool), None if axis == () else axis, keepdims)


def any(x: tf.Tensor, axis: Axis = None, keepdims: Any = False) -> tf.Tensor:
    """Whether an element along `axis` is true, or not zero."""
    return tf.reduce_any(tf.cast(x, tf.bool), axis, keepdims)


def argmax(x: tf.Tensor, axis: int | None = None, keepdims: Any = False) -> tf.Tensor:
    """The place of the largest element along `axis`, the first of equals."""
    return _place(tf.argmax, x, axis, keepdims)


def argmin(x: tf.Tensor, axis: int | None = None, keepdims: Any = False) -> tf.Tensor:
    """The place of the smallest element along `axis`, the first of equals."""
    return _place(tf.argmin, x, axis, keepdims)


def _place(find: Any, x: tf.Tensor, axis: int | None, keepdims: Any) -> tf.Tensor:
    if axis is None:
        x, axis = tf.reshape(x, (-1,)), 0
    found = find(x, axis=axis)
    return tf.expand_dims(found, axis) if keepdims else found


def _pair(a: Any, b: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Both as tensors of one type, that of the one which is a tensor."""
    if tf.is_tensor(a):
        return a, tf.convert_to_tensor(b, None if tf.is_tensor(b) else a.dtype)
    return tf.convert_to_tensor(a, b.dtype if tf.is_tensor(b) else None), tf.convert_to_tensor(b)


def where(condition: tf.Tensor, a: Any, b: Any) -> tf.Tensor:
    """`a` where the condition holds, else `b`; numbers take the tensor's type."""
    return tf.where(condition, *_pair(a, b))


def maximum(a: Any, b: Any) -> tf.Tensor:
    """The larger, element by element."""
    return tf.maximum(*_pair(a, b))


def minimum(a: Any, b: Any) -> tf.Tensor:
    """The smaller, element by element."""
    return tf.minimum(*_pair(a, b))


def logaddexp(a: Any, b: Any) -> tf.Tensor:
    """log(exp(a) + exp(b)), without overflow."""
    a, b = _pair(a, b)
    return tf.maximum(a, b) + tf.math.softplus(-tf.abs(a - b))


def clip(x: tf.Tensor, min: Any = None, max: Any = None) -> tf.Tensor:
    """`x` no smaller than `min` and no larger than `max`."""
    x = x if min is None else maximum(x, min)
    return x if max is None else minimum(x, max)


def isfinite(x: tf.Tensor) -> tf.Tensor:
    """Whether each element is neither infinite nor not a number; integers always are."""
    return tf.math.is_finite(x) if x.dtype.is_floating else tf.ones_like(x, tf.bool)


def take(x: tf.Tensor, indices: tf.Tensor, *, axis: int) -> tf.Tensor:
    """The slices of `x` at `indices` along `axis`; negative ones count from the end."""
    n = tf.shape(x, out_type=indices.dtype)[axis]
    return tf.gather(x, tf.where(indices < 0, indices + n, indices), axis=axis)


def take_along_axis(x: tf.Tensor, indices: tf.Tensor, /, *, axis: int = -1) -> tf.Tensor:
    """The elements of `x` at `indices`, of the same rank, along `axis`."""
    rank = len(x.shape)
    if axis % rank == rank - 1:
        return tf.gather(x, indices, axis=-1, batch_dims=rank - 1)
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]  # its own inverse
    found = tf.gather(
        tf.transpose(x, order), tf.transpose(indices, order), axis=-1, batch_dims=rank - 1
    )
    return tf.transpose(found, order)


def stack(tensors: Sequence[tf.Tensor], *, axis: int = 0) -> tf.Tensor:
    """Tensors of one shape along a new axis."""
    return tf.stack(list(tensors), axis=axis)


def unstack(x: tf.Tensor, /, *, axis: int = 0) -> tuple[tf.Tensor, ...]:
    """The slices of `x` along `axis`."""
    return tuple(tf.unstack(x, axis=axis))


def concat(tensors: Sequence[tf.Tensor], *, axis: int | None = 0) -> tf.Tensor:
    """Tensors one after the other along `axis`; flattened where it is None."""
    if axis is None:
        return tf.concat([tf.reshape(t, (-1,)) for t in tensors], axis=0)
    return tf.concat(list(tensors), axis=axis)


def reshape(x: tf.Tensor, shape: Sequence[Any]) -> tf.Tensor:
    """The same elements in another shape."""
    return tf.reshape(x, shape)


def expand_dims(x: tf.Tensor, /, *, axis: int = 0) -> tf.Tensor:
    """`x` with a new axis of length 1."""
    return tf.expand_dims(x, axis)


def squeeze(x: tf.Tensor, /, axis: int | Sequence[int]) -> tf.Tensor:
    """`x` without axes of length 1."""
    return tf.squeeze(x, axis)


def permute_dims(x: tf.Tensor, /, axes: Sequence[int]) -> tf.Tensor:
    """`x` with its axes in another order."""
    return tf.transpose(x, axes)


def moveaxis(x: tf.Tensor, source: int, destination: int, /) -> tf.Tensor:
    """`x` with one axis in another place."""
    order = list(range(len(x.shape)))
    order.insert(destination % len(order), order.pop(source))
    return tf.transpose(x, order)


def flip(x: tf.Tensor, /, *, axis: int) -> tf.Tensor:
    """`x` in reverse order along `axis`."""
    return tf.reverse(x, [axis])


def broadcast_to(x: tf.Tensor, shape: Sequence[Any]) -> tf.Tensor:
    """`x` repeated along axes of length 1."""
    return tf.broadcast_to(x, shape)


def tile(x: tf.Tensor, repetitions: Sequence[int], /) -> tf.Tensor:
    """`x` several times along each axis."""
    return tf.tile(x, repetitions)


def repeat(x: tf.Tensor, repeats: Any, /, *, axis: int | None = None) -> tf.Tensor:
    """Each slice of `x` several times along `axis`."""
    return tf.repeat(x, repeats, axis=axis)


def cumulative_sum(x: tf.Tensor, /, *, axis: int = 0) -> tf.Tensor:
    """The sums of the elements up to each one along `axis`."""
    return tf.cumsum(x, axis=axis)


def result_type(*tensors: Any) -> tf.DType:
    """The type of the tensors, which must have one."""
    types = {getattr(t, "dtype", t) for t in tensors}
    if len(types) != 1:
        raise TypeError(f"TensorFlow promotes no types; found {sorted(t.name for t in types)}")
    return types.pop()

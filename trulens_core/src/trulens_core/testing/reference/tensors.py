"""Tensors that know what they were computed from: NumPy arrays with a tape.

Each operation records, for every tensor it was computed from, the function that pulls a gradient
back to it. These functions are written by hand; there is no other differentiation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Pullback = Callable[[Array], Array]
"""The gradient at an operation's input, given the one at its output."""


class Tensor:
    """A NumPy array and how it was computed.

    It is as strict as the strictest framework: tensors of different dtypes do not mix, nor do
    tensors and arrays, and indices are ints and slices. Python numbers take the tensor's dtype.

    Args:
        data: the numbers.
        sources: the tensors it was computed from, each with its pullback.
        tracked: whether gradients are wanted here even if it was computed from nothing.
    """

    __slots__ = ("data", "depth", "sources")
    __array_ufunc__ = None  # NumPy leaves mixed arithmetic to this class, which refuses it

    def __init__(self, data: Any, *sources: tuple[Tensor, Pullback], tracked: bool = False) -> None:
        self.data: Array = np.asarray(data)
        self.sources: tuple[tuple[Tensor, Pullback], ...] = tuple(s for s in sources if s[0].depth)
        self.depth: int = max((s[0].depth + 1 for s in self.sources), default=int(tracked))

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return tuple(self.data.shape)

    @property
    def dtype(self) -> Any:
        """The type of the numbers."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    def __repr__(self) -> str:
        return f"Tensor({self.data!r})"

    def __bool__(self) -> bool:
        return bool(self.data)

    def __int__(self) -> int:
        return int(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __array__(self, *args: Any, **kwargs: Any) -> Array:
        raise TypeError("a reference tensor is no NumPy array; use the backend's to_numpy")

    def __getitem__(self, key: Any) -> Tensor:
        for k in key if isinstance(key, tuple) else (key,):
            if not isinstance(k, int | np.integer | slice | type(Ellipsis) | None):
                raise IndexError(f"index {k!r}: indices are ints, slices, Ellipsis and None")

        def pull(g: Array) -> Array:
            whole = np.zeros_like(self.data)
            whole[key] = g
            return whole

        return Tensor(self.data[key], (self, pull))

    def __neg__(self) -> Tensor:
        return Tensor(-self.data, (self, operator.neg))

    def __pow__(self, n: float) -> Tensor:
        return Tensor(self.data**n, (self, lambda g: g * n * self.data ** (n - 1)))

    def __add__(self, other: Any) -> Tensor:
        return binary(np.add, self, other, lambda g, *_: g, lambda g, *_: g)

    def __sub__(self, other: Any) -> Tensor:
        return binary(np.subtract, self, other, lambda g, *_: g, lambda g, *_: -g)

    def __rsub__(self, other: Any) -> Tensor:
        return like(other, self) - self

    def __mul__(self, other: Any) -> Tensor:
        return binary(np.multiply, self, other, lambda g, _, b: g * b, lambda g, a, _: g * a)

    def __truediv__(self, other: Any) -> Tensor:
        return binary(
            np.divide, self, other, lambda g, _, b: g / b, lambda g, a, b: -g * a / (b * b)
        )

    def __rtruediv__(self, other: Any) -> Tensor:
        return like(other, self) / self

    def __matmul__(self, other: Any) -> Tensor:
        return binary(
            np.matmul,
            self,
            other,
            lambda g, _, b: g @ np.swapaxes(b, -1, -2),
            lambda g, a, _: np.swapaxes(a, -1, -2) @ g,
        )

    __radd__ = __add__
    __rmul__ = __mul__

    def __lt__(self, other: Any) -> Tensor:
        return binary(np.less, self, other)

    def __le__(self, other: Any) -> Tensor:
        return binary(np.less_equal, self, other)

    def __gt__(self, other: Any) -> Tensor:
        return binary(np.greater, self, other)

    def __ge__(self, other: Any) -> Tensor:
        return binary(np.greater_equal, self, other)


def like(value: Any, tensor: Tensor) -> Tensor:
    """A Python number as a tensor of the dtype of `tensor`; a tensor of that dtype as it is."""
    if isinstance(value, Tensor):
        if value.dtype != tensor.dtype:
            raise TypeError(f"tensors of {value.dtype} and {tensor.dtype} do not mix")
        return value
    if not isinstance(value, bool | int | float):
        raise TypeError(f"a tensor and a {type(value).__name__} do not mix")
    if isinstance(value, float) and tensor.dtype.kind != "f":
        raise TypeError(f"a float and a tensor of {tensor.dtype} do not mix")
    return Tensor(np.asarray(value, tensor.dtype))


Rule = Callable[[Array, Array, Array], Array]


def binary(
    function: Callable[[Array, Array], Any],
    a: Any,
    b: Any,
    to_a: Rule | None = None,
    to_b: Rule | None = None,
) -> Tensor:
    """`function` of two tensors, or of one and a number.

    Args:
        function: of arrays.
        a: the first tensor.
        b: the second.
        to_a: the gradient at the first, given that at the result, and both; None: there is none.
        to_b: the same for the second.
    """
    a = a if isinstance(a, Tensor) else like(a, b)
    b = like(b, a)
    x, y = a.data, b.data
    out = function(x, y)
    if to_a is None or to_b is None:
        return Tensor(out)
    first, second = to_a, to_b
    return Tensor(
        out,
        (a, lambda g: unbroadcast(first(g, x, y), x.shape)),
        (b, lambda g: unbroadcast(second(g, x, y), y.shape)),
    )


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """The gradient at an array of `shape` that was broadcast to that of `g`: sums over copies."""
    summed = np.sum(g, axis=tuple(range(g.ndim - len(shape))))
    copied = tuple(i for i, n in enumerate(shape) if n != summed.shape[i])
    return np.asarray(np.sum(summed, axis=copied, keepdims=True))


def leaf(x: Tensor) -> Tensor:
    """`x`, as a tensor that gradients are asked for at; what `x` was computed from is kept.

    So its gradient goes on to the leaves before it, whose own is then the total derivative.
    """
    return Tensor(x.data, (x, lambda g: g), tracked=True)


def pulled_back(output: Tensor, leaves: Sequence[Tensor]) -> list[Array | None]:
    """The gradient of Σ output at each leaf; None where the output does not depend on it.

    Tensors are visited from the deepest on, so that each has its whole gradient when it is.
    """
    gradients: dict[int, Array] = {id(output): np.ones_like(output.data)}
    levels: dict[int, dict[int, Tensor]] = {output.depth: {id(output): output}}
    while levels:
        for tensor in levels.pop(max(levels)).values():
            for source, pull in tensor.sources:
                g, known = pull(gradients[id(tensor)]), gradients.get(id(source))
                gradients[id(source)] = g if known is None else known + g
                levels.setdefault(source.depth, {})[id(source)] = source
    return [gradients.get(id(leaf)) if output.depth else None for leaf in leaves]

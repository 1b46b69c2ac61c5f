"""How much of the attributions is kept."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.distributions.quadrature import positive_int
from trulens_core.results.arrays import Array

KEPT = "attributions"
"""What the columns of attributions are called, alone or with a number behind."""
PLACES = ".places"
"""What is behind the name of the column that says where the largest are."""


@dataclasses.dataclass(frozen=True)
class Keep:
    """What is kept of each record's attributions, so that many records fit on a disk.

    The three are done in this order. Quantity, residual and the rest are of the whole attributions.

    Args:
        sum: axes that are summed over, those of the attributions with the records on axis 0, such
            as 1 for the colours of images or -1 for the width of an embedding.
        top: how many are kept of each record, those largest in size; the others read as zeros.
        dtype: what they are written as: "float16", "float32", "float64". None: as they are.

    Raises:
        ValueError: for axis 0, a `top` below 1 and other types.

    Example:
        >>> import numpy as np
        >>> Keep(sum=1, dtype="float16")
        Keep(sum=(1,), top=None, dtype='float16')
    """

    sum: int | Sequence[int] | None = None
    top: int | None = None
    dtype: str | None = None

    def __post_init__(self) -> None:
        if self.sum is not None:
            given = self.sum if isinstance(self.sum, Sequence) else (self.sum,)
            axes = tuple(operator.index(a) for a in given)
            if 0 in axes:
                raise ValueError("sum is over axes of the attributions, and 0 is that of records")
            object.__setattr__(self, "sum", axes)
        if self.top is not None:
            positive_int(self.top, "top")
        if self.dtype not in (None, "float16", "float32", "float64"):
            raise ValueError(f"dtype is {self.dtype!r}; it must be float16, float32 or float64")

    def of(self, columns: dict[str, Array]) -> dict[str, Array]:
        """The columns with less in those of attributions.

        Raises:
            ValueError: for attributions beyond the largest number of the type.
        """
        found: dict[str, Array] = {}
        for name, x in columns.items():
            field = name.partition(".")[0]
            if field == KEPT:
                found |= self._less(name, x)
            elif field != "standard_error" or (self.sum is None and self.top is None):
                found[name] = x
        return found

    def _less(self, name: str, x: Array) -> dict[str, Array]:
        if self.sum is not None:
            x = self._summed(x)
        places = None
        if self.top is not None:
            flat = x.reshape(len(x), -1)
            k = min(self.top, flat.shape[1])
            places = np.sort(np.argsort(-np.abs(flat), axis=1, kind="stable")[:, :k], axis=1)
            x = np.take_along_axis(flat, places, axis=1)
        small = self._typed(x)
        return {name: small} if places is None else {name: small, name + PLACES: places}

    def _summed(self, x: Array) -> Array:
        axes: Any = self.sum
        places = [a % x.ndim for a in axes if -x.ndim <= a < x.ndim]
        if 0 in places or len(set(places)) < len(places):
            raise ValueError(
                f"sum is over {axes}, which of attributions of {x.ndim} axes are {places}: each "
                "may be there once, and 0 is that of records"
            )
        try:
            return np.asarray(x.sum(axis=axes, dtype="float64" if x.dtype == "float64" else None))
        except np.exceptions.AxisError as error:
            raise ValueError(
                f"sum is over {axes}, and the attributions have {x.ndim} axes with the records"
            ) from error

    def _typed(self, x: Array) -> Array:
        if self.dtype is None:
            return x
        with np.errstate(over="ignore"):
            small = x.astype(self.dtype)
        lost = np.isfinite(x) & ~np.isfinite(small)
        if lost.any():
            raise ValueError(
                f"an attribution of {np.abs(x[lost]).max():.3g} is beyond what {self.dtype} has; "
                "keep float32"
            )
        return small

    def shape(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a record's attributions after `sum`, which `top` reads as."""
        if self.sum is None:
            return whole
        axes: Any = self.sum
        gone = {a % (len(whole) + 1) for a in axes}
        return tuple(n for i, n in enumerate(whole, 1) if i not in gone)


def spread(values: Array, places: Array, shape: tuple[int, ...]) -> Array:
    """Records of this shape with the values at their places and zeros elsewhere.

    Example:
        >>> import numpy as np
        >>> spread(np.array([[2.0]]), np.array([[1]]), (3,))
        array([[0., 2., 0.]])
    """
    flat = np.zeros((len(values), int(np.prod(shape))), values.dtype)
    np.put_along_axis(flat, places, values, axis=1)
    return flat.reshape(len(values), *shape)

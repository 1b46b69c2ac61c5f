"""Segments that the caller has: an array."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from trulens_core.segments.axes import Value
from trulens_core.segments.recipe import Recipe
from trulens_core.segments.regions import Regions


@final
@dataclass(frozen=True, eq=False)
class Given(Recipe):
    """What `Segments.of` makes. Two of equal arrays are equal."""

    array: npt.NDArray[Any]

    def __post_init__(self) -> None:
        array = np.array(self.array)
        if array.dtype.kind not in "biu":
            raise ValueError(
                "Segments are an array of integers, the number of each element's segment, or a "
                f"stack of booleans, the regions; found {array.dtype} of shape {array.shape}"
            )
        if not array.size or not (array if array.dtype.kind == "b" else array >= 0).any():
            raise ValueError(
                f"There is no segment in an array of shape {array.shape}: numbers from 0 on, or "
                "True, are needed"
            )
        if array.dtype.kind != "b":
            if array.max() > np.iinfo(np.int64).max:
                raise ValueError(f"{array.max()} is too large for the number of a segment")
            array = array.astype(np.int64)
        array.setflags(write=False)
        object.__setattr__(self, "array", array)

    def regions(self, value: Value) -> tuple[Regions, ...]:
        stack = self.array.dtype.kind == "b"
        make = Regions.of_members if stack else Regions.of_labels
        beside = self.array.ndim - stack - len(value.shape)
        if self.array.ndim == 0:  # one segment of everything
            one = np.zeros((1,) * len(value.shape), int)
            return (Regions.of_labels(one, value.shape),) * value.records
        if beside == 0:
            return (make(self.array, value.shape),) * value.records
        if beside == 1:
            rows = value.rows(self.array, "The array of segments")
            return tuple(make(row, value.shape) for row in rows)
        raise ValueError(
            f"An array of segments of shape {self.array.shape} does not fit a value of shape "
            f"{value.described}: " + (_STACK if stack else _LABELS)
        )

    def _key(self) -> Hashable:
        return self.array.shape, self.array.dtype.str, self.array.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Given) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


_LABELS = (
    "integers have as many axes as one record, each as long or of length 1, and may have one more, "
    "the first, for the records"
)
_STACK = (
    "a stack of booleans has an axis of regions, then as many as one record, and may have one "
    "more, the first, for the records"
)

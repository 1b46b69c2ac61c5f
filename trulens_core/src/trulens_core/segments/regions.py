"""Regions: the segments of one record, as numbers of its elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@final
@dataclass(frozen=True, eq=False, repr=False)
class Regions:
    """Which elements of one record's value, in one tensor, belong to which segment.

    Either no two segments share an element (`labels`) or they may (`members`). Both may have axes
    of length 1 where the value has longer ones: all elements along these belong together. Where a
    value has several tensors, numbers go on from tensor to tensor, and `n` and `names` are those
    of all of them.

    Laws: an element is in at most one segment of `labels`, and each segment has an element;
    `spread` of ones is 1 wherever a segment is; `mask` of all kept keeps everything.

    Attributes:
        shape: of the record's value in this tensor.
        n: how many segments the record has.
        labels: the number of each element's segment, int32; −1 is in none, and is always kept.
        members: (own segments, …), booleans: where each of this tensor's segments is.
        first: the number of this tensor's first segment.
        names: of all n segments, where they have names.

    Example:
        >>> regions = Regions.of_labels(np.array([[7, 7, -1], [9, 9, 9]]), (2, 3))
        >>> regions.n, regions.labels.tolist()
        (2, [[0, 0, -1], [1, 1, 1]])
        >>> regions.spread([0.5, 2.0]).tolist()
        [[0.5, 0.5, 0.0], [2.0, 2.0, 2.0]]
    """

    shape: tuple[int, ...]
    n: int
    labels: npt.NDArray[np.int32] | None = None
    members: npt.NDArray[np.bool_] | None = None
    first: int = 0
    names: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"Regions({self.n} segments of {self.shape})"

    @classmethod
    def of_labels(
        cls, labels: Array, shape: tuple[int, ...], names: Sequence[str] | None = None
    ) -> Regions:
        """Segments by number: those found are renumbered from 0, in order; negative is none."""
        _check_fits(labels.shape, shape)
        found, places = np.unique(labels, return_inverse=True)
        none = int(np.sum(found < 0))
        own = np.maximum(places.reshape(labels.shape).astype(np.int32) - np.int32(none), -1)
        own.setflags(write=False)
        return cls(shape, len(found) - none, labels=own, names=_tuple(names))

    @classmethod
    def of_members(
        cls, members: Array, shape: tuple[int, ...], names: Sequence[str] | None = None
    ) -> Regions:
        """Segments that may overlap: a stack of booleans, none of which is without an element."""
        _check_fits(members.shape[1:], shape)
        empty = np.flatnonzero(~members.reshape(len(members), -1).any(axis=1))
        if len(empty):
            raise ValueError(f"Region {empty[0]} of the stack has no element; leave it out")
        own = np.array(members, bool)
        own.setflags(write=False)
        return cls(shape, len(own), members=own, names=_tuple(names))

    def placed(self, first: int, n: int, names: tuple[str, ...] | None) -> Regions:
        """The same with numbers from `first`, as a part of n segments."""
        labels = self.labels
        if labels is not None and first != self.first:
            labels = np.where(labels < 0, labels, labels + np.int32(first - self.first))
            labels.setflags(write=False)
        return replace(self, labels=labels, first=first, n=n, names=names)

    def mask(self, kept: Any) -> Array:
        """Which elements are kept where these segments are.

        An element that several regions share is removed if any of them is, as by a window that
        slides over an image; one that is in no segment is kept. Numbers between 0 and 1 keep in
        part, and the least of the regions counts.

        Args:
            kept: (k, n), booleans or floating numbers from 0 to 1.

        Returns:
            (k, …), a new array shaped like the record's value, of the dtype of `kept`.

        Raises:
            ValueError: for other shapes, types or numbers.

        Example:
            >>> from trulens_core.segments import Segments
            >>> windows = Segments.windows(2, stride=1).resolved(np.zeros((1, 3)))[0]
            >>> windows.mask(np.array([[False, True]])).tolist()
            [[False, False, True]]
        """
        given = np.asarray(kept)
        _check_kept(given, self.n)
        if self.labels is not None:
            always = np.ones((len(given), 1), given.dtype)
            found = np.concatenate([given, always], axis=1)[:, self.labels]
        else:
            assert self.members is not None
            found = np.ones((len(given), *self.members.shape[1:]), given.dtype)
            for s, region in enumerate(self.members, self.first):
                found[:, region] = np.minimum(found[:, region], given[:, s, np.newaxis])
        return np.array(np.broadcast_to(found, (len(given), *self.shape)))

    def spread(self, values: Any) -> Array:
        """Numbers of segments as numbers of elements.

        Each element has the whole number of its segment, so that sums over elements count a
        segment once per element; the mean of those that cover it where regions overlap; 0 where
        there is no segment.

        Args:
            values: (…, n).

        Returns:
            (…, *shape), a new array, float64 unless the values are of another floating type.

        Raises:
            ValueError: for another number of segments.

        Example:
            >>> from trulens_core.segments import Segments
            >>> windows = Segments.windows(2, stride=1).resolved(np.zeros((1, 3)))[0]
            >>> windows.spread([1.0, 3.0]).tolist()
            [1.0, 2.0, 3.0]
        """
        given = np.asarray(values)
        if given.dtype.kind not in "biuf" or given.shape[-1:] != (self.n,):
            raise ValueError(
                f"values must be numbers of the {self.n} segments, (…, {self.n}), found "
                f"{given.dtype} of shape {given.shape}"
            )
        given = given if given.dtype.kind == "f" else given.astype(np.float64)
        if self.labels is not None:
            nothing = np.zeros((*given.shape[:-1], 1), given.dtype)
            found = np.concatenate([given, nothing], axis=-1)[..., self.labels]
        else:
            assert self.members is not None
            found = np.zeros((*given.shape[:-1], *self.members.shape[1:]), given.dtype)
            for s, region in enumerate(self.members, self.first):
                found[..., region] += given[..., s, np.newaxis]
            found /= np.maximum(self.members.sum(axis=0), 1).astype(given.dtype)
        return np.array(np.broadcast_to(found, (*given.shape[:-1], *self.shape)))


def _tuple(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _check_fits(found: tuple[int, ...], shape: tuple[int, ...]) -> None:
    if len(found) != len(shape) or any(f not in (1, s) for f, s in zip(found, shape, strict=True)):
        raise ValueError(
            f"Segments of shape {found} do not fit a record's value of shape {shape}: they need "
            f"{len(shape)} axes, each as long as the value's or of length 1"
        )


def _check_kept(kept: Array, n: int) -> None:
    if kept.ndim != 2 or kept.shape[1] != n or kept.dtype.kind not in "bf":
        raise ValueError(
            f"kept must be booleans, or floating numbers from 0 to 1, (k, {n}), found "
            f"{kept.dtype} of shape {kept.shape}"
        )
    if kept.dtype.kind == "f" and not np.all((kept >= 0) & (kept <= 1)):
        raise ValueError("kept has numbers that are not between 0 and 1")

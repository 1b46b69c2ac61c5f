"""Whether an explanation points to where the thing is, of which masks are known."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from trulens_core.metrics.agreements import average_ranks
from trulens_core.metrics.explained import Explained
from trulens_core.metrics.metric import Metric
from trulens_core.metrics.scores import Array, Better, Score
from trulens_core.results.arrays import host

Sign = Literal["positive", "size", "signed"]


class _OfMasks(Metric):
    """A metric of where the thing is.

    Attributions are summed over axes that masks do not have, such as channels.
    """

    better: ClassVar[Better] = "higher"

    def __init__(self, masks: Any, *, of: Sign = "positive") -> None:
        self._masks = host(masks)
        kind = self._masks.dtype.kind
        if kind not in "biu" or self._masks.ndim < 2 or (kind == "i" and (self._masks < 0).any()):
            raise ValueError(
                f"masks are booleans, (records, …), True where the thing is; found "
                f"{self._masks.dtype} of shape {self._masks.shape}"
            )
        if of not in get_args(Sign):
            raise ValueError(f"of is {of!r}; it must be one of {', '.join(get_args(Sign))}")
        self.of: Sign = of

    def _score(self, explained: Explained) -> Score:
        values, masks = _alike(explained.values, self._masks.astype(bool))
        values = {"positive": np.maximum(values, 0), "size": np.abs(values)}.get(self.of, values)
        n = len(values)
        inside, values = masks.reshape(n, -1), values.reshape(n, -1)
        if not inside.any(axis=1).all():
            empty = np.flatnonzero(~inside.any(axis=1)).tolist()
            raise ValueError(f"the masks of records {empty} are empty; leave these records out")
        return self._of(self._inside(values, inside))

    @abstractmethod
    def _inside(self, values: Array, inside: Array) -> Array:
        """The number of each record, of attributions and truths (records, places)."""


class PointingGame(_OfMasks):
    """Whether the greatest attribution lies inside (Zhang et al., 2018): 1 or 0.

    Of several that are the greatest, the share that does. Chance is the share of the mask.

    Args:
        masks: where the thing is, booleans (records, …).
        of: what of attributions counts: "positive" parts, "size" or "signed" numbers.

    Raises:
        ValueError: for masks that are none; when used, for empty ones or those that do not fit.

    Example:
        >>> PointingGame(np.array([[True, False]])).score(np.array([[0.9, 0.1]])).values
        array([1.])
    """

    def _inside(self, values: Array, inside: Array) -> Array:
        top = values == values.max(axis=1, keepdims=True)
        return np.asarray((top & inside).sum(axis=1) / top.sum(axis=1))


class RelevanceMass(_OfMasks):
    """The share of attributions inside (Arras et al., 2022); chance is the share of the mask.

    Args:
        masks: where the thing is, booleans (records, …).
        of: what of attributions counts: "positive" parts, "size" or "signed" numbers.

    Raises:
        ValueError: as for `PointingGame`.

    Example:
        >>> RelevanceMass(np.array([[True, False]])).score(np.array([[3.0, 1.0]])).values
        array([0.75])
    """

    def _inside(self, values: Array, inside: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((values * inside).sum(axis=1) / values.sum(axis=1))


class RelevanceRank(_OfMasks):
    """How many of the K greatest attributions lie inside, of K places inside (Arras et al., 2022).

    Chance is the share of the mask. Where equals straddle the K-th place, each counts in part.

    Args:
        masks: where the thing is, booleans (records, …).
        of: what of attributions counts: "positive" parts, "size" or "signed" numbers.

    Raises:
        ValueError: as for `PointingGame`.

    Example:
        >>> masks = np.array([[True, True, False]])
        >>> RelevanceRank(masks).score(np.array([[3.0, 1.0, 2.0]])).values
        array([0.5])
    """

    def _inside(self, values: Array, inside: Array) -> Array:
        found = []
        for own, truth in zip(values, inside, strict=True):
            k = int(truth.sum())
            bound = np.partition(own, len(own) - k)[len(own) - k]
            above, equal = own > bound, own == bound
            share = (k - above.sum()) / equal.sum()
            found.append(((above & truth).sum() + share * (equal & truth).sum()) / k)
        return np.asarray(found)


class Localization(_OfMasks):
    """How well attributions tell inside from outside: the area under the ROC curve.

    The probability that a place inside has a greater one than a place outside, equals counting
    half: 1 where all do, ½ at chance.

    Args:
        masks: where the thing is, booleans (records, …); not everywhere.
        of: what of attributions counts: "positive" parts, "size" or "signed" numbers.

    Raises:
        ValueError: as for `PointingGame`.

    Example:
        >>> masks = np.array([[True, False, False]])
        >>> Localization(masks).score(np.array([[2.0, 1.0, 3.0]])).values
        array([0.5])
    """

    def __init__(self, masks: Any, *, of: Sign = "signed") -> None:
        super().__init__(masks, of=of)

    def _inside(self, values: Array, inside: Array) -> Array:
        ranks = average_ranks(values)
        n = inside.sum(axis=1)
        wins = (ranks * inside).sum(axis=1) - n * (n + 1) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(wins / (n * (inside.shape[1] - n)))


def _alike(values: Array, masks: Array) -> tuple[Array, Array]:
    """Attributions summed over the axes that masks lack, and the masks without these."""
    shape = values.shape
    if masks.ndim == values.ndim - 1:
        fits = [a for a in range(1, values.ndim) if masks.shape == shape[:a] + shape[a + 1 :]]
        if fits:
            return values.sum(axis=fits[0]), masks
    if masks.ndim == values.ndim and len(masks) == len(values):
        axes = tuple(a for a in range(1, masks.ndim) if masks.shape[a] == 1 != shape[a])
        summed = values.sum(axis=axes, keepdims=True)
        if summed.shape == masks.shape:
            return summed, masks
    raise ValueError(
        f"masks of shape {masks.shape} do not fit attributions of shape {shape}: they have the "
        "same axes, or leave out channels"
    )

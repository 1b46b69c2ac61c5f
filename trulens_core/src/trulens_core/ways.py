"""How k points × b records meet a model, and what is known to be right.

- "narrow": the model is given the b records' own inputs, and at the cut of the distribution k·b
  rows take the place of b. What comes before the cut is computed once for all points.
- "full": the inputs are repeated, so that the model has k·b rows throughout.
- "alone": one point a pass, for all records: what the other two are compared with.

Not every model bears two numbers of rows, or rows beside one another, and none says so. Law: a
point in a block gives what it gives alone, its quantities and gradients equal up to rounding. The
first two blocks of a kind are looked at, one point in each; what does not hold is refused, and the
next way is taken. A narrow pass that raises is refused as well.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from trulens_core.inputs.structure import BATCHED, STATIC

if TYPE_CHECKING:
    from trulens_core.backends import Backend, Tensor
    from trulens_core.inputs import ModelInputs
    from trulens_core.models import ModelWrapper
    from trulens_core.slices import Cut

Way = Literal["narrow", "full", "alone"]

PROOFS = 2
"""How many points are looked at, in a block each."""


class Refused(Exception):  # noqa: N818 - no error: the work begins again in another way
    """A way was found not to be right for a model."""


@dataclasses.dataclass
class Verdict:
    """What is known of a model, for cuts and inputs of one structure.

    Attributes:
        proofs: how many points were found right, by way, records and points of a block.
        refused: with how many records a block cannot be narrow.
        narrows: whether it can be at all.
        mixes: whether rows see one another.
        apart: whether records were found to give the same without one another.
        reorders: whether the rows at a cut stand in another order than the records.
        random: whether it draws random numbers, so that nothing can be told.
        settled: whether all records were evaluated once.
        writes: whether evaluating the model was seen to change it, or to draw random numbers.
        size: how many elements a record has at the distribution's cut, once that is seen.
        ordered: for which integers and truth values among the inputs the order was looked at.
    """

    proofs: dict[tuple[Way, int, int], int] = dataclasses.field(default_factory=dict)
    refused: set[int] = dataclasses.field(default_factory=set)
    narrows: bool = True
    mixes: bool = False
    apart: bool = False
    reorders: bool = False
    random: bool = False
    settled: bool = False
    writes: bool = False
    size: int | None = None
    ordered: set[Hashable] = dataclasses.field(default_factory=set)

    def proved(self, way: Way, b: int, k: int) -> bool:
        """Whether blocks of k points × b records are known to be right."""
        if way == "full" and self.random:
            return True
        return k == 1 or self.proofs.get((way, b, k), 0) >= PROOFS

    def narrow(self, b: int) -> bool:
        """Whether blocks of b records may be narrow, as far as is known."""
        return self.narrows and b not in self.refused


def key_of(wrapper: ModelWrapper, inputs: ModelInputs, cuts: Sequence[Cut]) -> Hashable:
    """All that a verdict depends on but values, and the numbers of records and points."""
    shapes = tuple(
        [
            (x.role, tuple(x.value.shape)[x.role == BATCHED :], str(x.value.dtype))
            for x in inputs.leaves
            if x.role != STATIC
        ]
    )
    parts = [part for cut in cuts for part in cut.parts()]
    places = tuple([(wrapper.place(p), p.call, p.batch_axis, _Same(p.accessor)) for p in parts])
    return wrapper.revision(), places, inputs.split()[0].key(), shapes


@dataclasses.dataclass(frozen=True, eq=False)
class _Same:
    """A function of the caller's, which equals only itself."""

    function: Any

    def __hash__(self) -> int:
        return id(self.function)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.function is self.function


@dataclasses.dataclass(frozen=True)
class Rounding:
    """What may be rounding, as a part of the largest value.

    Attributes:
        least: always.
        most: where the same rows in another order deviate so much, too, or in gradients where the
            values agree: a tie that flips moves a whole path.
    """

    least: float
    most: float


_ROUNDING = {"float64": Rounding(1e-10, 1e-6), "float32": Rounding(1e-5, 1e-2)}
_HALF = Rounding(3e-2, 1e-1)
_BEYOND = 10.0
"""How many times the deviation of the same rows in another order is rounding."""


def rounding(gradient: Tensor, weights: Tensor | None) -> Rounding:
    """What may be rounding in gradients of a model with weights of some type."""
    coarse = [str(t.dtype) for t in (gradient, weights) if t is not None]
    known = [next((r for n, r in _ROUNDING.items() if n in name), _HALF) for name in coarse]
    return max(known, key=lambda r: r.least)


def deviation(
    found: Sequence[Tensor], expected: Sequence[Tensor], backend: Backend, least: float = 0.0
) -> float:
    """How far tensors (b, …) are apart, in the worst record.

    That is a part of the record's largest value, or of `least` where that is larger. What is
    infinite or no number in both is equal.
    """
    worst = 0.0
    for x, y in zip(found, expected, strict=True):
        if tuple(x.shape) != tuple(y.shape):
            return float("inf")
        a, b = (by_record(t, backend) for t in (x, y))
        with np.errstate(invalid="ignore"):
            off = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        size = np.abs(np.where(np.isfinite(b), b, 0.0)).max(axis=1, initial=least)
        part = off.max(axis=1, initial=0.0) / np.where(size > 0, size, 1.0)
        worst = max(worst, float(np.nan_to_num(part, nan=np.inf).max(initial=0.0)))
    return worst


def by_record(x: Tensor, backend: Backend) -> np.ndarray[Any, Any]:
    """A tensor (b, …) as an array (b, elements) of float64."""
    a = backend.to_numpy(x).astype("float64")
    return a.reshape(a.shape[0], math.prod(a.shape[1:]))


def is_rounding(
    off: tuple[float, float], noise: tuple[float, float] | None, r: Rounding
) -> bool | None:
    """Whether deviations are rounding; None: that cannot be told without their noise.

    Args:
        off: the deviations of the quantities and of the gradients.
        noise: those of the same rows in another order, where they are known.
        r: what may be rounding.
    """
    (values, gradients), most = off, max(off)
    if min(off) <= r.least and most <= r.most:
        return True  # a difference of scores is small by chance, and a tie flips: but not both
    if noise is None and most <= r.most:
        return None
    allowed = [max(r.least, min(r.most, _BEYOND * n)) for n in noise or (0.0, 0.0)]
    return values <= allowed[0] and gradients <= allowed[1]

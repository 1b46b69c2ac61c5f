"""Points that keep some segments of the value and remove the others."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.distributions.arrays import alone, as_given
from trulens_core.distributions.base import DoI
from trulens_core.distributions.baselines import Baselines, by_record
from trulens_core.distributions.designs import Array, Design, Masks
from trulens_core.distributions.marginal import Marginal
from trulens_core.distributions.placements import (
    Function,
    Masked,
    Placement,
    one_object,
    placement,
)
from trulens_core.distributions.points import LazyPoints, Parts, Records
from trulens_core.distributions.replacements import Replacement, replacement
from trulens_core.errors import DoiError
from trulens_core.inputs import ModelInputs
from trulens_core.segments import Regions, Segments, resolved
from trulens_core.segments.several import without
from trulens_core.slices import Cut

_AHEAD = 2**16
"""Numbers of masks that are made at a time."""
Each = Segments | None
Record = tuple[Regions, ...]
"""The regions of one record, one per tensor of the value."""


@dataclasses.dataclass(frozen=True, eq=False)
class Masking:
    """How some records are masked: what a solver needs to know.

    Attributes:
        regions: of each record, those that its masks are of.
        kinds: the masks, which records with equally many segments share.
        kind_of: of each record, the place of its masks among the kinds.
        copies: how many points each mask has: with what takes the place of removed segments.
        like: the value, a list of tensors (b, …).
        shared: whether all records are known to have the same regions.
    """

    regions: tuple[Record, ...]
    kinds: tuple[Masks, ...]
    kind_of: Array
    copies: int
    like: list[Tensor]
    shared: bool = False

    def masks(self, i: int, j: int) -> list[Array]:
        """Of each kind the masks i to j; what it does not have keeps everything."""
        found = []
        for masks in self.kinds:
            own = masks(min(i, masks.n), min(j, masks.n))
            more = np.ones((j - i - len(own), masks.n_segments), own.dtype)
            found.append(np.concatenate([own, more]))
        return found

    def draws(self, i: int, j: int) -> Array:
        """The draws that the masks i to j go with, (j − i,), or (j − i, b) where they differ."""
        each = np.stack([masks.draws(i, j) for masks in self.kinds], axis=1)
        return each[:, 0] if len(self.kinds) == 1 else each[:, self.kind_of]


class _Ahead:
    """The masks of a masking, made for several blocks at a time: making few takes as long."""

    def __init__(self, plan: Masking) -> None:
        self._plan = plan
        self._n = _AHEAD // max(1, *(masks.n_segments for masks in plan.kinds))
        self._first = self._last = 0
        self._made: list[Array] = []

    def __call__(self, i: int, j: int) -> list[Array]:
        if not self._first <= i <= j <= self._last:
            self._first, self._last = i, max(j, i + self._n)
            self._made = self._plan.masks(self._first, self._last)
        return [m[i - self._first : j - self._first] for m in self._made]


class MaskDoi(DoI):
    """The value with some of its segments removed, for the masks of a design.

    What is kept is the value itself and what is removed the baseline, each to the bit: NaN may
    stand for what is missing. In between, soft masks blend the two.

    Masks depend on the design and on a record's own number of segments alone: not on its place,
    the batch, rebatch size or framework.

    Args:
        design: which masks.
        segments: what is kept or removed together; a list with one per tensor where the cut holds
            several; None is every element by itself.
        baseline: what takes the place of a removed segment, in any form that `LinearDoi` takes, or
            draws from data, `Marginal`. Each mask is evaluated with every one of `Baselines`.
        cut: where the value is; None is the model's input.
        channel_axis: of images there, see `Segments`.
        seed: of draws from data.
        drops: whether segments that equal their baseline are left out of the masks.

    Raises:
        DoiError: when used, for a baseline that does not fit the value.
        ValueError: when used, for segments that do not, or a design that cannot be.

    Example:
        >>> from trulens_core.perturbation.one_out import LeaveOneOut
        >>> for point in MaskDoi(LeaveOneOut())(np.array([[1.0, 2.0]])):
        ...     print(point)
        [[1. 2.]]
        [[0. 2.]]
        [[1. 0.]]
    """

    multiplier_is_standard: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        design: Design,
        segments: Each | Sequence[Each] = None,
        baseline: Any = None,
        *,
        cut: Cut | str | int | None = None,
        channel_axis: int | None = None,
        seed: int = 0,
        drops: bool = False,
    ) -> None:
        super().__init__(cut)
        self.design: Design = design
        self.segments: Each | Sequence[Each] = segments
        self._baseline, self._channel_axis = baseline, channel_axis
        self.seed: int = int(seed)
        self._drops = drops

    def __repr__(self) -> str:
        return f"MaskDoi({self.design!r}, segments={self.segments!r})"

    def __call__(self, z: Any, *, model_inputs: ModelInputs | None = None) -> Any:
        records = alone(z, model_inputs)
        lazy = self.points(records, None)
        assert lazy.stack is not None
        return as_given(lazy.stack(0, len(lazy.weights)), z)

    def of_samples(self, n: int) -> MaskDoi:
        """The same with another number of masks."""
        new = copy.copy(self)
        design: Any = self.design
        new.design = dataclasses.replace(design, n=n)
        return new

    @property
    def by_record(self) -> bool:
        given = self._baseline
        members = given.members if isinstance(given, Baselines) else [given]
        return all(isinstance(m, Marginal) or by_record(m) for m in members)

    def points(self, records: Records, baseline: list[Tensor] | None) -> LazyPoints:
        del baseline
        backend = records.backend
        put = replacement(self._baseline, records, self.design.random, self.seed)
        plan = self._masking(records, put)
        _check_soft(plan)
        each_own = plan.regions[:1] if plan.shared else plan.regions
        columns, made = zip(*each_own, strict=True), _Ahead(plan)
        places: list[Placement] = [
            placement(own, plan.kind_of, z, backend)
            for own, z in zip(columns, records.z, strict=True)
        ]

        def parts(
            i: int, j: int, bases: Callable[..., list[Any]]
        ) -> tuple[list[Any], list[Function], list[Array]]:
            """What takes the place of removed segments, and how points are made with it."""
            first, last = i // plan.copies, (j - 1) // plan.copies + 1
            masks = made(first, last)
            if plan.copies > 1:
                at = np.arange(i, j) // plan.copies - first
                masks = [m[at] for m in masks]
            draws = plan.draws(i, j) if put.drawn else None
            functions, numbers = zip(*[p.laid_out(masks) for p in places], strict=True)
            return bases(i, j, draws), list(functions), list(numbers)

        def stack(i: int, j: int) -> list[Tensor]:
            each = zip(records.z, *parts(i, j, put.values), places, strict=True)
            return [
                backend.pure(f)(z, base, backend.from_numpy(m, like=z), *p.held)
                for z, base, f, m, p in each
            ]

        def given(i: int, j: int) -> Parts:
            bases, functions, numbers = parts(i, j, put.held)
            held = [[base, *p.held] for base, p in zip(bases, places, strict=True)]
            return Parts(Masked(tuple(functions)), held, numbers)

        n = max(masks.n for masks in plan.kinds) * plan.copies
        own = type(self).points is MaskDoi.points  # else a subclass may make others of `stack`
        return LazyPoints((1 / n,) * n, stack, plan=plan, parts=given if own else None)

    def _masking(self, records: Records, put: Replacement) -> Masking:
        mine = records.last - records.first
        found = resolved(
            self.segments,
            [z if int(z.shape[0]) == mine else z[:mine] for z in records.z],
            channel_axis=self._channel_axis or records.backend.channel_axis,
            first=records.first,
            total=records.total,
        )
        regions = list(found) + [found[-1]] * (int(records.z[0].shape[0]) - mine)
        if self._drops:
            regions = self._moved(regions, records, put)
        made: dict[int, Masks] = {}
        shared = one_object(regions)
        for own in regions[: 1 if shared else None]:
            if own[0].n not in made:
                made[own[0].n] = self.design.masks(own, put.drawn)
        places = {n: i for i, n in enumerate(made)}
        kind_of = np.zeros(len(regions), int)
        if not shared:
            kind_of = np.array([places[own[0].n] for own in regions])
        parts = tuple(regions), tuple(made.values()), kind_of, put.copies, records.z
        return Masking(*parts, shared=shared)

    def _moved(self, regions: list[Record], records: Records, put: Replacement) -> list[Record]:
        """The regions without those that nothing is done to by removing them."""
        host = [records.backend.to_numpy(z) for z in records.z]
        bounds = [
            [np.broadcast_to(a, z.shape) for a in b] for z, b in zip(host, put.range(), strict=True)
        ]
        still = [
            _equal(z, low) & _equal(z, high) for z, (low, high) in zip(host, bounds, strict=True)
        ]
        if not any(s.any() for s in still):
            return regions
        return [without(own, [s[r] for s in still]) for r, own in enumerate(regions)]


def _check_soft(plan: Masking) -> None:
    """Raise where masks would blend what are no numbers."""
    objects = any(getattr(z.dtype, "hasobject", False) for z in plan.like)
    if objects and any(masks(0, 1).dtype.kind != "b" for masks in plan.kinds):
        raise DoiError(
            "these masks blend the records with their baseline, and columns of strings cannot be "
            "blended; Ablation, ShapleyValues, KernelSHAP and LIME keep or replace them whole"
        )


def _equal(a: Array, b: Array) -> Array:
    return np.asarray((a == b) | ((a != a) & (b != b)))

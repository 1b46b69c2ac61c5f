"""How k points × b records meet a model, and what is known to be right.

- "narrow": the model is given the b records' own inputs, and at the cut of the distribution k·b
  rows take the place of b. What comes before the cut is computed once for all points.
- "widened": the same, and layers after the cut that are given arguments with b rows, as masks have,
  get them repeated for each point, see `trulens_core.inputs.widening`.
- "full": the inputs are repeated, so that the model has k·b rows throughout.
- "alone": one point a pass, for all records: what the others are compared with.

Not every model bears two numbers of rows, or rows beside one another, and none says so. Law: a
point in a block gives what it gives alone, its quantities and gradients equal up to rounding. The
first two blocks of a kind are looked at, one point in each; what does not hold is refused, and the
next way is taken. A narrow or widened pass that raises is refused as well. A mask does nothing in a
batch without padding, and does in the next: widened blocks are looked at anew whenever integers,
truth values or masks among the inputs differ, and narrow ones whenever the padding does, or these
where the model was seen to choose places by what it finds (`nonzero`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any, Literal, NamedTuple

from trulens_core.backends import Backend
from trulens_core.influence.deciding import integers, padding
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import kind_of
from trulens_core.inputs.widening import Widening
from trulens_core.passes import CutModel
from trulens_core.slices import Cut

Way = Literal["narrow", "widened", "full", "alone"]

NARROW: tuple[Way, ...] = "narrow", "widened"
"""The ways in which what comes before the cut is computed once for all points."""

PROOFS = 2
"""How many points are looked at, in a block each."""

_MOST = 4096
"""How many kinds of blocks, and of integers, are remembered."""


class Refused(Exception):  # noqa: N818 - no error: the work begins again in another way
    """A way was found not to be right for a model."""


class Sort(NamedTuple):
    """What blocks have to share, besides their number of points, to be looked at as one kind.

    Attributes:
        way: how they meet the model.
        records: how many records they have; where that is not enough, what else decides.
    """

    way: Way
    records: Hashable


@dataclasses.dataclass
class Verdict:
    """What is known of a model, for cuts and inputs of one structure.

    Attributes:
        proofs: how many points were found right, by `sort` of the blocks and their points.
        refused: which narrow ways are not right, by way and records of a block.
        widenings: what "widened" means, by records of a block.
        narrows: whether it can be narrow at all.
        mixes: whether rows see one another.
        fixed: what was raised where several points' rows were given at once; one point's are right.
        apart: whether records were found to give the same without one another.
        reorders: whether the rows at a cut stand in another order than the records.
        random: whether it draws random numbers, so that nothing can be told.
        settled: whether all records were evaluated once.
        writes: whether evaluating the model was seen to change it, or to draw random numbers.
        chooses: whether values tell which places it takes or writes, so that words decide, too.
        repeats: whether a program gives the same each time, as far as is known.
        size: how many elements a record has at the distribution's cut, once that is seen.
        ordered: for which integers and truth values among the inputs the order was looked at.
    """

    proofs: dict[tuple[Sort, int], int] = dataclasses.field(default_factory=dict)
    refused: set[tuple[Way, int]] = dataclasses.field(default_factory=set)
    widenings: dict[int, Widening] = dataclasses.field(default_factory=dict)
    narrows: bool = True
    mixes: bool = False
    fixed: str = ""
    apart: bool = False
    reorders: bool = False
    random: bool = False
    settled: bool = False
    writes: bool = False
    chooses: bool = False
    repeats: bool = True
    size: int | None = None
    ordered: set[Hashable] = dataclasses.field(default_factory=set)

    def sort(self, way: Way, inputs: ModelInputs, backend: Backend) -> Sort:
        """The sort of the blocks of these records."""
        if way == "widened" or (way == "narrow" and self.chooses):
            return Sort(way, integers(inputs, backend))
        return Sort(way, padding(inputs, backend) if way == "narrow" else inputs.n_records)

    def proved(self, sort: Sort, k: int) -> bool:
        """Whether blocks of k points of a sort are known to be right."""
        if sort.way == "full" and self.random:
            return True
        return k == 1 or self.proofs.get((sort, k), 0) >= PROOFS

    def all_proved(
        self, way: Way, inputs: ModelInputs, points: Sequence[int], backend: Backend
    ) -> bool:
        """Whether blocks of so many points each are."""
        sort = self.sort(way, inputs, backend)
        return all([self.proved(sort, k) for k in points])

    def found_right(self, sort: Sort, k: int) -> int:
        """A point of such a block was found right; how many were by now."""
        seen = self.proofs.get((sort, k), 0) + 1
        if len(self.proofs) >= _MOST:
            self.proofs.clear()
        self.proofs[sort, k] = seen
        return seen

    def found_ordered(self, integers: Hashable) -> None:
        """The order of rows was looked at for such integers and truth values."""
        if len(self.ordered) >= _MOST:
            self.ordered.clear()
        self.ordered.add(integers)

    def narrow(self, b: int) -> Way | None:
        """The narrow way that blocks of b records may go, as far as is known.

        One record's values from before the cut stand beside those of all its points as they are.
        """
        ways = NARROW if b > 1 else NARROW[:1]
        return next((w for w in ways if self.narrows and (w, b) not in self.refused), None)

    def given(self, inputs: ModelInputs, way: Way) -> ModelInputs:
        """The inputs of a group's records, for passes of a way."""
        b = inputs.n_records
        if way != "widened" or b == 1:
            return inputs
        new = inputs.with_values((), ())
        new.widening = self.widenings.setdefault(b, Widening())
        return new


def key_of(wrapper: CutModel, inputs: ModelInputs, cuts: Sequence[Cut]) -> Hashable:
    """All that a verdict depends on but values, and the numbers of records and points."""
    parts = [part for cut in cuts for part in cut.parts()]
    places = tuple(
        [
            (wrapper.place(p), p.call, p.batch_axis, p.rows_per_record, _same(p.accessor))
            for p in parts
        ]
    )
    return wrapper.revision(), places, kind_of(inputs)


def _same(accessor: Any) -> Hashable:
    return None if accessor is None else _Same(accessor)


@dataclasses.dataclass(frozen=True, eq=False)
class _Same:
    """A function of the caller's, which equals only itself."""

    function: Any

    def __hash__(self) -> int:
        return id(self.function)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.function is self.function

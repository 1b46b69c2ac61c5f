"""How the work for all records is divided: into groups of them, and each into blocks of points."""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

from trulens_core.errors import TrulensWarning, UnsupportedModelError
from trulens_core.influence import ways
from trulens_core.influence.questions import Question, Request
from trulens_core.influence.ways import NARROW, Verdict, Way
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED
from trulens_core.quantities.evaluation import raised_by_quantity
from trulens_core.slices import InputCut

_ELEMENTS_PER_PASS = 2**21
_ROWS_PER_PASS = (8, 256)
_ELEMENTS_FORWARD = 2**18
_ROWS_FORWARD = (8, 8192)
"""Without gradients nothing is kept for a backward pass: blocks are as large as a cache bears."""

_MIXES = (
    "the model's rows see one another (as in batch statistics, or in a graph of all records): a "
    "record among others gives other numbers than alone. All records go through it together, one "
    "point a pass"
)
_FIXED = (
    "the model, or the quantity, takes the rows of these records and no more, as where a graph or "
    "data of its own has as many ({}). All records go through it together, one point a pass"
)


class Part(NamedTuple):
    """One group of records, and how its points go through the model.

    Attributes:
        first: the first record's place among all.
        last: one past the last record's place.
        size: how many records a group has, the last one but for what pads it included.
        rows: how many rows a pass has at most.
        way: see `trulens_core.influence.ways`.
        exact: whether every group is padded to `size`.
    """

    first: int
    last: int
    size: int
    rows: int
    way: Way
    exact: bool

    def ranges(self, points: int, records: int) -> list[tuple[int, int]]:
        """The points of each block of so many records, as equal in number as can be."""
        most = 1 if self.way == "alone" else max(1, self.rows // records)
        k = -(-points // -(-points // most)) if points else 1
        return [(i, min(i + k, points)) for i in range(0, points, k)]


class Division:
    """The work for all records, divided as far as is known to be right.

    Args:
        question: what is asked of the model.
        request: how many rows a pass may have.
        inputs: of all records.

    Attributes:
        verdict: what is known of the model.
    """

    def __init__(self, question: Question, request: Request, inputs: ModelInputs) -> None:
        self.question: Question = question
        self.inputs: ModelInputs = inputs
        self._request = request
        self._total = inputs.n_records
        self._divisor = 1
        self._declared = question.wrapper.declared_rows()
        self._exact = question.wrapper.backend.static_shapes or self._declared is not None
        cuts = (question.source, question.target, question.doi_cut)
        rules = question.rules
        by = rules.key() if rules is not None else None
        key = ways.key_of(question.wrapper, inputs, cuts), by, rules if by is None else None
        self.verdict: Verdict = question.wrapper.known(key, Verdict)
        if question.wrapper.rows is not None:  # they belong together, and so to one pass
            self.verdict.mixes = True
        backend = question.wrapper.backend
        inner = not any(isinstance(part, InputCut) for part in question.doi_cut.parts())
        self._narrow = inner and not backend.traces and question.wrapper.narrows()

    def part(self, first: int) -> Part:
        """The group that begins with a record."""
        size, way = self._size()
        return Part(first, min(first + size, self._total), size, self._rows(way), way, self._exact)

    def settled(self, part: Part) -> bool:
        """Whether a group need not be put aside: its way is not new, and it leaves nothing behind.

        What the only group leaves behind is put back with all that a call changes. A part of the
        records is new until it was looked at whether they see one another.
        """
        v = self.verdict
        return v.settled and (part.size == self._total or (v.apart and not v.writes))

    def refuse(self, part: Part) -> None:
        """A group was found not to be right; the verdict may say more."""
        if self.verdict.mixes:
            said = _FIXED.format(self.verdict.fixed) if self.verdict.fixed else _MIXES
            warnings.warn(said, TrulensWarning, stacklevel=2)
        if part.way in NARROW:
            self.verdict.refused.add((part.way, part.size))

    def goes_on(self, part: Part, error: Exception) -> bool:
        """Whether the group of an error is begun again, otherwise.

        Where memory ran out, with half as many rows, which are then the most. After a narrow pass,
        by a full one: that tells the model's own error, if it is one. What a quantity raised is its
        own, whatever the way; one that takes no such number of rows was refused before, by a look.
        """
        if self.question.wrapper.backend.is_out_of_memory(error):
            free = self._declared is None and part.rows > 1
            can = free and self._request.rebatch_size == "auto"
            self._divisor *= 2
            return can
        if part.way not in NARROW or raised_by_quantity(error):
            return False
        self.refuse(part)
        return True

    def _rows(self, way: Way) -> int:
        """How many rows a pass has at most."""
        given = self._request.rebatch_size
        if self._declared is not None:
            return self._declared
        if isinstance(given, int):
            return given
        leaves = self.inputs.leaves
        sizes: list[int] = [math.prod(x.value.shape[1:]) for x in leaves if x.role == BATCHED]
        if self._narrow and self.verdict.size is not None:
            sizes = [self.verdict.size]
        (few, many), elements = _ROWS_PER_PASS, _ELEMENTS_PER_PASS
        if not self.question.statistic.gradients:
            (few, many), elements = _ROWS_FORWARD, _ELEMENTS_FORWARD
        chosen = max(few, min(many, elements // max(1, *sizes, 1)))
        if way not in NARROW:
            chosen = max(chosen, self._total)
        return max(1, chosen // self._divisor)

    def _size(self) -> tuple[int, Way]:
        """How many records a group has, and the way of its blocks."""
        verdict = self.verdict
        if self._declared is not None:
            self._check_declared(self._declared)
            return self._declared, "full"
        if verdict.mixes:
            self._check_whole()
            return self._total, "alone"
        if verdict.reorders:
            return 1, (verdict.narrow(1) if self._narrow else None) or "full"
        if self._narrow and not self.question.doi.is_point:
            for size in self._narrow_sizes():
                way = verdict.narrow(size)
                if way is not None:
                    return size, way
        return self._full_size(), "full"

    def _check_declared(self, rows: int) -> None:
        """Raise where passes of as many records as the model declares are not to be."""
        given = self._request.rebatch_size
        if isinstance(given, int) and given < rows:
            raise UnsupportedModelError(
                f"the model declares a batch of {rows}, and rebatch_size={given} asks for fewer "
                "rows a pass; leave it out, or build the model without a batch size"
            )
        if self._request.thins and rows > 1:
            raise UnsupportedModelError(
                f"the model declares a batch of {rows}, and tolerance= would give records other "
                "rows of it than their own; give resolution=, or build it without a batch size"
            )
        if self.verdict.reorders or (self.verdict.mixes and self._total != rows):
            raise UnsupportedModelError(
                f"the model's rows see one another, or stand in another order at the cut, and it "
                f"declares a batch of {rows}; build it without a batch size"
            )

    def _check_whole(self) -> None:
        """Raise where records that see one another would be taken apart."""
        given = self._request.rebatch_size
        if self._request.thins or (isinstance(given, int) and given < self._total):
            what = "tolerance=" if self._request.thins else f"rebatch_size={given}"
            raise UnsupportedModelError(
                f"the model's rows see one another, and {what} would take its {self._total} "
                "records apart, which changes what it computes; leave it out, and give the records "
                "that belong together in one call"
            )

    def _narrow_sizes(self) -> list[int]:
        """Numbers of records for narrow blocks: as few as all points of which fill a pass, or one.

        The caller's own functions may hold data of all records, which are then not taken apart
        unless the caller limits the rows.
        """
        q, n = self.question, self.question.doi.n_points
        most = self._full_size()
        by_record = self._request.rebatch_size is not None or (q.doi.by_record and not q.qoi.custom)
        if not by_record or n is None:
            return [most]
        return [max(1, min(self._total, self._rows("narrow") // n)), 1]

    def _full_size(self) -> int:
        """How many records a block holds that repeats them.

        All of them unless the caller limits the rows, since functions of the caller's may hold
        data of all; else as many as fit, or, where the backend prefers points, as many as make the
        fewest blocks.
        """
        total, rows = self._total, self._rows("full")
        if self._request.rebatch_size is None:
            return total
        if self.question.wrapper.backend.prefers == "points":
            points = self.question.doi.n_points or 1

            def cost(records: int) -> tuple[int, int, int]:
                """Blocks, rows with what pads them, groups."""
                groups, parts = -(-total // records), -(-points // (rows // records))
                padded = groups * records * parts * -(-points // parts)
                return groups * parts, padded, groups

            return min(range(1, min(total, rows) + 1), key=cost)
        return min(total, rows)

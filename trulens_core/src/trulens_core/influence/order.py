"""Whether rows are records: in their order at inner cuts, and the same without the others."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from trulens_core.backends import Backend, Tensor, rows_at
from trulens_core.influence.deciding import integers
from trulens_core.influence.questions import Question
from trulens_core.influence.rounding import by_record, deviation, rounding
from trulens_core.influence.ways import NARROW, Refused, Verdict, Way
from trulens_core.inputs import ModelInputs
from trulens_core.passes.trace import Trace
from trulens_core.slices import INPUT, OUTPUT, Cut


def known_order(question: Question, inputs: ModelInputs, verdict: Verdict) -> bool:
    """Whether nothing about the order of rows has to be found out."""
    if inputs.n_records == 1 or verdict.mixes or verdict.random or not _inner(question):
        return True
    backend = question.wrapper.backend
    if question.wrapper.keeps_graph and backend.traces:
        return True  # there may be no numbers to compare yet
    return integers(inputs, backend) in verdict.ordered


def check_order(
    question: Question,
    inputs: ModelInputs,
    known: Mapping[Cut, Sequence[Tensor]],
    verdict: Verdict,
) -> None:
    """Compare the values at inner cuts with those for the records in reversed order.

    A model may sort its records by length, run, and sort back: between, row i is another record's.
    Integers and truth values among the inputs decide such things, so that it is looked at anew
    whenever they differ from those that it was looked at for.

    Args:
        question: what is asked of the model.
        inputs: of a group of records.
        known: values at cuts, as far as they are known.
        verdict: what is known, and gets to be.

    Raises:
        Refused: where rows and records do not go together; the verdict then says so.
    """
    turned = Turned.of(question, inputs, verdict)
    if not turned.values:
        return
    cuts = _inner(question)
    if turned.trace.wrote:  # what is known is of a model in another state
        known = {}
    unknown = [c for c in cuts if c not in known]
    found = {**known, **(_aside(question, inputs, unknown)[0] if unknown else {})}
    turned.check({cut: found[cut] for cut in cuts}, verdict)


@dataclasses.dataclass(frozen=True)
class Turned:
    """The values at inner cuts for the records in reversed order.

    Attributes:
        question: what is asked of the model.
        inputs: of the records, in their own order.
        values: the values, in the reversed one; empty where nothing has to be found out.
        trace: what evaluating them did.
    """

    question: Question
    inputs: ModelInputs
    values: dict[Cut, list[Tensor]]
    trace: Trace

    @staticmethod
    def of(
        question: Question, inputs: ModelInputs, verdict: Verdict, *, first: bool = False
    ) -> Turned:
        """They, evaluated if they are needed.

        Args:
            question: what is asked of the model.
            inputs: of the records, in their own order.
            verdict: what is known.
            first: whether the values in their own order come after these, so that both are of the
                model in one state. Else it has to be told whether evaluating it writes, which may
                be after the cuts.
        """
        if known_order(question, inputs, verdict):
            return Turned(question, inputs, {}, Trace())
        back = inputs.select(range(inputs.n_records)[::-1], question.wrapper.backend)
        with question.wrapper.ending() if first else contextlib.nullcontext():
            return Turned(question, inputs, *_aside(question, back, _inner(question)))

    @staticmethod
    def tells(question: Question, way: Way) -> bool:
        """Whether the value that blocks meet at the distribution's cut tells all of the order.

        Where inputs are repeated, the rows there are of all points, and ordered as one.
        """
        return way in NARROW and _inner(question) == [question.doi_cut]

    def check(self, values: Mapping[Cut, Sequence[Tensor]], verdict: Verdict) -> None:
        """Compare with the values for the records in their own order.

        Raises:
            Refused: see `check_order`.
        """
        wrapper, backend = self.question.wrapper, self.question.wrapper.backend
        if not self.values or (given := integers(self.inputs, backend)) in verdict.ordered:
            return
        n = self.inputs.n_records
        rows = [t for found in values.values() for t in found]
        if self.trace.drew or any(not len(t.shape) or t.shape[0] != n for t in rows):
            return  # nothing to compare, or no rows: that is told where they are needed
        for cut, found in values.items():
            there = [rows_at(t, range(n)[::-1], backend) for t in self.values[cut]]
            limit = 10 * rounding(there[0], wrapper.like()).least
            if deviation(there, found, backend) > limit:
                verdict.reorders = _permuted(there[0], found[0], backend, limit)
                verdict.mixes = not verdict.reorders
                raise Refused
        verdict.found_ordered(given)


def check_apart(question: Question, inputs: ModelInputs, verdict: Verdict) -> None:
    """Compare a record's value at the target beside one record and beside another one.

    Raises:
        Refused: where they differ; the verdict then says that rows see one another.
    """
    wrapper, backend, cut = question.wrapper, question.wrapper.backend, question.target
    if verdict.apart or (backend.traces and wrapper.keeps_graph):
        return  # known, or there may be no numbers to compare
    if verdict.random:
        verdict.apart = True
        return
    n = inputs.n_records
    pairs = [inputs.select(i, backend) for i in ([0, n - 1], [0, n // 2] if n > 2 else [0])]
    verdict.apart = True
    try:
        (first, trace), (second, _) = (_aside(question, pair, [cut]) for pair in pairs)
    except Exception:  # noqa: BLE001 - what is explained will tell
        return
    one, other = first[cut][0], second[cut][0]
    if trace.drew or not len(one.shape) or one.shape[0] != 2:
        return
    limit = 10 * rounding(one, wrapper.like()).least
    rows = ([0], [1])  # a model may have put them in another order
    off = [deviation([rows_at(one, r, backend)], [other[:1]], backend) for r in rows]
    verdict.mixes = min(off) > limit
    verdict.apart = not verdict.mixes
    if verdict.mixes:
        raise Refused


def _aside(
    question: Question, inputs: ModelInputs, cuts: Sequence[Cut]
) -> tuple[dict[Cut, list[Tensor]], Trace]:
    """The values at cuts, of an evaluation that leaves nothing behind, and what it did."""
    with question.wrapper.aside(inputs, question.doi_cut) as trace:
        found = question.wrapper.activations(inputs, cuts)
    return found, trace


def _inner(question: Question) -> list[Cut]:
    """The cuts inside the model, each once."""
    cuts = dict.fromkeys((question.source, question.doi_cut, question.target))
    return [c for c in cuts if c.name not in (INPUT, OUTPUT)]


def _permuted(found: Tensor, expected: Tensor, backend: Backend, limit: float) -> bool:
    """Whether the rows are the expected ones in another order."""
    a, b = (by_record(t, backend) for t in (found, expected))
    left = list(range(len(b)))
    for row in a:
        off = [np.abs(row - b[i]).max() for i in left]
        if not off or min(off) > limit * max(1.0, np.abs(row).max()):
            return False
        left.pop(int(np.argmin(off)))
    return True

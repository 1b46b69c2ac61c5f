"""Calls of the plainest kind: the gradient at the records themselves, by the inputs or at a layer.

One pass of the model gives all there is to it. The first call of a kind goes the way of all
questions, and tells what there is to be told; those after it ask the model, and nothing besides.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, cast

from trulens_core import trees
from trulens_core.backends import Backend, Gradients, Tensor
from trulens_core.influence.division import Division
from trulens_core.influence.judging import judged
from trulens_core.influence.plain_inner import InnerCall, at_one_point
from trulens_core.influence.questions import Answer, Question, Request
from trulens_core.influence.repeats import Known, kind, options
from trulens_core.influence.statistics import Mean, Table, multiplied
from trulens_core.influence.ways import Verdict
from trulens_core.inputs import ModelInputs, opaque
from trulens_core.inputs.structure import BATCHED, STATIC
from trulens_core.passes import selection
from trulens_core.quantities import QoI, evaluate
from trulens_core.slices import INPUT, OUTPUT, Cut, InputCut
from trulens_core.steps.quantity_data import with_tensors

_ONE_TENSOR = "one tensor"


def keep(question: Question, inputs: ModelInputs, request: Request, verdict: Verdict) -> None:
    """Keep that a question was answered for all records at once, if it is of this kind."""
    if _is_plain(question, request):
        key = kind(question, inputs, request)
        if key is not None and key not in question.repeats:
            _keep(key, _call_of(question, verdict), question, inputs, request, verdict)


def _call_of(question: Question, verdict: Verdict) -> PlainCall | InnerCall:
    # of a copy, without what it keeps: the model goes when the last of its users lets go
    copied = dataclasses.replace(question)
    at_inputs = isinstance(question.source, InputCut)
    return PlainCall(copied) if at_inputs else InnerCall(copied, verdict)


def _keep(
    key: Hashable,
    call: PlainCall | InnerCall,
    question: Question,
    inputs: ModelInputs,
    request: Request,
    verdict: Verdict,
) -> None:
    known = Known(call.answer, options(question.qoi), verdict)
    question.repeats.put(key, known)
    question.repeats.put(_form(key), known)
    short = _of_one(inputs, request.rebatch_size, question.wrapper.backend)
    if short is not None:
        question.repeats.put(short, Short(call.of_one, known, question.wrapper.revision()))


def _form(key: Hashable) -> Hashable:
    """The same for inputs that differ from those of a `kind` in the lengths of their axes alone."""
    names, parts, leaves, *rest = cast(tuple[Any, ...], key)
    lengths = [x if x[0] == STATIC else (x[0], len(x[1]), x[2]) for x in leaves]
    return names, parts, tuple(lengths), *rest


def first(division: Division, request: Request) -> Answer | None:
    """The answer where all records go through the model at once, as others of their form did.

    The question was answered for those, and all that is checked of inputs, but for what follows
    from their lengths, holds of these. It is kept. None for other questions, and where it fails or
    tells nothing, which is told by the whole way.
    """
    question, inputs, verdict = division.question, division.inputs, division.verdict
    if request.more or not len(question.repeats):
        return None
    key = kind(question, inputs, request)
    before: Known | None = None if key is None else question.repeats.found(_form(key))
    if before is None or before.verdict is not verdict or not before.holds(question.qoi):
        return None
    part = division.part(0)
    if part.last < inputs.n_records or part.exact or not division.settled(part):
        return None
    call = _call_of(question, verdict)
    try:
        found = call.answer(inputs, request)
    except Exception:  # noqa: BLE001 - it comes again, where it is told
        return None
    if found is not None:
        _keep(key, call, question, inputs, request, verdict)
    return found


def _of_one(inputs: ModelInputs, rebatch_size: Any, backend: Backend) -> Hashable:
    """The key of calls with one tensor and nothing else; None for other calls."""
    structure, leaves = inputs.structure, inputs.leaves
    if structure.names != (0,) or structure.axes or inputs.batched or leaves[0].role != BATCHED:
        return None
    value = leaves[0].value
    outline = backend.outline(value) if structure.parts[0].key == trees.LEAF else None
    return None if outline is None else (_ONE_TENSOR, outline, rebatch_size)


class Short(NamedTuple):
    """What was found out about a call with one tensor and nothing else, as its key says."""

    answered: Callable[[Tensor, Tensor], Any]
    known: Known
    revision: Hashable


def again(question: Question, value: Any, rebatch_size: Any) -> Any:
    """The attributions for one tensor, where a call with such a one was answered before.

    None where there was none, where the model or the quantity is another one by now, where there is
    something to be said of the gradients, or where it fails: the call is then made as if it were
    the first.
    """
    wrapper = question.wrapper
    outline = wrapper.backend.outline(value)
    if outline is None or wrapper.batched:
        return None
    short: Short | None = question.repeats.found((_ONE_TENSOR, outline, rebatch_size))
    if short is None or not short.known.holds(question.qoi):
        return None
    try:
        with wrapper.opened(ModelInputs((value,)), question.doi_cut):
            x = wrapper.taken(value)
            if x is None or short.revision != wrapper.revision():
                return None
            return short.answered(x, value)
    except Exception:  # noqa: BLE001 - it comes again, where it is told
        return None


def _is_plain(q: Question, request: Request) -> bool:
    wrapper, statistic = q.wrapper, q.statistic
    return (
        q.doi.is_point
        and not request.more
        and wrapper.runs_whole()
        and not (wrapper.keeps_graph or wrapper.repeats() or wrapper.rows)
        and (isinstance(q.source, InputCut) or _is_inner(q.source))
        and (q.target.name == OUTPUT or (_is_inner(q.target) and _is_inner(q.source)))
        and q.source.accessor is None
        and q.target.accessor is None
        and q.rules is None
        and q.contract is None
        and q.tolerance is None
        and statistic.gradients
        and not (statistic.want or statistic.prepares or q.qoi.binds)
        and (q.doi.multiplier_is_standard or not q.multiply)
    )


def _is_inner(cut: Cut) -> bool:
    """Whether it is one layer's."""
    return cut.name not in (INPUT, OUTPUT) and len(cut.parts()) == 1


class PlainCall:
    """A plain question, asked again of inputs of one structure and shapes.

    Args:
        question: it.
    """

    def __init__(self, question: Question) -> None:
        self._question = question
        ready = question.qoi.is_ready and not question.qoi.custom
        # what is the library's own, and has no arrays, is the same as long as its options are
        self._ready: QoI | None = self._placed(question.qoi) if ready else None
        cut = question.target
        self._as_it_is = cut.batch_axis == 0 and cut.rows_per_record is None
        self._mean = type(question.statistic) is Mean
        # the last output's shape that what is ready was held against, whose type comes with it
        self._fits: Any = None

    def _placed(self, qoi: QoI) -> QoI:
        q = self._question
        return qoi.with_channel_axis(q.wrapper.channel_axis(q.target))

    def answer(self, inputs: ModelInputs, request: Request) -> Answer | None:
        """The answer for all records; None where it tells nothing, which is told elsewhere."""
        q, n = self._question, inputs.n_records
        wrapper, backend = q.wrapper, q.wrapper.backend
        at = inputs.at(q.source, backend, wrapper.parameters)  # type: ignore[arg-type]
        host = self._ready or self._placed(q.qoi.for_records(0, n, n))
        qoi = self._ready or with_tensors(host, inputs, wrapper)

        def run(tapped: list[Tensor]) -> list[Tensor]:
            given = _tapped(inputs, at, tapped, backend)
            return self._quantities(wrapper.whole(*given.args, **given.kwargs), host, qoi, n)

        z = [inputs.leaves[i].value for i in at]
        got = backend.derivatives(run, z)
        if all([g is None for gs in got for g in gs]):
            return None
        total = self._total(got, z)
        not_finite, zero = judged(total, n, backend)
        if q.multiply:
            total = multiplied(total, z, backend)
        request.advance(n)
        return Answer(total, not_finite=not_finite, zero=zero)

    def of_one(self, x: Tensor, value: Tensor) -> Any:
        """The attributions for one tensor, given as `value` and adopted as `x`, as they are given.

        None where there is something to be told of them.
        """
        q, n = self._question, x.shape[0]
        wrapper, backend = q.wrapper, q.wrapper.backend
        host = self._ready or self._placed(q.qoi.for_records(0, n, n))
        qoi = self._ready or with_tensors(host, ModelInputs((x,)), wrapper)

        def run(tapped: list[Tensor]) -> list[Tensor]:
            return self._quantities(wrapper.whole(tapped[0]), host, qoi, n)

        got = backend.derivatives(run, [x])
        for (g,) in got:
            if g is None:
                return None
        total = self._total(got, [x])
        if not 0 < sum([backend.magnitude(g) for (g,) in total]) < math.inf:
            return None  # not finite, or zero everywhere
        if q.multiply:
            total = multiplied(total, [x], backend)
        given = [backend.given(g, value) for (g,) in total]
        return given[0] if len(given) == 1 else given

    def _quantities(self, output: Any, host: QoI, qoi: QoI, n: int) -> list[Tensor]:
        """The quantities of what the model gave for n records, checked."""
        target, backend = self._question.target, self._question.wrapper.backend
        alone = self._as_it_is and backend.is_tensor(output)
        y = [output] if alone else selection.read(output, target, backend)
        shape = y[0].shape if len(y) == 1 and self._ready is not None else None
        if shape is None or shape != self._fits or shape[0] != n:
            selection.check_rows(y, target, n)
            host.validate([tuple(t.shape) for t in y])
            self._fits = shape
        return evaluate(qoi, y, n, backend)

    def _total(self, got: list[list[Tensor | None]], z: Sequence[Tensor]) -> Table:
        """What the statistic makes of the gradients at the one point."""
        backend = self._question.wrapper.backend
        rows = [
            [
                backend.xp.zeros_like(t) if g is None else backend.accumulator(g)
                for g, t in zip(gs, z, strict=True)
            ]
            for gs in got
        ]
        if self._mean:
            return rows
        return at_one_point(self._question, Gradients([], [], rows))


def _tapped(
    inputs: ModelInputs, at: Sequence[int], tapped: Sequence[Tensor], backend: Backend
) -> ModelInputs:
    """The inputs of a pass of its own, with some tensors in the place of others."""
    held = opaque.copied(inputs.leaves, backend)
    for i, value in enumerate(held):
        if i in at:
            held[i] = tapped[at.index(i)]
        elif backend.is_tensor(value):
            held[i] = backend.fresh(value)
    return inputs.as_taken(held, backend)

"""Calls of the plainest kind: the gradient of the output by the inputs, at the inputs themselves.

One pass of the model gives all there is to it. The first call of a kind goes the way of all
questions, and tells what there is to be told; those after it ask the model, and nothing besides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from trulens_core.backends import Backend, Gradients, Tap, Tensor
from trulens_core.distributions.points import LazyPoints
from trulens_core.influence.judging import judged
from trulens_core.influence.questions import Answer, Question, Request
from trulens_core.influence.repeats import Known, kind, options
from trulens_core.influence.statistics import Evaluated, multiplied
from trulens_core.influence.ways import Verdict
from trulens_core.inputs import ModelInputs, opaque
from trulens_core.passes import selection
from trulens_core.quantities import QoI, evaluate
from trulens_core.slices import OUTPUT, InputCut
from trulens_core.steps.quantity_data import with_tensors

_ONE = Evaluated(0, np.ones(1, "float32"))
_POINT = LazyPoints((1.0,), None)


def keep(question: Question, inputs: ModelInputs, request: Request, verdict: Verdict) -> None:
    """Keep that a question was answered for all records at once, if it is of this kind."""
    if _is_plain(question, request):
        key = kind(question, inputs, request)
        if key is not None and key not in question.repeats:
            # a copy of it, without what it keeps: the model goes when the last of its users lets go
            again = PlainCall(dataclasses.replace(question)).answer
            question.repeats.put(key, Known(again, options(question.qoi), verdict))


def _is_plain(q: Question, request: Request) -> bool:
    more = request.quantities or request.gradients or request.points or request.thins
    wrapper, statistic = q.wrapper, q.statistic
    return (
        q.doi.is_point
        and not more
        and wrapper.runs_whole()
        and not (wrapper.keeps_graph or wrapper.repeats() or wrapper.rows)
        and isinstance(q.source, InputCut)
        and q.source.accessor is None
        and q.target.name == OUTPUT
        and q.target.accessor is None
        and q.rules is None
        and q.contract is None
        and statistic.gradients
        and not (statistic.want or statistic.prepares or q.qoi.binds)
        and (q.doi.multiplier_is_standard or not q.multiply)
    )


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
        whole = question.target.batch_axis == 0 and question.target.rows_per_record is None
        self._as_it_is = whole

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

        def run(tap: Tap) -> list[Tensor]:
            output = wrapper.whole(_tapped(inputs, at, tap, backend))
            alone = self._as_it_is and backend.is_tensor(output)
            y = [output] if alone else selection.read(output, q.target, backend)
            selection.check_rows(y, q.target, n)
            host.validate([tuple(t.shape) for t in y])
            return evaluate(qoi, y, n, backend)

        got = backend.differentiate(run)
        if all([g is None for gs in got.gradients for g in gs]):
            return None
        rows = [
            [
                backend.xp.zeros_like(z) if g is None else backend.accumulator(g)
                for g, z in zip(gs, got.activations, strict=True)
            ]
            for gs in got.gradients
        ]
        running = q.statistic.start(backend, _POINT)
        running.add(Gradients([], [], rows), _ONE)
        total = running.finish().total
        not_finite, zero = judged(total, n, backend)
        if q.multiply:
            total = multiplied(total, [inputs.leaves[i].value for i in at], backend)
        request.advance(n)
        return Answer(total, not_finite=not_finite, zero=zero)


def _tapped(inputs: ModelInputs, at: Sequence[int], tap: Tap, backend: Backend) -> ModelInputs:
    """The inputs of a pass of its own, with some tensors tapped."""
    held = opaque.copied(inputs.leaves, backend)
    new = tap([held[i] for i in at])
    for i, value in enumerate(held):
        if i in at:
            held[i] = new[at.index(i)]
        elif backend.is_tensor(value):
            held[i] = backend.fresh(value)
    return inputs.as_taken(held, backend)

"""Plain calls at a cut inside the model: one pass with the tap there, and nothing besides."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.backends import Gradients, Tensor, Want
from trulens_core.distributions.points import LazyPoints
from trulens_core.influence.judging import judged
from trulens_core.influence.order import known_order
from trulens_core.influence.questions import Answer, Question, Request
from trulens_core.influence.statistics import Evaluated, Table, multiplied
from trulens_core.influence.ways import Verdict
from trulens_core.inputs import ModelInputs
from trulens_core.passes import selection
from trulens_core.steps.block import Block

_ONE = np.ones(1, "float32")
_POINT = LazyPoints((1.0,), None)


def at_one_point(question: Question, got: Gradients) -> Table:
    """What a question's statistic makes of gradients at the one point."""
    running = question.statistic.start(question.wrapper.backend, _POINT)
    running.add(got, Evaluated(0, _ONE))
    return running.finish().total


class InnerCall:
    """A plain question at an inner cut, asked again of inputs of one structure and shapes.

    The pass is that of all blocks, and checks what they check: that the cut is reached once, and
    is differentiable, rows, and the quantity. Left out is what was looked at before: how records
    are divided, and their order where it is known for such integers as these.

    Args:
        question: it.
        verdict: what is known of the model for inputs of this structure.
    """

    def __init__(self, question: Question, verdict: Verdict) -> None:
        self._question, self._verdict = question, verdict

    def answer(self, inputs: ModelInputs, request: Request) -> Answer | None:
        """The answer for all records; None where something has to be found out before."""
        q, n = self._question, inputs.n_records
        if not known_order(q, inputs, self._verdict):
            return None
        backend = q.wrapper.backend
        want: list[Want] = ["activations"] if q.multiply else []
        qoi = q.qoi.for_records(0, n, n)
        over = q.wrapper.over_blocks(inputs, wrt=q.source, of=q.target, qoi=qoi, want=want)
        got = over(Block(q.doi_cut, [], _ONE))
        total = at_one_point(q, got)
        not_finite, zero = judged(total, n, backend)
        if q.multiply:
            total = multiplied(total, [z[0] for z in got.activations], backend)
        request.advance(n)
        return Answer(total, not_finite=not_finite, zero=zero)

    def of_one(self, x: Tensor, value: Tensor) -> Any:
        """The attributions for one tensor, given as `value` and adopted as `x`, as they are given.

        None where there is something to be found out, or told of them.
        """
        found = self.answer(ModelInputs((x,)), Request())
        if found is None or found.zero or found.not_finite:
            return None
        cut, backend = self._question.source, self._question.wrapper.backend
        given = [
            [backend.given(selection.as_shown(g, cut, backend), value) for g in gs]
            for gs in found.attributions
        ]
        each = [gs[0] if len(gs) == 1 else gs for gs in given]
        return each[0] if len(each) == 1 else each

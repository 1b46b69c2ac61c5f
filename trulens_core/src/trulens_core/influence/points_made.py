"""Whether points are made where the model meets the value at the cut, with no pass before."""

from __future__ import annotations

from trulens_core.influence.division import Part
from trulens_core.influence.order import Turned, known_order
from trulens_core.influence.questions import Question, Request
from trulens_core.influence.ways import NARROW, Verdict
from trulens_core.inputs import ModelInputs
from trulens_core.slices import InputCut


def points_made(
    question: Question, request: Request, inputs: ModelInputs, part: Part, verdict: Verdict
) -> bool:
    """Whether the blocks of a group, of which the first makes its points, give all that is asked.

    Blocks that are to be looked at do: a point alone, which goes first, meets the value for the
    records by themselves.
    """
    q, n, way = question, len(question.doi.weights or ()), part.way
    more = q.qoi.binds or request.quantities or request.gradients or request.points
    ranges = part.ranges(n, inputs.n_records)
    no_graph = way == "full" or len(ranges) > 1 or q.doi.recipe is None
    same = way in NARROW or (way == "full" and not (verdict.random or verdict.writes))
    i, j = ranges[0] if ranges else (0, 1)
    new = way in NARROW or not verdict.proved(verdict.sort(way, inputs, q.wrapper.backend), j - i)
    return (
        (n > 1 and same)
        and not q.doi.asks  # inside a pass of the model it would be seen as part of it
        and not (more or q.wrapper.backend.traces)
        and not (q.statistic.want or q.statistic.prepares or q.contract or q.rules)
        and not isinstance(q.doi_cut, InputCut)
        and len(q.doi_cut.parts()) == 1
        and (q.source == q.doi_cut or not q.multiply)
        and not (q.wrapper.repeats() and no_graph)
        and (
            (new and not q.wrapper.repeats())
            or verdict.all_proved(way, inputs, [j - i for i, j in ranges], q.wrapper.backend)
        )
        and (known_order(q, inputs, verdict) or Turned.tells(q, way))
    )

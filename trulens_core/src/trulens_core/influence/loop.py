"""The one loop: points to blocks, blocks to gradients, gradients into a running sum.

    influence(g ∘ h, q, D)(x) = E over z ~ D(h(x)) of ∂q(g(z)) / ∂z

Groups of records are outside, here; blocks of points inside, in `record_group`. Nothing kept grows
with the number of points, unless single points' gradients are asked for.
"""

from __future__ import annotations

from trulens_core.influence import plain_calls
from trulens_core.influence.division import Division
from trulens_core.influence.forward_group import ForwardGroup
from trulens_core.influence.order import check_apart
from trulens_core.influence.program_group import ProgramGroup
from trulens_core.influence.questions import Answer, Question, Request
from trulens_core.influence.record_group import RecordGroup
from trulens_core.influence.repeats import known_answer
from trulens_core.influence.ways import Refused
from trulens_core.inputs import ModelInputs
from trulens_core.models import notes


def answers(question: Question, inputs: ModelInputs, request: Request) -> list[Answer]:
    """The answers for all records, a group at a time."""
    with question.wrapper.opened(inputs, question.doi_cut):
        known = known_answer(question, inputs, request)
        return _in_groups(question, inputs, request) if known is None else [known]


def _in_groups(question: Question, inputs: ModelInputs, request: Request) -> list[Answer]:
    division = Division(question, request, inputs)
    whole = plain_calls.first(division, request)
    if whole is not None:
        return [whole]
    wrapper = question.wrapper
    own = ProgramGroup if wrapper.backend.fuses and not wrapper.keeps_graph else RecordGroup
    group = own if question.statistic.gradients else ForwardGroup
    found: list[Answer] = []
    first, total = 0, inputs.n_records
    while first < total:
        part = division.part(first)
        run = group(question, request, inputs, part, division.verdict)
        try:
            found.append(run.answer() if division.settled(part) else _apart(run, division))
        except Refused:
            division.refuse(part)
            continue
        except Exception as error:
            if not division.goes_on(part, error):
                notes.add(error, inputs, question.wrapper)
                raise
            continue
        first = part.last
    division.verdict.settled = True
    if len(found) == 1:
        plain_calls.keep(question, inputs, request, division.verdict)
    return found


def _apart(run: RecordGroup, division: Division) -> Answer:
    """The answer of a group that leaves the model to the next one, or to another try, as it was."""
    q, inputs = division.question, division.inputs
    if run.part.size < inputs.n_records:
        check_apart(q, inputs, division.verdict)
    with q.wrapper.aside(inputs, q.doi_cut) as trace:
        answer = run.answer()
    division.verdict.writes |= trace.drew or trace.wrote
    return answer

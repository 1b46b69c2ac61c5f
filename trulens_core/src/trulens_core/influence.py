"""The one loop: points to blocks, blocks to gradients, gradients into a running sum.

    influence(g ∘ h, q, D)(x) = E over z ~ D(h(x)) of ∂q(g(z)) / ∂z

Groups of records are outside, here; blocks of points inside, in `trulens_core.groups`. Nothing
kept grows with the number of points, unless single points' gradients are asked for.
"""

from __future__ import annotations

import math

from trulens_core.errors import TrulensError
from trulens_core.groups import GroupRun
from trulens_core.inputs import ModelInputs
from trulens_core.layouts import BATCHED, SHARED
from trulens_core.questions import Answer, Question, Request

_ELEMENTS_PER_PASS = 2**21
_ROWS_PER_PASS = (8, 256)


def answers(question: Question, inputs: ModelInputs, request: Request) -> list[Answer]:
    """The answers for all records, a group at a time."""
    total = inputs.n_records
    rows = _rows_per_pass(inputs, request)
    size = _group_size(question, request, rows, total)
    found: list[Answer] = []
    first = 0
    while first < total:
        last = min(first + size, total)
        try:
            found.append(GroupRun(question, request, inputs, (first, last, size), rows).answer())
        except Exception as error:
            can_halve = request.rebatch_size == "auto" and rows > 1
            if not (can_halve and question.wrapper.backend.is_out_of_memory(error)):
                _note_shared(error, inputs)
                raise
            rows //= 2
            size = _group_size(question, request, rows, total)
            continue
        first = last
    return found


def _note_shared(error: Exception, inputs: ModelInputs) -> None:
    """Say with an error of the model's own, which knows sizes only, what was not repeated."""
    shared = [
        f"{x.name!r} of shape {tuple(x.value.shape)}"
        for x in inputs.leaves
        if x.role == SHARED and len(x.value.shape)
    ]
    if shared and not isinstance(error, TrulensError):
        error.add_note(
            f"the model was given {', '.join(shared)} as it is, for all points and records, since "
            f"an input has a row per record only if there are as many ({inputs.n_records}); "
            "batched= says otherwise"
        )


def _rows_per_pass(inputs: ModelInputs, request: Request) -> int:
    if isinstance(request.rebatch_size, int):
        return request.rebatch_size
    sizes: list[int] = [math.prod(x.value.shape[1:]) for x in inputs.leaves if x.role == BATCHED]
    few, many = _ROWS_PER_PASS
    chosen = max(few, min(many, _ELEMENTS_PER_PASS // max(1, *sizes, 1)))
    return max(chosen, inputs.n_records)


def _group_size(question: Question, request: Request, rows: int, total: int) -> int:
    """How many records a block holds.

    All of them unless the caller limits the rows, since his own functions may hold data of all;
    else as many as fit, or, where the backend prefers points, as many as make the fewest blocks.
    """
    if request.rebatch_size is None:
        return total
    if question.wrapper.backend.prefers == "points":
        points = getattr(question.doi, "resolution", 1)

        def cost(records: int) -> tuple[int, int, int]:
            """Blocks, rows with what pads them, groups."""
            groups, parts = -(-total // records), -(-points // (rows // records))
            padded = groups * records * parts * -(-points // parts)
            return groups * parts, padded, groups

        return min(range(1, min(total, rows) + 1), key=cost)
    return min(total, rows)

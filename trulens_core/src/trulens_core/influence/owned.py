"""What may be asked where records own a number of rows each."""

from __future__ import annotations

from trulens_core.errors import UnsupportedModelError
from trulens_core.influence.questions import Question


def check_rows(question: Question) -> None:
    """Raise where a question cannot be asked of records that own rows, as graphs own nodes."""
    if question.wrapper.rows is None:
        return
    if not question.statistic.gradients:
        raise UnsupportedModelError(
            "the model was wrapped with rows=, and methods that evaluate it for masks take one "
            "record a row; give one graph as one record, x[None], with a function that takes it"
        )
    if question.contract is not None:
        raise UnsupportedModelError(
            "the model was wrapped with rows=, and contract= adds up each record's own axes; sum "
            "the attributions themselves"
        )

"""Calls like one before: what was found out then, by what shows that it still holds.

A question that is asked again of inputs of the same kind is divided in the same way and answered by
the same program. What is kept of it is no number, only the program's key; the model's weights, the
quantity's arrays and the points are those of the call.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from trulens_core.backends import Backend
from trulens_core.influence.questions import Answer, Question, Request
from trulens_core.influence.ways import Verdict
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import STATIC
from trulens_core.quantities import QoI
from trulens_core.value_keys import by_value

_PLAIN = frozenset({type(None), bool, int, float, str})
"""Types of options that do not change without becoming other objects."""


class SameKey:
    """A key that is hashed once, and compared by identity first."""

    def __init__(self, key: Hashable) -> None:
        self._key, self._hash = key, hash(key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameKey) and (self is other or self._key == other._key)


class Known(NamedTuple):
    """What was found out about a question for inputs of a kind.

    Attributes:
        answered: answers it by the program, given all inputs.
        quantity: the options of the quantity that the program was built with.
        verdict: of the way of its blocks.
    """

    answered: Callable[[ModelInputs, Request], Answer | None]
    quantity: Sequence[Any]
    verdict: Verdict

    def holds(self, qoi: QoI) -> bool:
        """Whether it still holds of the quantity, and of how records are divided."""
        if self.verdict.mixes or self.verdict.reorders:
            return False
        now, then = options(qoi), self.quantity
        return len(now) == len(then) and all(map(operator.is_, now, then))


def options(qoi: QoI) -> list[Any]:
    """Everything that a quantity's key is made of, and its arrays; by identity."""
    held = qoi.__dict__
    return [qoi.__class__, *held, *held.values()]


def is_plain(qoi: QoI) -> bool:
    """Whether a quantity's options show by their identity that they are as they were.

    Numbers in its arrays may change in place: they are data.
    """
    return all(k in qoi.arrays or _unchanging(v) for k, v in vars(qoi).items())


def _unchanging(value: Any) -> bool:
    members = value if type(value) is tuple else (value,)
    return all(type(v) in _PLAIN for v in members)


def kind(question: Question, inputs: ModelInputs, request: Request) -> Hashable:
    """Equal for calls that differ in tensors' numbers alone; None where that cannot be told."""
    leaves, structure = inputs.leaves, inputs.structure
    shapes: list[tuple[Any, ...]] = []
    for role, value in [(x.role, x.value) for x in leaves]:
        if role != STATIC:
            shapes.append((role, value.shape, value.dtype))
        elif type(value) in _PLAIN:
            shapes.append((role, by_value(value)))
        else:
            return None
    parts = tuple([p.key for p in structure.parts])
    revision = question.wrapper.revision()
    return structure.names, parts, tuple(shapes), structure.axes, request.rebatch_size, revision


def known_answer(question: Question, inputs: ModelInputs, request: Request) -> Answer | None:
    """The answer as it was computed for such inputs before; None where it was not, or it fails.

    It is then computed as if it were the first time, which tells what there is to be told.
    """
    if request.more or not len(question.repeats):
        return None
    key = kind(question, inputs, request)
    if key is None or key not in question.repeats:
        return None
    known: Known | None = question.repeats.get(key, lambda: None)
    if known is None or not known.holds(question.qoi):
        return None
    try:
        return known.answered(inputs, request)
    except Exception:  # noqa: BLE001 - it comes again, where it is told
        return None


def may_repeat(question: Question, inputs: ModelInputs, backend: Backend) -> bool:
    """Whether a question may be answered by what was found out before.

    Its cuts have no accessor, its quantity shows what changes, all arguments are tensors, and no
    integers among them decide how a model orders its records.
    """
    q = question
    accessors = any(p.accessor for c in (q.source, q.target, q.doi_cut) for p in c.parts())
    floats = all(x.role != STATIC and backend.is_floating(x.value) for x in inputs.leaves)
    return not accessors and floats and is_plain(q.qoi)

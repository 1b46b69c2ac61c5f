"""A result computed again, and whether it is the same."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from trulens_core.influence.mixtures import answered
from trulens_core.influence.questions import Question, Request
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.quantities import as_qoi
from trulens_core.results import fingerprints
from trulens_core.results.comparison import largest_change, rounding
from trulens_core.results.fields import ResultFields
from trulens_core.results.from_answers import Assembly
from trulens_core.results.plain import OwnCodeError, made

_COMPARED = ("attributions", "quantity", "baseline_quantity", "standard_error")


class Replay(NamedTuple):
    """A result computed again.

    Attributes:
        same: whether the numbers are those of before, to rounding.
        exact: whether they are to the bit.
        change: the largest relative change of a record.
        differs: what else is not as it was, each in words: weights, inputs, versions.
        result: what was computed now, an `AttributionResult`.

    Example:
        >>> Replay(True, True, 0.0, (), {}).same
        True
    """

    same: bool
    exact: bool
    change: float
    differs: tuple[str, ...]
    result: Any

    def __bool__(self) -> bool:
        return self.same

    def __repr__(self) -> str:
        said = "to the bit" if self.exact else f"to {self.change:.2g}"
        head = f"the same {said}" if self.same else f"not the same: a change of {self.change:.2g}"
        return "; ".join([f"Replay({head}", *self.differs]) + ")"


def replayed(result: ResultFields, model: Any, x: Any, qoi: Any, doi: Any) -> Replay:
    """What `AttributionResult.replay` does."""
    if not result.method:
        raise ValueError("the result does not know its method; explain() gives those that do")
    wrapper = model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
    given = _inputs(result, x)
    question = _question(result, wrapper, qoi, doi)
    with wrapper.backend.outside():
        inputs, kind = wrapper.prepared(given)
        size = result.method.get("rebatch_size")
        request = Request(rebatch_size=size, quantities=True)
        found = answered(question, inputs, request)
        new = Assembly(question, inputs, kind, found).fields()
    changes = [
        largest_change(new[name], getattr(result, name))
        for name in _COMPARED
        if getattr(result, name) is not None
    ]
    change = max(changes)
    same = change <= rounding(result.attributions)
    return Replay(same, change <= 0.0, change, tuple(_differences(result, wrapper, given)), new)


def _inputs(result: ResultFields, x: Any) -> ModelInputs:
    if x is not None:
        return ModelInputs.of_call((x,), {})
    if not isinstance(result.inputs, ModelInputs):
        raise ValueError("the result was kept without its inputs; give them as x=")
    return result.inputs


def _question(result: ResultFields, wrapper: ModelWrapper, qoi: Any, doi: Any) -> Question:
    assert result.method is not None
    given = {"qoi": None if qoi is None else as_qoi(qoi), "doi": doi}
    parts: dict[str, Any] = {}
    data = result.method["question"]
    for field in dataclasses.fields(Question):
        name = field.name
        if given.get(name) is not None:
            parts[name] = given[name]
        elif name in data:
            try:
                parts[name] = made(data[name], result.method_arrays)
            except OwnCodeError as error:
                raise ValueError(_code(name, str(error))) from error
    for name in ("source", "target", "doi_cut"):
        wrapper.place(parts[name])
    return Question(wrapper, **parts)


def _code(name: str, what: str) -> str:
    hint = f"give it as {name}=" if name in ("qoi", "doi") else "make the method anew instead"
    return f"the {name} of this result is code of its author's own, {what}, and not kept; {hint}"


def _differences(result: ResultFields, wrapper: ModelWrapper, given: ModelInputs) -> list[str]:
    """What is not as it was when the result was made or saved."""
    prints = result.fingerprints or {}
    found = weights_changed(prints.get("weights"), fingerprints.of_weights(wrapper))
    inputs = prints.get("inputs")
    if inputs is not None and fingerprints.of_inputs(given) != inputs:
        found.append("the inputs are others")
    assert result.method is not None
    then, now = result.method.get("versions") or {}, fingerprints.versions()
    for name, old in then.items():
        new = now.get(name)
        if new is not None and new != old:
            found.append(f"{name} was {old} and is {new}")
    return found


def weights_changed(old: Any, new: Any) -> list[str]:
    """Which weights differ, in words; nothing where one of the two is not known."""
    if not old or not new:
        return []
    if set(old.values()) == set(new.values()) and len(old) == len(new):
        return []
    changed = [name for name in old if new.get(name) != old[name]]
    shown = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    return [f"{len(changed)} of {len(old)} weights are others: {shown}"]

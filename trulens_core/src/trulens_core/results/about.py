"""What a result is told of itself: its inputs, the method as data and in words, names."""

from __future__ import annotations

import dataclasses
from typing import Any

from trulens_core.influence.questions import Question
from trulens_core.inputs import ModelInputs
from trulens_core.results import fingerprints
from trulens_core.results.plain import plain, worded
from trulens_core.slices import Cut, InputCut


def about(
    name: str, question: Question, given: ModelInputs, prepared: ModelInputs, rebatch_size: Any
) -> dict[str, Any]:
    """The fields of an `AttributionResult` that say what it is; nothing of the model is kept.

    Args:
        name: of the method.
        question: what was asked.
        given: the inputs as the caller gave them, which are held by reference.
        prepared: the same as the model takes them.
        rebatch_size: of the method.
    """
    arrays: list[Any] = []
    parts = {
        field.name: plain(getattr(question, field.name), arrays)
        for field in dataclasses.fields(question)
        if field.name != "wrapper"
    }
    wrapper = question.wrapper
    kind = type(wrapper.model)
    method = {
        "name": name,
        "text": in_words(name, parts),
        "model": f"{kind.__module__}.{kind.__qualname__}",
        "backend": wrapper.backend.name,
        "channel_axis": wrapper.channel_axis(question.source),
        "rebatch_size": rebatch_size,
        "versions": fingerprints.versions(),
        "question": parts,
    }
    return {
        "inputs": given,
        "names": {
            **_columns(question, given, prepared),
            **_names(question, prepared),
            **_rows(question, prepared),
        }
        or None,
        "qoi": worded(parts["qoi"]),
        "method": method,
        "method_arrays": tuple(arrays),
    }


def in_words(name: str, parts: dict[str, Any]) -> str:
    """A method with its parts, which are plain data, in words."""
    words = [f"from {_place(parts['source'])} to {_place(parts['target'])}"]
    words += [f"{k}={worded(parts[k])}" for k in ("qoi", "doi", "statistic")]
    return f"{name}: {', '.join(words)}"


def _place(cut: Any) -> str:
    name = cut.get("state", {}).get("name")
    if isinstance(name, str) and name.startswith("<"):
        return f"the {name.strip('<>')}"
    return worded(name)


def _columns(question: Question, given: ModelInputs, prepared: ModelInputs) -> dict[str, list[str]]:
    """The names of the features of a DataFrame, where it alone is explained."""
    cut, wrapper = question.source, question.wrapper
    if not isinstance(cut, InputCut):
        return {}
    at = prepared.at(cut, wrapper.backend, wrapper.parameters)
    values = dict[Any, Any]([*enumerate(given.args), *given.kwargs.items()])
    alone = values.get(prepared.leaves[at[0]].name) if len(at) == 1 else None
    columns = getattr(alone, "columns", None)
    if columns is None:
        return {}
    return {"features": [str(c) for c in columns]}


def _rows(question: Question, prepared: ModelInputs) -> dict[str, list[int]]:
    """The record of each row that is explained, where records own a number of them."""
    owners = question.wrapper.owners(prepared)
    if owners is None:
        return {}
    n, cut = len(owners.rows), question.source
    if isinstance(cut, InputCut):
        at = prepared.at(cut, question.wrapper.backend, question.wrapper.parameters)
        n = int(prepared.leaves[at[0]].value.shape[0])
    return {"rows": owners.of_places(n).tolist()}


def _names(question: Question, prepared: ModelInputs) -> dict[str, list[str]]:
    """The arguments' names where several are explained, as far as they are known."""
    cut = question.source
    if not isinstance(cut, InputCut):
        several = cut.parts()
        each = [n for part in several for n in _names_at(part, question, prepared)]
        return {"inputs": each} if len(several) > 1 else {}
    shown = _names_at(cut, question, prepared)
    return {"inputs": shown} if len(shown) > 1 and len(set(shown)) == len(shown) else {}


def _names_at(cut: Cut, question: Question, prepared: ModelInputs) -> list[str]:
    """The names of the tensors at a cut of one place."""
    wrapper = question.wrapper
    if not isinstance(cut, InputCut):
        return [str(cut.name) if cut.call is None else f"{cut.name}, call {cut.call}"]
    at = prepared.at(cut, wrapper.backend, wrapper.parameters)
    names = [prepared.leaves[i].name for i in at]
    known = wrapper.parameters
    return [known[n] if isinstance(n, int) and n < len(known) else str(n) for n in names]

"""What a call says, once, of its inputs and results: warnings, not errors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.errors import TrulensWarning
from trulens_core.influence.questions import Answer, Question
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED, Name
from trulens_core.models.conversion import CallerKind
from trulens_core.slices import InputCut

_CALLER = 5
"""The frames from a warning to the caller of `attributions` or `explain`."""

_BITS = 2.0**-5
"""How far numbers are off, relative to a record's largest, that a type does not hold."""


def of_integers(question: Question, inputs: ModelInputs) -> None:
    """Name the positional integers that would be explained if they were floats.

    Nothing is said where the cut chooses among the inputs or is inside the model, nor of keyword
    arguments, which beside embeddings or pixels are masks and lengths as a rule.
    """
    cut, wrapper = question.source, question.wrapper
    if not isinstance(cut, InputCut) or cut.names is not None or cut.accessor is not None:
        return
    if wrapper.rows is not None:
        return  # they say whose the rows are
    explained = inputs.at(cut, wrapper.backend, wrapper.parameters)
    xp, leaves = wrapper.backend.xp, inputs.leaves
    if not explained or isinstance(leaves[explained[0]].name, str):
        return  # without any there is an error, elsewhere
    left_out = [
        f"{x.name!r} ({x.value.dtype})"
        for i, x in enumerate(leaves)
        if i not in explained
        and x.role == BATCHED
        and isinstance(x.name, int)
        and xp.isdtype(x.value.dtype, "integral")
    ]
    if left_out:
        warnings.warn(
            f"there is no gradient at integers, so that these inputs are left out of the "
            f"explanation: {', '.join(left_out)}. Give numbers as floats, with .float() or "
            ".astype; where they are ids or lengths, say what is explained, with "
            f"{_choice(leaves[explained[0]].name, wrapper.parameters)}",
            TrulensWarning,
            stacklevel=_CALLER,
        )


def _choice(name: Name, parameters: Sequence[str]) -> str:
    """The cut that holds one positional argument."""
    if not isinstance(name, int) or name >= len(parameters):
        return f"InputCut(accessor=lambda inputs: inputs.args[{name}])"
    return f"InputCut(names=[{parameters[name]!r}])"


def of_gradients(question: Question, found: Sequence[Answer]) -> None:
    """Say of gradients that explain nothing: not finite for some records, or all of them zero."""
    records, first = [], 0
    for a in found:
        records += [first + i for i in a.not_finite]
        first += int(a.attributions[0][0].shape[0])
    shown = ", ".join(map(str, records[:10])) + (", …" if len(records) > 10 else "")
    if records and not question.statistic.gradients:
        warnings.warn(
            f"the quantities with segments removed are not finite for the records {shown}; neither "
            "are the attributions. Where NaN stands for what is missing the model must take it",
            TrulensWarning,
            stacklevel=_CALLER,
        )
    elif records:
        warnings.warn(
            f"the gradients at {question.source} are not finite for the records {shown}; neither "
            "are the attributions there. Look for a division by zero, a root or a logarithm at 0, "
            "or float16 overflow",
            TrulensWarning,
            stacklevel=_CALLER,
        )
    elif all(a.zero for a in found):
        warnings.warn(
            f"the gradients at {question.source} are zero everywhere, for all records, and so are "
            "the attributions. The usual causes are a saturated softmax or sigmoid (explain the "
            "scores before it: qoi_cut=LogitCut(), logit_layer=), float16 underflow (explain in "
            "float32), and units that are all off (ReLU)",
            TrulensWarning,
            stacklevel=_CALLER,
        )


def of_type(question: Question, found: Sequence[Answer], kind: CallerKind) -> None:
    """Say where the type of the inputs, float16, does not hold the attributions."""
    backend, like = question.wrapper.backend, kind.like
    if question.wrapper.keeps_graph and backend.traces:
        return  # there may be no numbers yet
    dtype = kind.dtype
    if like is not None:
        dtype = backend.to_numpy(backend.xp.reshape(like, (-1,))[:0]).dtype
    if dtype != np.float16:
        return
    tensors = [t for a in found for ts in a.attributions for t in ts if backend.is_floating(t)]
    if any(_is_lost(backend.to_numpy(t)) for t in tensors):
        warnings.warn(
            "attributions of some records are too small or too large for float16, the type of the "
            "inputs, which they are given in; explain a float32 copy of the model (on PyTorch, "
            "model.float())",
            TrulensWarning,
            stacklevel=_CALLER,
        )


def _is_lost(a: np.ndarray[Any, Any]) -> bool:
    """Whether float16 holds the numbers of a record to a few bits only, or not at all."""
    a = np.where(np.isfinite(a), a, 0).reshape(len(a), -1).astype("float64")
    with np.errstate(over="ignore"):
        off = np.abs(a.astype("float16") - a).max(1, initial=0)
    return bool((off > _BITS * np.abs(a).max(1, initial=0)).any())


def of_tolerance(question: Question, found: Sequence[Answer]) -> None:
    """Say how many records do not meet a stated error with the points that they may have."""
    met = [a.converged for a in found if a.converged is not None]
    open_ = sum(int((~converged).sum()) for converged in met)
    if question.tolerance is not None and open_:
        warnings.warn(
            f"{open_} of {sum(map(len, met))} records do not meet tolerance="
            f"{question.tolerance.error} {question.tolerance.limit}, or look at their residual "
            "and baseline",
            TrulensWarning,
            stacklevel=_CALLER,
        )

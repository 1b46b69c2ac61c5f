"""Scores before the softmax: which layers have one, and the cut that shows what goes into it."""

from __future__ import annotations

import warnings
from typing import Any

from trulens_core.errors import CutError, TrulensWarning
from trulens_core.slices import Cut
from trulens_keras.operations import ACTIVATION, Operations

_SATURATING = ("softmax", "sigmoid")


def activation(operation: Any) -> Any:
    """The activation function that a layer has as an attribute of its own; None without one."""
    return vars(operation).get("activation")


def activation_name(operation: Any) -> str | None:
    """What a layer does at its end: "softmax", "sigmoid", "linear", …; None where it is not known.

    Layers that are nothing but a softmax or sigmoid count, too.
    """
    kind = type(operation).__name__.lower()
    if kind in _SATURATING:
        return kind
    function = activation(operation)
    return getattr(function, "__name__", None) if function is not None else None


def scores_cut(operations: Operations, layer: Any) -> Cut:
    """The cut that holds a layer's values before its softmax or sigmoid; else its output."""
    name = operations.find(layer)
    operation = operations.by_name[name]
    if activation_name(operation) not in _SATURATING:
        return Cut(name)
    if activation(operation) is None:
        return Cut(name, anchor="in")
    return Cut(name + ACTIVATION, anchor="in")


def replaceable(operations: Operations, layer: Any) -> str:
    """The name of a layer whose activation can be left out.

    Raises:
        CutError: for a layer without one.
    """
    name = operations.find(layer)
    operation = operations.by_name[name]
    found = activation_name(operation)
    if found is None and activation(operation) is None:
        raise CutError(
            f"replace_softmax: the layer {name!r} ({type(operation).__name__}) has no activation "
            "to replace; say which layer has the softmax with softmax_layer="
        )
    if found not in _SATURATING:
        warnings.warn(
            f"replace_softmax: the activation of layer {name!r} is {found}, neither a softmax nor "
            "a sigmoid; it is left out all the same",
            TrulensWarning,
            stacklevel=4,
        )
    return name


HINT = (
    "the target is the output of a softmax, where gradients vanish for classes that the model is "
    "sure of; give get_model_wrapper(model, logit_layer={name!r}) and LogitCut() as target, or "
    "replace_softmax=True"
)

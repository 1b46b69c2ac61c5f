"""Scores before the softmax: which layers have one, and the cut that shows what goes into it.

Whether a function gives probabilities is found out by evaluating it on a few numbers: its name
tells nothing (`tf.nn.softmax` is called softmax_v2, and a lambda has no name at all).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from trulens_core.errors import CutError, TrulensWarning
from trulens_core.passes.scores import sums_to_one
from trulens_core.slices import Cut
from trulens_keras.operations import ACTIVATION, Known, Operations, activation

Array = np.ndarray[Any, Any]
Kind = Literal["softmax", "sigmoid", "other", "unknown"]
"""What a function does; logarithms of probabilities count as probabilities."""

_SHAPES = ((2, 3), (2, 3, 3), (2, 3, 3, 3))


class Squashing:
    """Which operations of a model end in a softmax or sigmoid.

    Args:
        operations: of the model.
        evaluate: a function of the framework's tensors at an array, as an array; nothing of the
            model is changed by it.
    """

    def __init__(
        self, operations: Operations, evaluate: Callable[[Callable[..., Any], Array], Array]
    ) -> None:
        self._operations, self._evaluate = operations, evaluate
        self._known: dict[int, tuple[Any, Kind]] = {}

    def softmaxes(self) -> frozenset[str]:
        """The names of the layers whose own activation, or all that they are, is a softmax."""
        return frozenset(
            name
            for name, operation in self._operations.by_name.items()
            if (activation(operation) is not None or type(operation).__name__ == "Softmax")
            and self._of_layer(operation) == "softmax"
        )

    def scores_cut(self, layer: Any) -> Cut:
        """The cut that holds a layer's values before its softmax or sigmoid; else its output.

        Raises:
            CutError: for a layer whose activation cannot be told.
        """
        given = self._operations.find(layer)
        name, operation = self._last(given)
        kind = self._of_layer(operation)
        if kind == "unknown":
            raise CutError(
                f"LogitCut: whether the activation of the layer {name!r} gives probabilities "
                "cannot be told, since it does not take arrays of other sizes; give it a layer of "
                "its own, and name the layer before it with logit_layer="
            )
        if kind == "other":
            return Cut(Known(given))
        place = name if activation(operation) is None else name + ACTIVATION
        return Cut(Known(place), anchor="in")

    def replaceable(self, layer: Any) -> str:
        """The name of a layer whose activation can be left out; -1 is what gives the output.

        Raises:
            CutError: for a layer without one.
        """
        given = self._operations.output if type(layer) is int and layer == -1 else None
        name, operation = self._last(self._operations.find(layer if given is None else given))
        kind, function = self._of_layer(operation), activation(operation)
        if kind in ("softmax", "sigmoid"):
            return name
        if function is None:
            raise CutError(
                f"replace_softmax: the layer {name!r} ({type(operation).__name__}) has no "
                "activation to replace; say which layer has the softmax with softmax_layer="
            )
        warnings.warn(
            f"replace_softmax: the activation of layer {name!r} is "
            f"{getattr(function, '__name__', function)}, neither a softmax nor a sigmoid; it is "
            "left out all the same",
            TrulensWarning,
            stacklevel=4,
        )
        return name

    def _last(self, name: str) -> tuple[str, Any]:
        """The layer that ends a nested model, as far as its structure tells; else the layer."""
        last = self._operations.last(name)
        return (name, self._operations.by_name[name]) if last is None else self._last(last)

    def _of_layer(self, operation: Any) -> Kind:
        function = activation(operation)
        if function is None:
            if getattr(operation, "variables", ()) or self._operations.has_parts(operation):
                return "other"  # more than a function of its argument
            found = self._kind(operation)
            return "other" if found == "unknown" else found
        return self._kind(function)

    def _kind(self, function: Any) -> Kind:
        if id(function) not in self._known:
            self._known[id(function)] = function, self._found(getattr(function, "call", function))
        return self._known[id(function)][1]

    def _found(self, function: Callable[..., Any]) -> Kind:
        for shape in _SHAPES:
            z = 4 * np.sin(1.0 + np.arange(np.prod(shape))).reshape(shape)
            try:
                there, opposite = (np.asarray(self._evaluate(function, x)) for x in (z, -z))
            except Exception:  # noqa: BLE001 - whatever it is, this shape is not for it
                continue
            return _kind(there, opposite) if there.shape == shape else "other"
        return "unknown"


def _kind(there: Array, opposite: Array) -> Kind:
    """What a function is that has these values at z and at -z."""
    if sums_to_one(there) and sums_to_one(opposite):
        return "softmax"
    for p, q in ((there, opposite), (np.exp(there), np.exp(opposite))):
        if p.min() >= 0 and p.max() <= 1 and np.allclose(p + q, 1, atol=1e-5):
            return "sigmoid"
    return "other"


HINT = (
    "the target is the output of a softmax, where gradients vanish for classes that the model is "
    "sure of; give get_model_wrapper(model, logit_layer={name!r}) and LogitCut() as target, or "
    "replace_softmax=True"
)

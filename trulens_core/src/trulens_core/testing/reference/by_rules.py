"""Operations of reference models by rules of the backward pass, each of them written out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trulens_core.backends import Tap
from trulens_core.rules import Applied, Operation
from trulens_core.slices import Cut
from trulens_core.testing.reference import layers
from trulens_core.testing.reference import namespace as xp
from trulens_core.testing.reference.tensors import Tensor, leaf

_KINDS = {
    "relu": "relu",
    "tanh": "pointwise",
    "gelu": "pointwise",
    "batch_norm": "affine",
    "max_pool": "max_pool",
    "avg_pool": "avg_pool",
    "sum": "add",
    "add": "add",
    "multiply": "multiply",
    "softmax": "softmax",
}
_WEIGHTED = {"dense": "linear", "conv": "conv"}
_LINEAR = {"flatten", "embedding", "concat", "mean", "image_mean", "masked_mean", "swap", "first"}
_MOVES = {"flatten", "swap", "select", "permute"}


class ByRules:
    """Runs the operations of one evaluation by rules.

    What depends on the source is what the tape was told to track.

    Args:
        rules: those of the evaluation.
    """

    def __init__(self, rules: Applied) -> None:
        self._rules = rules
        self._layer = ""
        self._sources: list[Tensor] = []

    def taps(self, taps: Mapping[Cut, Tap]) -> dict[Cut, Tap]:
        """The taps, whose tensors are known from then on."""
        return {cut: functools.partial(self._tapped, tap) for cut, tap in taps.items()}

    def _tapped(self, tap: Tap, z: list[Tensor]) -> list[Tensor]:
        found = tap(z)
        # what is only looked at is tracked too, so that its operations are seen
        found = [t if t.depth and not self._rules.recording else leaf(t) for t in found]
        self._sources += found
        return found

    def __call__(
        self, layer: str, kind: str, function: Callable[..., Any], operands: list[Any]
    ) -> Any:
        """What an operation gives."""
        self._layer = layer
        tensors = [t for t in operands if isinstance(t, Tensor)]
        parts = [t for held in operands if isinstance(held, tuple) for t in held]
        if not any(t.depth for t in (*tensors, *parts)):
            return function(*operands)
        if kind in _LINEAR:
            return self._linear(kind, function, *operands)
        if kind in _WEIGHTED:
            return self._weighted(kind, *operands)
        written: dict[str, Callable[..., Any]] = {
            "layer_norm": self._layer_norm,
            "rnn": self._rnn,
            "attend": self._attend,
        }
        if kind in written:
            return written[kind](*operands)
        constants = operands[len(tensors) :]
        return self._apply(
            _KINDS.get(kind, "unknown"), lambda *ts: function(*ts, *constants), tensors, name=kind
        )

    def _is_source(self, t: Tensor) -> bool:
        return any(t is s for s in self._sources)

    def _apply(
        self, kind: str, function: Callable[..., Tensor], operands: Sequence[Tensor], **options: Any
    ) -> Tensor:
        active = [i for i, t in enumerate(operands) if t.depth]
        if kind in ("add", "multiply") and len(active) == 1:
            kind = "affine" if kind == "add" else "structural"
        first = any(self._is_source(operands[i]) for i in active)
        name = options.pop("name", kind)
        parts = kind, function, operands, active, self._rules.backend
        op = Operation(*parts, name=name, layer=self._layer, first=first, **options)
        found: Tensor = self._rules.apply(op)
        return found

    def _weighted(self, kind: str, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
        def function(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            found: Tensor = layers.LAYERS[kind](x, {"weight": weight, "bias": bias})
            return found

        parts = [x, w["weight"], w["bias"]]
        return self._apply(_WEIGHTED[kind], function, parts, weight=1, bias=2, name=kind)

    # -- written out -------------------------------------------------------------------------

    def _linear(self, name: str, function: Callable[..., Any], *operands: Any) -> Any:
        found, source = function(*operands), any(map(self._is_source, operands))
        if source and name in _MOVES:
            self._sources.append(found)
        self._rules.seen("structural", name, self._layer, first=source and name not in _MOVES)
        given = [i for i, t in enumerate(operands) if isinstance(t, Tensor) and t.depth]
        if len(given) == 1 and isinstance(found, Tensor):
            (i,) = given
            self._rules.moved(
                operands[i], found, lambda t: function(*operands[:i], t, *operands[i + 1 :])
            )
        return found

    def _layer_norm(self, x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
        def mean(t: Tensor) -> Tensor:
            return xp.mean(t, axis=-1, keepdims=True)

        centred = self._apply("add", lambda a, b: a - b, [x, self._linear("mean", mean, x)])
        squares = self._apply("pointwise", lambda t: t * t, [centred])
        variance = self._linear("mean", mean, squares)
        scale = self._apply("rsqrt", lambda t: 1.0 / xp.sqrt(t + 1e-5), [variance])
        y = self._apply("multiply", lambda a, b: a * b, [centred, scale])
        y = self._apply("multiply", lambda a, b: a * b, [y, w["weight"]])
        return self._apply("add", lambda a, b: a + b, [y, w["bias"]])

    def _rnn(self, x: Tensor, w: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        states: list[Tensor] = []
        nothing = xp.zeros_like(w["bias"])
        for t in range(x.shape[1]):
            entered = self._linear("select", lambda x, t=t: x[:, t], x)
            z = self._weighted("dense", entered, {"weight": w["weight"], "bias": w["bias"]})
            if states:
                of = {"weight": w["recurrent"], "bias": nothing}
                z = self._apply(
                    "add", lambda a, b: a + b, [z, self._weighted("dense", states[-1], of)]
                )
            states.append(self._apply("pointwise", xp.tanh, [z]))
        self._rules.seen("structural", "stack", self._layer)
        return xp.stack(states, axis=1), states[-1]

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        turned = self._linear("permute", lambda t: xp.permute_dims(t, (0, 2, 1)), k)
        product = self._apply("matmul", lambda a, b: a @ b, [q, turned])
        scaled = self._linear("scale", lambda t: t / math.sqrt(q.shape[-1]), product)
        weights = self._apply("softmax", lambda t: layers.softmax(t, axis=-1), [scaled])
        return self._apply("matmul", lambda a, b: a @ b, [weights, v])

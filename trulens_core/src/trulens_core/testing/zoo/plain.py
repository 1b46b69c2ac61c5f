"""Models of the zoo in NumPy, record by record, with difference quotients: the kit's own oracle.

Nothing here is cut, repeated, batched or differentiated by the library.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trulens_core.testing.zoo.architecture import Architecture, Array
from trulens_core.testing.zoo.functions import layers, operations

Place = tuple[str, int]
"""A layer, by its path, and which of its calls."""
_erf = np.vectorize(math.erf, otypes=["float64"])
_STEP = 1e-4


class Plain:
    """A model, as it is at evaluation.

    Args:
        architecture: of the model.

    Attributes:
        given: the operands, and those by keyword, of every call of the last evaluation.
        found: what it gave.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self._weights = architecture.weights()
        self._kinds = layers(np, _erf)
        self._operations = operations(np)
        self.given: dict[Place, tuple[list[Any], dict[str, Any]]] = {}
        self.found: dict[Place, Any] = {}

    def __call__(
        self,
        args: Sequence[Array],
        kwargs: Mapping[str, Array],
        put: Mapping[Place, Array] | None = None,
    ) -> Any:
        """The output, with the values at some calls, or their first members, put in."""
        self.given, self.found = {}, {}
        self._calls, self._put = Counter[str](), put or {}
        return self._evaluate(self.architecture, "", args, kwargs)

    def _evaluate(
        self, a: Architecture, prefix: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        def call(name: str, operands: list[Any], **keywords: Any) -> Any:
            if name not in a.layers:
                return self._operations[name](*operands)
            path, (kind, *sizes) = prefix + name, a.layers[name]
            place = path, self._calls[path]
            self._calls[path] += 1
            self.given[place] = operands, keywords
            if kind == "block":
                value = self._evaluate(sizes[0], f"{path}.", operands, keywords)
            else:
                own = [w for n, w in self._weights.items() if n.rpartition(".")[0] == path]
                value = self._kinds[kind](*own, *operands)
            if place in self._put:
                new = self._put[place]
                value = (new, *value[1:]) if isinstance(value, tuple) else new
            self.found[place] = value
            return value

        return a.run(args, kwargs, call)

    def gradients(self, function: Callable[[Array, int], float], points: Array) -> Array:
        """The gradient of `function(value, record)` at values of k points, (k, records, …)."""
        found = np.zeros(points.shape)
        for p, row in enumerate(points):
            for r, value in enumerate(row):
                found[p, r] = _gradient(lambda z, r=r: function(z, r), value)  # type: ignore[misc]
        return found


def _gradient(function: Callable[[Array], float], value: Array) -> Array:
    """By differences of the fourth order."""
    found = np.zeros(value.shape)
    for place in np.ndindex(*value.shape):

        def at(steps: int, place: tuple[int, ...] = place) -> float:
            moved = value.copy()
            moved[place] += steps * _STEP
            return function(moved)

        found[place] = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * _STEP)
    return found

"""A step that gives the values at a cut and no gradients: for methods that only look."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.backends import BlockStep, Gradients, StepArguments
from trulens_core.passes import CutModel, selection
from trulens_core.steps.keys import PassKey


class ForwardStep:
    """The values at the target cut of a key, for blocks of points.

    No quantity is part of it, so that one step serves all, the caller's own among them.
    """

    def __init__(self, model: CutModel, key: PassKey) -> None:
        self._model, self._key = model, key
        self._block: BlockStep = model.backend.blockwise(self._values, frozenset())

    def run(self, arguments: StepArguments, weights: np.ndarray[Any, Any]) -> Gradients:
        """Evaluate a block: the values, (k, b, …), stand where activations do."""
        return self._block(arguments, weights)

    def _values(self, a: StepArguments) -> Gradients:
        model, key = self._model, self._key
        inputs, replace = key.given(model, a)
        with model.using(a.state):
            found = model.values(inputs, replace=replace, tap={}, want=key.of.parts())
        y = [t for tensors in found for t in tensors]
        rows = inputs.rows_at_cut
        selection.check_rows(y, key.of, rows)
        if rows is None:
            y = [model.backend.same_rows(t, inputs.first, key.of) for t in y]
        return Gradients([], y, [])

"""A step that is compiled whole: the gradients of the library's own quantities over a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.backends import (
    BlockStep,
    Gradients,
    StepArguments,
    Tap,
    Tensor,
    static_shape,
)
from trulens_core.passes import CutModel, selection
from trulens_core.quantities.base import QoI
from trulens_core.quantities.evaluation import evaluate
from trulens_core.rules import RuleSet
from trulens_core.steps.keys import StepKey
from trulens_core.steps.quantity_data import with_data
from trulens_core.steps.target import ModelPart


class WholeStep:
    """A step of one model, ready to be called with data.

    Attributes:
        target_shapes: the shapes at the target cut, known after the first run.
    """

    def __init__(self, model: CutModel, key: StepKey) -> None:
        self._model, self._key = model, key
        self._host_qoi = key.qoi
        self.target_shapes: list[Sequence[int | None]] | None = None
        self._block: BlockStep = model.backend.blockwise(self.of_rows, key.want)

    @property
    def rules(self) -> RuleSet | None:
        """Those that it was traced with."""
        return self._key.rules

    def validate(self, qoi: QoI) -> None:
        """Check new data of the quantity against what is known of the target's shape."""
        self._host_qoi = qoi
        if self.target_shapes is not None:
            qoi.validate(self.target_shapes)

    def run(self, arguments: StepArguments, weights: np.ndarray[Any, Any]) -> Gradients:
        """Evaluate a block."""
        got = self._block(arguments, weights)
        self._check_records(got, arguments)
        return got

    def _check_records(self, got: Gradients, a: StepArguments) -> None:
        """Raise where a traced step, whose rows are open, gave gradients for other rows."""
        given = [p.shape[1] for p in a.points] or [x.shape[0] for x in a.batched]
        axis = 1 if "points" in self._key.want else 0
        if not given or given[0] is None:
            return  # nothing to compare with, or in a program, which looks at what it gave
        for g in (g for gs in got.gradients for g in gs if g is not None):
            rows = g.shape[axis] if len(g.shape) > axis else -1
            if rows is not None and int(rows) != int(given[0]):  # None: as above
                selection.check_rows([g[0] if axis else g], self._key.wrt, int(given[0]))

    def of_rows(self, a: StepArguments) -> Gradients:
        """Evaluate rows; the function that a backend traces."""
        key, backend = self._key, self._model.backend
        part = ModelPart(self._model, key.wrt, key.of, key.replaced, rules=key.rules)
        qoi = with_data(key.qoi, a)

        def run(tap: Tap) -> list[Tensor]:
            with self._model.using(a.state):
                given, reference = key.pair(self._model, a)
                y, rows = part.at_target(given, tap, reference)
            self.target_shapes = [static_shape(t) for t in y]
            self._host_qoi.validate(self.target_shapes)
            return evaluate(qoi, y, rows, backend)

        contraction = key.contraction(a)
        got = part.differentiated(run, contraction)
        return Gradients(
            got.quantities if "quantities" in key.want else [],
            [got.activations[i] for i in part.order] if "activations" in key.want else [],
            part.connected(got.gradients, part.like(got, contraction)),
        )

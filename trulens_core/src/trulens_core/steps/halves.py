"""A step in two halves, with a quantity of the caller's between them, evaluated eagerly.

What a quantity of the caller's reads elsewhere may change between two calls, so that it is part of
nothing that is kept. By the chain rule it need not be: the model up to the target cut, and the
pull-back of cotangents from there to the source cut, know nothing of the quantity.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from trulens_core.backends import Gradients, Halves, StepArguments, Tap, Tensor
from trulens_core.passes import CutModel
from trulens_core.quantities.base import QoI
from trulens_core.quantities.evaluation import evaluate
from trulens_core.steps.keys import StepKey
from trulens_core.steps.quantity_data import with_data
from trulens_core.steps.target import ModelPart
from trulens_core.steps.whole import WholeStep


class ModelHalves:
    """The two halves of a model, which serve all quantities.

    Attributes:
        joined: whether both are of the same values, as far as they were evaluated.
    """

    def __init__(self, model: CutModel, key: StepKey) -> None:
        self._model, self._key = model, key
        self.part: ModelPart = ModelPart(model, key.wrt, key.of, key.replaced)
        self.joined: bool = True
        self.first: Callable[[StepArguments], Halves] = model.backend.halves(self._run, key.want)

    def _run(self, a: StepArguments, tap: Tap) -> list[Tensor]:
        with self._model.using(a.state):
            return self.part.at_target(*self._key.given(self._model, a), tap)[0]


class HalvedStep:
    """A step with a quantity of the caller's; the same numbers as `WholeStep`.

    It is one, which serves this call alone, where the halves would be of different values.
    """

    def __init__(self, model: CutModel, key: StepKey, halves: ModelHalves) -> None:
        self._model, self._key, self._compiled = model, key, halves
        self._backend = model.backend

    def validate(self, qoi: QoI) -> None:
        """Nothing: the quantity sees the value itself and is validated with it."""

    def run(self, a: StepArguments, weights: np.ndarray[Any, Any]) -> Gradients:
        """Evaluate a block."""
        backend, want, k = self._backend, self._key.want, len(weights)
        if not self._compiled.joined:
            return self._joined(a, weights)
        half = self._compiled.first(a)
        if not half.joined:
            self._compiled.joined = False
            return self._joined(a, weights)
        got = self._quantities(half, a, k)
        gradients = []
        for gs in got.gradients:
            cotangents = [None if g is None else backend.split_points(g, k) for g in gs]
            gradients.append(half.pull(cotangents, weights))
        part = self._compiled.part
        like = [backend.accumulator(z if "points" in want else z[0]) for z in half.activations]
        return Gradients(
            [backend.split_points(q, k) for q in got.quantities] if "quantities" in want else [],
            [half.activations[i] for i in part.order] if "activations" in want else [],
            part.connected(gradients, like),
        )

    @functools.cached_property
    def _whole(self) -> WholeStep:
        """For all blocks of the call; most calls need none."""
        return WholeStep(self._model, self._key)

    def _joined(self, a: StepArguments, weights: np.ndarray[Any, Any]) -> Gradients:
        """The step with the quantity inside, where it is traced together with the model."""
        try:
            return self._whole.run(a, weights)
        except Exception as error:
            error.add_note(
                "The model draws random numbers, changes variables or runs Python in its graph, so "
                "that the quantity is traced together with it: it cannot read numbers out of y."
            )
            raise

    def _quantities(self, half: Halves, a: StepArguments, k: int) -> Gradients:
        """The quantities of all rows, point by point, and their gradients at the target cut."""
        backend = self._backend
        y = [backend.merge_points(t) for t in half.values]
        repeated = [backend.repeat(x, k) for x in a.per_record]
        qoi = with_data(self._key.qoi, a._replace(per_record=repeated))
        qoi.validate([tuple(t.shape) for t in y])

        def run(tap: Tap) -> list[Tensor]:
            return evaluate(qoi, tap(y), int(y[0].shape[0]), backend)

        return backend.differentiate(run)

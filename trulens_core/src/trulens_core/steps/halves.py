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
from trulens_core.passes.selection import Whole
from trulens_core.quantities.base import QoI
from trulens_core.rules import RuleSet
from trulens_core.steps.between import Between
from trulens_core.steps.keys import StepKey
from trulens_core.steps.target import ModelPart
from trulens_core.steps.whole import WholeStep


class ModelHalves:
    """The two halves of a model, which serve all quantities.

    Attributes:
        joined: whether both are of the same values, as far as they were evaluated.
        whole: where the first gives all tensors of the value at the target cut, what shows them.
    """

    def __init__(self, model: CutModel, key: StepKey) -> None:
        self._model, self._key = model, key
        self.part: ModelPart = ModelPart(model, key.wrt, key.of, key.replaced, rules=key.rules)
        self.joined: bool = True
        self.rules: RuleSet | None = key.rules
        self.whole: Whole | None = key.whole
        self.first: Callable[[StepArguments], Halves] = model.backend.halves(self._run, key.want)

    def _run(self, a: StepArguments, tap: Tap) -> list[Tensor]:
        with self._model.using(a.state):
            given, reference = self._key.pair(self._model, a)
            return self.part.at_target(given, tap, reference)[0]


class HalvedStep:
    """A step with code of the caller's, a quantity or an accessor of the target cut.

    It gives the same numbers as `WholeStep`, and is one, which serves this call alone, where the
    halves would be of different values, or the value at the target cut holds more than tensors.

    Args:
        model: whose step it is.
        key: what the caller asks for.
        halves: of the model, for what is kept of that.
    """

    def __init__(self, model: CutModel, key: StepKey, halves: ModelHalves) -> None:
        self._model, self._key, self._compiled = model, key, halves
        self._backend = model.backend

    @property
    def rules(self) -> RuleSet | None:
        """Those that its halves were traced with."""
        return self._compiled.rules

    def validate(self, qoi: QoI) -> None:
        """Nothing: the quantity sees the value itself and is validated with it."""

    def run(self, a: StepArguments, weights: np.ndarray[Any, Any]) -> Gradients:
        """Evaluate a block."""
        half = self._compiled.first(a) if self._compiled.joined else None
        if half is None or not self._fits(half):
            return self._joined(a, weights)
        backend, key, part, k = self._backend, self._key, self._compiled.part, len(weights)
        whole = self._compiled.whole
        between = Between(backend, key.qoi, key.of, None if whole is None else whole.shown)
        got = between.evaluated(half.values, a, k)
        leading = int("points" in key.want)
        contraction = key.contraction(a)

        def pulled(gs: list[Tensor | None]) -> list[Tensor | None]:
            found = half.pull(gs, weights)
            if contraction is None:
                return found
            return contraction.of(found, part.order, backend, leading)

        gradients = [pulled(gs) for gs in got.gradients]
        values = [backend.accumulator(z if leading else z[0]) for z in half.activations]
        like = part.like(Gradients([], values, gradients), contraction, leading)
        wanted = "quantities" in key.want
        return Gradients(
            [backend.split_points(q, k) for q in got.quantities] if wanted else [],
            [half.activations[i] for i in part.order] if "activations" in key.want else [],
            part.connected(gradients, like, key.of),
        )

    def _fits(self, half: Halves) -> bool:
        """Whether what stands between the halves can be evaluated by itself; if not, never again.

        A model that draws random numbers does not fit, nor a value that holds more than tensors.
        """
        whole = self._compiled.whole
        tensors = whole is None or (whole.shown is not None and whole.shown.of_tensors)
        self._compiled.joined = half.joined and tensors
        return self._compiled.joined

    @functools.cached_property
    def _whole(self) -> WholeStep:
        """For all blocks of the call; most calls need none."""
        return WholeStep(self._model, self._key)

    def _joined(self, a: StepArguments, weights: np.ndarray[Any, Any]) -> Gradients:
        """The step with the caller's code inside, where it is traced together with the model."""
        try:
            return self._whole.run(a, weights)
        except Exception as error:
            error.add_note(
                "The model draws random numbers, changes variables or runs Python in its graph, or "
                "the value at the target cut holds more than tensors, so that the quantity is "
                "traced together with it: it cannot read numbers out of y."
            )
            raise

"""Blocks as a framework evaluates them that traces: by a step that is built once and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from typing import Any

from trulens_core.backends import Gradients, StepArguments, Want
from trulens_core.inputs import ModelInputs
from trulens_core.passes import CutModel
from trulens_core.quantities.base import QoI
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.block import Block
from trulens_core.steps.halves import HalvedStep, ModelHalves
from trulens_core.steps.keys import StepKey, shapes_key
from trulens_core.steps.quantity_data import with_tensors
from trulens_core.steps.whole import WholeStep


class TracedBlocks:
    """The gradients of a quantity over blocks of one distribution and one group of records.

    The step is found and its arguments are put together at the first block; from then on only the
    points and their weights differ. The arguments are those of `eager.gradients`.
    """

    def __init__(
        self,
        model: CutModel,
        inputs: ModelInputs,
        cuts: tuple[Cut, Cut],
        qoi: QoI,
        want: Collection[Want],
    ) -> None:
        self._model, self._inputs, self._cuts = model, inputs, cuts
        self._qoi = qoi.with_channel_axis(model.channel_axis(cuts[1]))
        self._want = frozenset(want)
        self._step: WholeStep | HalvedStep | None = None
        self._order: list[int] = []

    def __call__(self, block: Block) -> Gradients:
        """The gradients over one block."""
        if self._step is None:
            self._step = self._prepared(block)
        points = [block.points[i] for i in self._order]
        return self._step.run(self._arguments._replace(points=points), block.weights)

    def _kept(self, key: StepKey) -> WholeStep | HalvedStep:
        """The step for `key`: the library's own quantities are part of it, the caller's are not.

        Where it cannot be told which tensors an accessor of the caller's means before the model
        was traced, or which numbers it makes of them, the step serves this call alone. So does
        one that a quantity of the caller's is part of.
        """
        model = self._model
        halved = key.qoi.custom and model.backend.splits
        known = None if key.qoi.custom and not halved else key.settled(model, self._inputs)
        key = known or key

        def kept(name: tuple[Hashable, ...], build: Callable[[], Any]) -> Any:
            return build() if known is None else model.kept((*name, *known.of_model()), build)

        if halved:
            return HalvedStep(model, key, kept(("halves",), lambda: ModelHalves(model, key)))
        name = "whole", *key.of_quantity()
        step: WholeStep = kept(name, lambda: WholeStep(model, key.snapshot()))
        return step

    def _prepared(self, block: Block) -> WholeStep | HalvedStep:
        model, inputs, qoi = self._model, self._inputs, self._qoi
        at_input: list[int] = []
        if isinstance(block.cut, InputCut) and block.points:
            at_input = inputs.at(block.cut, model.backend, model.parameters)
        places = at_input or range(len(block.points))
        self._order = sorted(range(len(block.points)), key=places.__getitem__)
        structure, batched, shared = inputs.split(at_input)
        replaced = block.cut if block.points and not at_input else None
        shapes = shapes_key([block.points[i] for i in self._order], [*batched, *shared])
        key = StepKey(*self._cuts, replaced, structure, self._want, qoi, shapes)
        step = self._kept(key)
        step.validate(qoi)
        data = with_tensors(qoi, inputs, model).data()
        self._arguments = StepArguments(
            model.state(),
            [],
            batched,
            shared,
            [d.value for d in data if d.per_record],
            [d.value for d in data if not d.per_record],
        )
        return step

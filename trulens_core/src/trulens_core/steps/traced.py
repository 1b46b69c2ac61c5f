"""Blocks as a framework evaluates them that traces: by a step that is built once and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from typing import Any

from trulens_core.backends import Gradients, StepArguments, Want
from trulens_core.inputs import ModelInputs
from trulens_core.passes import CutModel
from trulens_core.quantities.base import QoI
from trulens_core.rules import RuleSet
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.block import Block
from trulens_core.steps.contraction import Contraction
from trulens_core.steps.forward import ForwardStep
from trulens_core.steps.halves import HalvedStep, ModelHalves
from trulens_core.steps.keys import PassKey, StepKey, shapes_key
from trulens_core.steps.quantity_data import with_tensors
from trulens_core.steps.whole import WholeStep

AnyStep = WholeStep | HalvedStep | ForwardStep


class ForwardBlocks:
    """The values at a cut over blocks of one distribution and one group of records.

    The step is found and its arguments are put together at the first block; from then on only the
    points and their weights differ. The arguments are those of `eager.values`.
    """

    def __init__(self, model: CutModel, inputs: ModelInputs, of: Cut) -> None:
        self._model, self._inputs, self._of = model, inputs, of
        self._step: AnyStep | None = None
        self._order: list[int] = []
        self._compared: bool = False

    def __call__(self, block: Block) -> Gradients:
        """What the step gives over one block."""
        if self._step is None:
            key, self._arguments = self._prepared(block)
            self._step = self._found(key)
        points = [block.points[i] for i in self._order]
        points += [block.references[i] for i in self._order if block.references]
        return self._step.run(self._arguments._replace(points=points), block.weights)

    def _prepared(self, block: Block) -> tuple[PassKey, StepArguments]:
        model, inputs = self._model, self._inputs
        at_input: list[int] = []
        if isinstance(block.cut, InputCut) and block.points:
            at_input = inputs.at(block.cut, model.backend, model.parameters)
        places = at_input or range(len(block.points))
        self._order = sorted(range(len(block.points)), key=places.__getitem__)
        structure, batched, shared = inputs.split(at_input)
        replaced = block.cut if block.points and not at_input else None
        self._compared = bool(block.references)
        shapes = shapes_key([block.points[i] for i in self._order], [*batched, *shared])
        key = PassKey(self._of, replaced, structure, shapes)
        return key, StepArguments(model.state(), [], batched, shared, [], [])

    def _found(self, key: PassKey) -> AnyStep:
        known, model = key.settled(self._model, self._inputs), self._model
        if known is None:
            return ForwardStep(model, key)
        step: AnyStep = model.kept(
            ("forward", *known.of_model()), lambda: ForwardStep(model, known)
        )
        return step


class TracedBlocks(ForwardBlocks):
    """The gradients of a quantity over blocks; the arguments are those of `EagerBlocks`."""

    def __init__(  # noqa: PLR0913 - what blocks are evaluated from
        self,
        model: CutModel,
        inputs: ModelInputs,
        cuts: tuple[Cut, Cut],
        qoi: QoI,
        want: Collection[Want],
        contraction: Contraction | None = None,
        rules: RuleSet | None = None,
    ) -> None:
        super().__init__(model, inputs, cuts[1])
        self._contraction, self._rules = contraction, rules
        self._wrt, self._want = cuts[0], frozenset(want)
        self._qoi = qoi.with_channel_axis(model.channel_axis(cuts[1]))

    def __call__(self, block: Block) -> Gradients:
        """What the step gives over one block; of rules, what they were applied to is told."""
        got = super().__call__(block)
        traced = getattr(self._step, "rules", None)
        if self._rules is not None and traced is not None and traced.report is not None:
            self._rules.noted(traced.report)  # a step that was kept was traced with others
        return got

    def _prepared(self, block: Block) -> tuple[PassKey, StepArguments]:
        key, arguments = super()._prepared(block)
        data = with_tensors(self._qoi, self._inputs, self._model).data()
        return key, arguments._replace(
            per_record=[d.value for d in data if d.per_record],
            scalars=[d.value for d in data if not d.per_record],
            multipliers=list(self._contraction.multipliers) if self._contraction else [],
        )

    def _found(self, key: PassKey) -> AnyStep:
        parts = key.of, key.replaced, key.structure, key.shapes
        axes = None if self._contraction is None else self._contraction.axes
        ruled = self._rules, self._compared
        step = self._kept(StepKey(*parts, self._wrt, self._want, self._qoi, axes, *ruled))
        step.validate(self._qoi)
        return step

    def _kept(self, key: StepKey) -> WholeStep | HalvedStep:
        """The step for `key`: the library's own quantities are part of it, the caller's are not.

        Nor is an accessor of the caller's at the target cut: where it selects tensors, they are;
        where it computes, or that cannot be told before the model was traced, it is run between
        two halves, as a quantity of the caller's is. A step that code of the caller's has to be
        part of serves this call alone.
        """
        model, custom = self._model, key.qoi.custom
        splits = model.backend.splits
        known = None if custom and not splits else key.settled(model, self._inputs)
        halved = splits and (custom or (known is not None and known.whole is not None))
        asked, key = key, known or key

        def kept(name: tuple[Hashable, ...], build: Callable[[], Any]) -> Any:
            return build() if known is None else model.kept((*name, *known.of_model()), build)

        if halved:
            return HalvedStep(model, asked, kept(("halves",), lambda: ModelHalves(model, key)))
        name = "whole", *key.of_quantity()
        step: WholeStep = kept(name, lambda: WholeStep(model, key.snapshot()))
        return step

"""A block as a framework evaluates it that traces: by a step that is built once and kept."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from trulens_core.backends import Gradients, StepArguments, Want
from trulens_core.inputs import ModelInputs
from trulens_core.quantities.base import QoI
from trulens_core.slices import Cut, InputCut
from trulens_core.splitting import SplitStep
from trulens_core.steps import Block, Step, StepKey, shapes_key, tensors_of

if TYPE_CHECKING:
    from trulens_core.models import ModelWrapper


def gradients(
    wrapper: ModelWrapper,
    inputs: ModelInputs,
    cuts: tuple[Cut, Cut],
    qoi: QoI,
    block: Block,
    want: Collection[Want],
) -> Gradients:
    """The gradients of a quantity over a block; the arguments are those of `eager.gradients`."""
    at_input: list[int] = []
    points = block.points
    if isinstance(block.cut, InputCut) and points:
        at_input = inputs.at(block.cut, wrapper.backend, wrapper.parameters)
        points = [p for _, p in sorted(zip(at_input, points, strict=True), key=lambda x: x[0])]
    layout, batched, shared = inputs.split(at_input)
    replaced = block.cut if points and not at_input else None
    qoi = qoi.placed(wrapper.channel_axis(cuts[1]))
    shapes = shapes_key(points, [*batched, *shared])
    step = _step(wrapper, StepKey(*cuts, replaced, layout, frozenset(want), qoi, shapes))
    step.validate(qoi)
    arrays = tensors_of(qoi, inputs, wrapper)
    arguments = StepArguments(
        wrapper.state(),
        points,
        batched,
        shared,
        [a for a, per_record in arrays if per_record],
        [a for a, per_record in arrays if not per_record],
    )
    return step.run(arguments, block.weights)


def _step(wrapper: ModelWrapper, key: StepKey) -> Step | SplitStep:
    """The step for `key`, split where that saves a trace."""
    if wrapper.backend.splits and key.qoi.custom:
        return SplitStep(wrapper, key)
    kept: Step = wrapper.kept(key.hashed(), lambda: Step(wrapper, key.snapshot()))
    return kept

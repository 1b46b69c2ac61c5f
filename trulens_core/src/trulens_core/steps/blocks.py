"""Blocks of one distribution, as the framework evaluates them best: eagerly, or traced."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from trulens_core.backends import Gradients, Tensor, Want
from trulens_core.inputs import ModelInputs
from trulens_core.passes import CutModel
from trulens_core.quantities.base import QoI
from trulens_core.rules import RuleSet
from trulens_core.slices import Cut
from trulens_core.steps import eager, traced
from trulens_core.steps.block import Block
from trulens_core.steps.contraction import Contraction
from trulens_core.steps.values import activations


def over_blocks(  # noqa: PLR0913 - what blocks are evaluated from
    model: CutModel,
    inputs: ModelInputs,
    cuts: tuple[Cut, Cut],
    qoi: QoI,
    want: Sequence[Want] = (),
    *,
    narrow: bool = False,
    contraction: Contraction | None = None,
    rules: RuleSet | None = None,
) -> Callable[[Block], Gradients]:
    """The gradients as a function of blocks; see `ModelWrapper.over_blocks`.

    Args:
        model: whose gradients they are.
        inputs: of the b records.
        cuts: where the variables live, and where the quantity is read.
        qoi: the quantity, for b records.
        want: what is wanted besides.
        narrow: whether what comes before an inner cut is computed for the records alone.
        contraction: what gradients are summed over as they come.
        rules: of the backward pass.
    """
    if cuts[1] == model.unchecked:
        activations(model, inputs, [cuts[1]])  # once, since no gradient shows it
    if model.backend.traces:
        return traced.TracedBlocks(model, inputs, cuts, qoi, want, contraction, rules)
    parts = model, inputs, cuts, qoi, want
    return eager.EagerBlocks(*parts, narrow=narrow, contraction=contraction, rules=rules)


def values_over_blocks(
    model: CutModel, inputs: ModelInputs, of: Cut, *, narrow: bool = False
) -> Callable[[Block], list[Tensor]]:
    """The values at a cut as a function of blocks, (k, b, …) per tensor; without gradients.

    Args:
        model: whose values they are.
        inputs: of the b records.
        of: where they are read.
        narrow: whether what comes before an inner cut is computed for the records alone.
    """
    if not model.backend.traces:
        return functools.partial(eager.values, model, inputs, of, narrow=narrow)
    blocks = traced.ForwardBlocks(model, inputs, of)
    return lambda block: blocks(block).activations

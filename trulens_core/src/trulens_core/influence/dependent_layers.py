"""Whether the layers of a cut can be given values together: none may depend on another.

A distribution that moves the values at two layers, one of which is computed from the other, would
put values at the later one that the model never has there, and hide what the earlier one does.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.distributions import DoI
from trulens_core.errors import CutError, NotConnectedError
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper
from trulens_core.plugins import get_backend
from trulens_core.quantities import QoI
from trulens_core.slices import Cut, InputCut
from trulens_core.steps.block import Block
from trulens_core.steps.keys import shapes_key


def check_independent(wrapper: ModelWrapper, inputs: ModelInputs, doi: DoI, cut: Cut) -> None:
    """Raise CutError where `doi` moves several layers of which one is computed from another.

    Seen by whether gradients reach one from the other, whatever their values are, at these inputs;
    where models are traced, once for inputs of one structure and shapes.
    """
    if len(cut.parts()) < 2 or doi.is_point:
        return
    found = wrapper.kept(_key(cut, inputs), list) if wrapper.backend.traces else []
    if found and cut.accessor is None:
        return
    _check(wrapper, inputs, doi, cut)
    found.append(True)


def _key(cut: Cut, inputs: ModelInputs) -> Hashable:
    structure, batched, shared = inputs.split()
    return "independent", cut, structure.key(), shapes_key([], [*batched, *shared])


def _check(wrapper: ModelWrapper, inputs: ModelInputs, doi: DoI, cut: Cut) -> None:
    parts = cut.parts()
    for part in parts:  # an input is computed from nothing
        others = [p for p in parts if p is not part and not isinstance(p, InputCut)]
        if others and _depends(wrapper, inputs, others, part):
            later = next(p for p in others if _depends(wrapper, inputs, [p], part))
            raise CutError(
                f"{type(doi).__name__} moves the values at all layers of {cut}, but the value at "
                f"{_named(later)} is computed from that at {_named(part)}: the two cannot be given "
                "values of their own together. Give each of them a method of its own, or put the "
                "distribution at one of them"
            )


def _named(part: Cut) -> str:
    return str(part) if part.call is not None or isinstance(part, InputCut) else repr(part.name)


def _depends(wrapper: ModelWrapper, inputs: ModelInputs, later: Sequence[Cut], part: Cut) -> bool:
    of = later[0] if len(later) == 1 else Cut(later)
    over = wrapper.over_blocks(inputs, wrt=part, of=of, qoi=_Sums())
    try:
        over(Block(part, [], np.ones(1, "float32")))
    except NotConnectedError:
        return False
    return True


class _Sums(QoI):
    """The sum of each tensor, per row: it depends on all that the tensors depend on."""

    def __call__(self, y: Any) -> list[Any]:
        return [_summed(t) for t in (y if isinstance(y, list) else [y])]


def _summed(x: Tensor) -> Tensor:
    axes = tuple(range(1, len(x.shape)))
    return get_backend(x).xp.sum(x, axis=axes) if axes else x

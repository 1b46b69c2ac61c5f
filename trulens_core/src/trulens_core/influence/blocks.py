"""Points cut into blocks: so many at a time as a pass may have rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.distributions.points import LazyPoints, Stack
from trulens_core.influence.division import Part
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.rows import last_again
from trulens_core.passes import CutModel
from trulens_core.slices import Cut
from trulens_core.steps import Block

_ONE = np.ones(1, "float32")
"""The weight of a single point."""


def in_blocks(
    points: LazyPoints,
    cut: Cut,
    model: CutModel,
    inputs: ModelInputs,
    part: Part,
    references: Stack | None = None,
) -> Iterator[tuple[Block, int]]:
    """Blocks of the points, as equal as can be; of one shape where that is compiled for.

    With each, how many of its points are real: the rest, copies of the last, weigh nothing.
    `references` are the baselines that rules compare the points with, stacked as these are.
    """
    n, backend = len(points.weights), model.backend
    if points.stack is None:
        yield Block(cut, [], _ONE), n
        return
    weights = np.asarray(points.weights, weights_type(model, inputs))
    ranges = part.ranges(n, inputs.n_records)
    k = ranges[0][1]
    if backend.static_shapes:  # what a block has beyond the points weighs nothing
        weights = np.concatenate([weights, np.zeros(k, weights.dtype)])
    for i, j in ranges:
        more = k - (j - i) if backend.static_shapes else 0
        stacked = [last_again(t, more, backend) for t in points.stack(i, j)]
        held = [] if references is None else references(i, j)
        compared = [last_again(t, more, backend) for t in held]
        yield Block(cut, stacked, weights[i : j + more], references=compared), j - i


class SameSize:
    """Blocks beside those of `in_blocks`, of the same points, of one shape where that matters.

    Args:
        cut: where the points live.
        backend: of the tensors.
    """

    def __init__(self, cut: Cut, backend: Backend) -> None:
        self._cut, self._backend, self._k = cut, backend, 1

    def block(self, points: list[Tensor]) -> Block:
        """The points with copies of the last up to the largest block before; all weigh 1."""
        n = int(points[0].shape[0]) if points else 1
        self._k = max(self._k, n)
        more = self._k - n if self._backend.static_shapes else 0
        padded = [last_again(t, more, self._backend) for t in points]
        return Block(self._cut, padded, np.ones(n + more, "float32"))


def weights_type(model: CutModel, inputs: ModelInputs) -> str:
    """The type of points' weights: float32, as gradients are summed in, unless any is float64."""
    backend = model.backend
    given = [x.value for x in inputs.leaves if backend.is_tensor(x.value)]
    held = (*given, *model.floating_weights())
    return "float64" if any(x.dtype == backend.xp.float64 for x in held) else "float32"

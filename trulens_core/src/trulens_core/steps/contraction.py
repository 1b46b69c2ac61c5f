"""Gradients summed over axes as they come, so that no more than one quantity's are held."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trulens_core.backends import Backend, Tensor


@dataclasses.dataclass(frozen=True)
class Contraction:
    """The axes that gradients are summed over, and what they are multiplied with before.

    Attributes:
        axes: of the value at the source cut, the records on axis 0; negative ones from the end.
        multipliers: (b, …) per tensor of the cut; empty: nothing.
        by_value: whether they are multiplied with the values at which they are taken instead.
    """

    axes: tuple[int, ...]
    multipliers: Sequence[Tensor] = ()
    by_value: bool = False

    def of(
        self,
        gradients: Sequence[Tensor | None],
        order: Sequence[int],
        backend: Backend,
        leading: int = 0,
        values: Sequence[Tensor] = (),
    ) -> list[Tensor | None]:
        """Gradients in the order of tapping, multiplied and summed.

        Args:
            gradients: (rows, …) each, as many as multipliers or k times as many, point by point;
                or with leading axes before the rows. None where unconnected.
            order: where the cut's tensors stand among them.
            backend: of the tensors.
            leading: how many axes come before that of the rows.
            values: at which they are taken, in the order of tapping, where that is asked for.
        """
        own = dict(zip(order, self.multipliers, strict=False))
        if self.by_value:
            own = dict(enumerate(values))

        def contracted(i: int, g: Tensor) -> Tensor:
            g, m = backend.accumulator(g), own.get(i)
            if m is not None:
                g = _times(g, backend.accumulator(m), leading, backend)
            return self.summed(g, backend, leading)

        return [None if g is None else contracted(i, g) for i, g in enumerate(gradients)]

    def summed(self, x: Tensor, backend: Backend, leading: int = 0) -> Tensor:
        """A tensor summed over the axes."""
        return backend.xp.sum(x, axis=self._places(len(x.shape) - leading, leading))

    def _places(self, rank: int, leading: int) -> tuple[int, ...]:
        if any(not -rank < a < rank or a == 0 for a in self.axes):
            raise ValueError(
                f"contract={self.axes} cannot be summed over in a value of rank {rank}, whose axis "
                "0 is that of the records"
            )
        return tuple(sorted({a % rank + leading for a in self.axes}))


def _times(g: Tensor, m: Tensor, leading: int, backend: Backend) -> Tensor:
    expand = backend.xp.expand_dims
    if leading:
        return g * expand(m, axis=0)
    if g.shape[0] == m.shape[0]:
        return g * m
    points = backend.split_points(g, int(g.shape[0]) // int(m.shape[0]))
    return backend.merge_points(points * expand(m, axis=0))

"""Points between the value and data: what expected gradients averages over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.distributions.arrays import alone
from trulens_core.distributions.base import DoI, check_floating
from trulens_core.distributions.baselines import Source
from trulens_core.distributions.points import Formula, LazyPoints, Points, Records
from trulens_core.distributions.quadrature import positive_int
from trulens_core.inputs import ModelInputs
from trulens_core.slices import Cut, InputCut


class DataDoi(DoI):
    """Points at random places on lines to random data: x' + α (z − x'), x' ~ data, α ~ U[0, 1].

    Each point has a multiplier of its own, z − x'. Sample i depends on (seed, i) alone, and is the
    same for all records: not on batch, rebatch size or framework.

    Args:
        data: (rows, …), values like those at the cut; a list or mapping of one per tensor where
            the cut holds several. Rows are drawn with replacement.
        samples: how many draws of a row and an α.
        cut: where the lines live; None is the model's input.
        seed: of the draws.

    Raises:
        ValueError: for data without rows, or samples below 1.
        DoiError: when used, for data that does not fit the value at the cut.
        DoiCutSupportError: when used, at a cut of integers.

    Example:
        >>> DataDoi(np.zeros((100, 3)), samples=5)
        DataDoi(100 rows, samples=5, seed=0)
    """

    complete: ClassVar[Literal["exact", "in expectation"]] = "in expectation"

    def __init__(
        self,
        data: Any,
        samples: int = 50,
        *,
        cut: Cut | str | int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(cut)
        self._source = Source(data)
        self.samples: int = positive_int(samples, "samples")
        self.seed: int = int(seed)

    def __repr__(self) -> str:
        cut = "" if self._cut is None else f", cut={self._cut!r}"
        return f"DataDoi({self._source.rows} rows, samples={self.samples}, seed={self.seed}{cut})"

    def __call__(self, z: Any, *, model_inputs: ModelInputs | None = None) -> Any:
        """The points for z and their multipliers, as `Points`."""
        records = alone(z, model_inputs)
        check_floating(self, records.z, self._cut or InputCut(), records.backend)
        lazy, n = self.points(records, None), self.samples
        assert lazy.stack is not None
        assert lazy.multipliers is not None
        points, multipliers = lazy.stack(0, n), lazy.multipliers(0, n)
        if not isinstance(z, list | tuple):
            return Points(list(points[0]), lazy.weights, list(multipliers[0]))
        return Points([list(p) for p in points], lazy.weights, [list(m) for m in multipliers])

    @property
    def n_points(self) -> int:
        return self.samples

    @property
    def by_record(self) -> bool:
        return True

    @property
    def weights(self) -> tuple[float, ...]:
        return (1 / self.samples,) * self.samples

    def baseline_values(self, records: Records) -> None:
        """There is none for all points: each has its own."""
        del records

    def formula(self) -> Formula | None:
        if type(self) is not DataDoi or self._source.has_columns:
            return None
        return Formula(_on_lines, self._numbers, by_shape=True, baselines=_rows)

    def _numbers(
        self, shapes: Sequence[tuple[int, ...]], i: int, j: int
    ) -> list[np.ndarray[Any, Any]]:
        """The rows of the points i to j, an array for each of the data's, and their alphas."""
        self._source.check(shapes)
        rows, alphas = self._source.draws(self.seed, self.samples)
        return [*self._source.numbers(rows[i:j]), alphas[i:j]]

    def points(self, records: Records, baseline: list[Tensor] | None) -> LazyPoints:
        del baseline
        backend = records.backend
        xp, wide = backend.xp, backend.accumulator
        self._source.check([tuple(t.shape) for t in records.z])
        rows, alphas = self._source.draws(self.seed, self.samples)

        def drawn(i: int, j: int) -> list[Tensor]:
            return self._source.tensors(rows[i:j], records)

        def stack(i: int, j: int) -> list[Tensor]:
            pairs = zip(records.z, drawn(i, j), strict=True)
            return [_between(backend, z, end, alphas[i:j]) for z, end in pairs]

        def multipliers(i: int, j: int) -> list[Tensor]:
            ends = zip(records.z, drawn(i, j), strict=True)
            return [wide(xp.expand_dims(z, axis=0)) - wide(end) for z, end in ends]

        def baselines(i: int, j: int) -> list[Tensor]:
            pairs = zip(records.z, drawn(i, j), strict=True)
            return [xp.broadcast_to(end, (j - i, *z.shape)) for z, end in pairs]

        return LazyPoints(self.weights, stack, multipliers, baselines=baselines)


def _between(backend: Backend, z: Tensor, end: Tensor, alphas: Any) -> Tensor:
    """Points of the lines to `z`, (b, …), from ends of their own, (k, b or 1, …)."""
    near, shape = backend.accumulator(backend.xp.expand_dims(z, axis=0)), (-1, *[1] * len(z.shape))
    if backend.is_tensor(alphas):
        a = backend.cast(backend.xp.reshape(alphas, shape), near)
    else:
        a = backend.from_numpy(alphas.reshape(shape), like=near)
    return backend.cast(a * near + (1 - a) * backend.accumulator(end), z)


def _rows(
    backend: Backend, z: list[Tensor], ends: list[Tensor] | None, numbers: list[Tensor]
) -> list[Tensor]:
    """See `Formula`: the rows of data, (k, 1, …)."""
    del ends
    *rows, _ = numbers
    each = rows * len(z) if len(rows) == 1 else rows  # one for all tensors may be given
    expand = backend.xp.expand_dims
    return [backend.cast(expand(r, axis=1), t) for r, t in zip(each, z, strict=True)]


def _on_lines(
    backend: Backend, z: list[Tensor], ends: list[Tensor] | None, numbers: list[Tensor]
) -> list[Tensor]:
    """See `Formula`."""
    pairs = zip(z, _rows(backend, z, ends, numbers), strict=True)
    return [_between(backend, t, row, numbers[-1]) for t, row in pairs]

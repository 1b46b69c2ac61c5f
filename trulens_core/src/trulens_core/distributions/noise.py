"""Points around the value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.distributions import quadrature
from trulens_core.distributions.arrays import alone, as_given
from trulens_core.distributions.base import DoI, check_floating
from trulens_core.distributions.points import Formula, LazyPoints, Records
from trulens_core.inputs import ModelInputs
from trulens_core.slices import Cut, InputCut


class GaussianDoi(DoI):
    """The value with Gaussian noise: z + N(0, var), averaged (SmoothGrad, Smilkov et al., 2017).

    The noise of a point has the shape of one record and is the same for all records, so that it
    depends on nothing but (seed, point, tensor): not on batch, rebatch size or framework.

    Args:
        var: the variance, in the squared units of the value.
        resolution: how many points.
        cut: where the noise is added; None is the model's input.
        seed: of the noise.

    Raises:
        ValueError: for a variance that is negative or not finite, or a resolution below 1.
        DoiCutSupportError: when used, at a cut of integers.

    Example:
        >>> GaussianDoi(var=0.01, resolution=25)
        GaussianDoi(var=0.01, resolution=25, seed=0)
    """

    def __init__(
        self, var: float, resolution: int, cut: Cut | str | int | None = None, *, seed: int = 0
    ) -> None:
        super().__init__(cut)
        if not (float(var) >= 0 and math.isfinite(var)):
            raise ValueError(f"var is {var!r}; a variance is a finite number >= 0")
        self.var: float = float(var)
        self.resolution: int = quadrature.positive_int(resolution, "resolution")
        self.seed: int = int(seed)

    def __repr__(self) -> str:
        cut = "" if self._cut is None else f", cut={self._cut!r}"
        name = type(self).__name__
        return f"{name}(var={self.var}, resolution={self.resolution}, seed={self.seed}{cut})"

    def __call__(self, z: Any, *, model_inputs: ModelInputs | None = None) -> Any:
        records = alone(z, model_inputs)
        check_floating(self, records.z, self._cut or InputCut(), records.backend)
        return as_given(self._stack(records.z, records.backend)(0, self.resolution), z)

    @property
    def n_points(self) -> int:
        return self.resolution

    @property
    def weights(self) -> tuple[float, ...]:
        return (1 / self.resolution,) * self.resolution

    @property
    def by_record(self) -> bool:
        return True

    @property
    def asks(self) -> bool:
        return type(self) is not GaussianDoi

    def formula(self) -> Formula | None:
        own = type(self) is GaussianDoi
        return Formula(_with_noise, self._drawn, by_shape=True) if own else None

    def _drawn(
        self, shapes: Sequence[tuple[int, ...]], i: int, j: int
    ) -> list[np.ndarray[Any, Any]]:
        deviation = math.sqrt(self.var)
        return [u * deviation for u in self._units(shapes, i, j)]

    def _units(
        self, shapes: Sequence[tuple[int, ...]], i: int, j: int
    ) -> list[np.ndarray[Any, Any]]:
        """The noise of the points i to j, for records of these shapes, (j − i, 1, …) per tensor."""
        return [
            np.stack([self._noise((1, *shape[1:]), p, index) for p in range(i, j)])
            for index, shape in enumerate(shapes)
        ]

    def points(self, records: Records, baseline: list[Tensor] | None) -> LazyPoints:
        del baseline
        return LazyPoints(self.weights, self._stack(records.z, records.backend))

    def _stack(self, z: list[Tensor], backend: Backend) -> Callable[[int, int], list[Tensor]]:
        deviations = self._deviations(z, backend)

        def stack(i: int, j: int) -> list[Tensor]:
            out = []
            for index, (t, deviation) in enumerate(zip(z, deviations, strict=True)):
                shape = (1, *(int(n) for n in t.shape[1:]))
                unit = np.stack([self._noise(shape, p, index) for p in range(i, j)])
                if isinstance(deviation, float):
                    noise = backend.from_numpy(unit * deviation, like=t)
                else:
                    noise = backend.from_numpy(unit, like=t) * deviation
                out.append(backend.xp.expand_dims(t, axis=0) + noise)
            return out

        return stack

    def _deviations(self, z: list[Tensor], backend: Backend) -> list[Any]:  # noqa: ARG002
        """The standard deviation for each tensor: a number, or (b, 1, …) for its records."""
        return [math.sqrt(self.var)] * len(z)

    def _noise(self, shape: tuple[int, ...], point: int, tensor: int) -> np.ndarray[Any, Any]:
        bits = np.random.Philox(key=self.seed, counter=[0, tensor, 0, point])
        return np.random.Generator(bits).standard_normal(shape)


class RelativeGaussianDoi(GaussianDoi):
    """The value with Gaussian noise that is a part of its range: z + noise · (max z − min z) · ε.

    The range is that of each record and tensor, ε is N(0, 1) as in `GaussianDoi`.

    Args:
        noise: the standard deviation, as a part of the range.
        resolution: how many points.
        cut: where the noise is added; None is the model's input.
        seed: of the noise.

    Raises:
        ValueError: for noise that is negative or not finite, or a resolution below 1.
        DoiCutSupportError: when used, at a cut of integers.

    Example:
        >>> RelativeGaussianDoi(0.15, 25)
        RelativeGaussianDoi(noise=0.15, resolution=25, seed=0)
    """

    def __init__(
        self, noise: float, resolution: int, cut: Cut | str | int | None = None, *, seed: int = 0
    ) -> None:
        if not (float(noise) >= 0 and math.isfinite(noise)):
            raise ValueError(f"noise is {noise!r}; a part of the range is a finite number >= 0")
        super().__init__(1.0, resolution, cut, seed=seed)
        self.noise: float = float(noise)

    def __repr__(self) -> str:
        cut = "" if self._cut is None else f", cut={self._cut!r}"
        name = type(self).__name__
        return f"{name}(noise={self.noise}, resolution={self.resolution}, seed={self.seed}{cut})"

    @property
    def asks(self) -> bool:
        return type(self) is not RelativeGaussianDoi

    def formula(self) -> Formula | None:
        own = type(self) is RelativeGaussianDoi
        return Formula(_with_noise_by_range, self._parts, by_shape=True) if own else None

    def _parts(
        self, shapes: Sequence[tuple[int, ...]], i: int, j: int
    ) -> list[np.ndarray[Any, Any]]:
        return [*self._units(shapes, i, j), np.full(j - i, self.noise)]

    def _deviations(self, z: list[Tensor], backend: Backend) -> list[Any]:
        return [_range(t, backend) * self.noise for t in z]


def _range(t: Tensor, backend: Backend) -> Tensor:
    """The largest less the least number of each record, (b, 1, …)."""
    if 0 in tuple(t.shape):
        return t
    record = [int(n) for n in t.shape[1:]]
    flat = backend.xp.reshape(t, (-1, math.prod(record)))
    spread = backend.largest(flat, 1) + backend.largest(-flat, 1)
    return backend.xp.reshape(spread, (-1, *[1] * len(record)))


def _with_noise(
    backend: Backend, z: list[Tensor], ends: list[Tensor] | None, numbers: list[Tensor]
) -> list[Tensor]:
    """See `Formula`."""
    del ends
    expand = backend.xp.expand_dims
    return [expand(t, axis=0) + backend.cast(n, t) for t, n in zip(z, numbers, strict=True)]


def _with_noise_by_range(
    backend: Backend, z: list[Tensor], ends: list[Tensor] | None, numbers: list[Tensor]
) -> list[Tensor]:
    """See `Formula`."""
    *units, parts = numbers
    spans = [backend.xp.expand_dims(_range(t, backend), axis=0) for t in z]
    each = [backend.xp.reshape(parts, (-1, *[1] * len(t.shape))) for t in z]
    triples = zip(units, spans, each, strict=True)
    noise = [backend.cast(u, s) * (s * backend.cast(p, s)) for u, s, p in triples]
    return _with_noise(backend, z, ends, noise)

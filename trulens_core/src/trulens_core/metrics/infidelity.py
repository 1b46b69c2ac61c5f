"""Infidelity: whether attributions foretell what a perturbation does."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from trulens_core.distributions import DoI
from trulens_core.distributions.points import LazyPoints, Records
from trulens_core.distributions.quadrature import positive_int
from trulens_core.metrics.explained import Explained
from trulens_core.metrics.ladders import Subsets
from trulens_core.metrics.metric import OfModel
from trulens_core.metrics.scores import Array, Better, Score
from trulens_core.segments import Segments

_SHIFTS = 11
"""The stream of draws of noise."""


class Infidelity(OfModel):
    """By how much attributions fail to foretell what a perturbation does (Yeh et al., 2019).

        E (I · φ − (q(x) − q(x − I)))²

    over perturbations I, where φ is per activation, as a gradient is. Attributions in units of q
    are shares of q(x) − q(baseline): they are divided by x − baseline, and where that is zero
    nothing is perturbed.

    Law: 0 for the gradient of a linear model, whatever the perturbations.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what "removal" removes together; None is every element by itself.
        perturbation: "noise": I is Gaussian; "removal": x − baseline at segments drawn at random,
            0 elsewhere; or an array of I, (samples, …) for all records alike or (samples, records,
            …).
        noise: the standard deviation of "noise", in units of the value.
        size: how many segments "removal" removes: a number, or a share of them.
        samples: how many perturbations are drawn.
        scaled: whether attributions are multiplied with the number, of each record, that makes
            this smallest: explanations in other units can then be compared.
        per_activation: whether attributions are per activation, as gradients, or in units of q;
            None is as the method says, and an error for numbers from elsewhere.
        **options: `baseline`, `qoi` (the class predicted), `qoi_cut`, `doi_cut`, `seed`,
            `rebatch_size`, `progress`: see `OfModel`.

    Raises:
        ValueError: for another perturbation, and where the unit of attributions is not known.

    Example:
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> gradient = InputAttribution(model, qoi=0, multiply_activation=False)
        >>> Infidelity(model, qoi=0, noise=0.01).score(gradient, x).mean < 1e-4
        True
    """

    better: ClassVar[Better] = "lower"

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        segments: Segments | None = None,
        *,
        perturbation: Literal["noise", "removal"] | Any = "noise",
        noise: float = 0.1,
        size: int | float = 0.2,
        samples: int = 100,
        scaled: bool = False,
        per_activation: bool | None = None,
        **options: Any,
    ) -> None:
        super().__init__(model, segments, **options)
        if isinstance(perturbation, str) and perturbation not in ("noise", "removal"):
            raise ValueError(
                f"perturbation is {perturbation!r}; it must be 'noise', 'removal' or an array"
            )
        self.perturbation: Any = perturbation
        self.noise: float = float(noise)
        self.size: int | float = size
        self.samples: int = positive_int(samples, "samples")
        self.scaled: bool = bool(scaled)
        self.per_activation: bool | None = per_activation

    def _score(self, explained: Explained) -> Score:
        z, base, _ = self._ends(explained.inputs)
        gap: Array | None = z.astype("float64") - base
        values = self._fitted(explained, z)
        if not self._is_per_activation(explained):
            with np.errstate(divide="ignore", invalid="ignore"):
                values = np.where(gap == 0, 0.0, values / gap)
        else:
            gap = None
        if isinstance(self.perturbation, str) and self.perturbation == "removal":
            foretold, found = self._by_removal(explained, z, base, values)
        else:
            foretold, found = self._by_shifts(explained, z, values, gap)
        if self.scaled:
            squares = (foretold**2).sum(axis=1)
            factor = np.where(squares > 0, (foretold * found).sum(axis=1), 0.0)
            foretold = foretold * (factor / np.where(squares > 0, squares, 1.0))[:, np.newaxis]
        off = (foretold - found) ** 2
        n = off.shape[1]
        error = off.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else None
        return self._of(off.mean(axis=1), sampling_error=error)

    def _is_per_activation(self, explained: Explained) -> bool:
        given = self.per_activation
        found = explained.per_activation if given is None else bool(given)
        if found is None:
            raise ValueError(
                "are these numbers per activation, as a gradient is, or in units of the quantity? "
                "Say per_activation=True or False"
            )
        return found

    def _by_removal(
        self, explained: Explained, z: Array, base: Array, values: Array
    ) -> tuple[Array, Array]:
        regions = self._regions(z)
        shares = values * (z.astype("float64") - base)
        design = Subsets(self.samples, self.size, self.seed)
        return self._removed(explained.inputs, design, shares, regions)

    def _by_shifts(
        self, explained: Explained, z: Array, values: Array, gap: Array | None
    ) -> tuple[Array, Array]:
        where = None if gap is None else gap != 0
        doi = _Shifted(self._shifts(z.shape), where)
        q = self._responses(doi, explained.inputs)[0]
        foretold = np.stack([doi.dot(p, values) for p in range(1, doi.n_points)], axis=1)
        return foretold, q[:, :1] - q[:, 1:]

    def _shifts(self, shape: tuple[int, ...]) -> Shifts:
        if isinstance(self.perturbation, str):
            return Shifts(self.samples, shape[1:], self.noise, self.seed)
        given = np.asarray(self.perturbation, "float64")
        if given.shape[1:] not in (shape, shape[1:], (1, *shape[1:])):
            raise ValueError(
                f"perturbations of shape {given.shape} do not fit the value of shape {shape}: give "
                "(samples, …) or (samples, records, …)"
            )
        if given.ndim == len(shape):
            given = given[:, np.newaxis]
        return Shifts(len(given), shape[1:], self.noise, self.seed, given)


class Shifts:
    """Perturbations I of one record's shape, or of all records, as they are asked for.

    Args:
        n: how many.
        shape: of one record.
        noise: the standard deviation, where they are drawn.
        seed: of the draws.
        given: (n, records or 1, …), where they are not drawn.
    """

    def __init__(
        self,
        n: int,
        shape: tuple[int, ...],
        noise: float = 0.0,
        seed: int = 0,
        given: Array | None = None,
    ) -> None:
        self.n: int = n
        self._shape, self._noise, self._seed, self._given = shape, noise, seed, given

    def __call__(self, i: int) -> Array:
        """Perturbation i, (records or 1, …)."""
        if self._given is not None:
            return np.asarray(self._given[i])
        bits = np.random.Philox(key=self._seed, counter=[0, _SHIFTS, 0, i])
        return self._noise * np.random.Generator(bits).standard_normal((1, *self._shape))


class _Shifted(DoI):
    """The value; then the value less each perturbation."""

    def __init__(self, shifts: Shifts, where: Array | None) -> None:
        super().__init__()
        self._shifts, self._where = shifts, where

    def __call__(self, z: Any) -> Any:
        raise NotImplementedError("of the records that are judged")

    @property
    def n_points(self) -> int:
        return self._shifts.n + 1

    @property
    def by_record(self) -> bool:
        return True

    def _shift(self, point: int) -> Array:
        own = self._shifts(point - 1)
        return own if self._where is None else np.asarray(own * self._where)

    def dot(self, point: int, values: Array) -> Array:
        """I · φ of each record, (records,)."""
        n = len(values)
        own = np.broadcast_to(self._shift(point), values.shape)
        return np.asarray(np.einsum("ij,ij->i", own.reshape(n, -1), values.reshape(n, -1)))

    def points(self, records: Records, baseline: list[Any] | None) -> LazyPoints:
        del baseline
        backend, (z,) = records.backend, records.z
        rows = np.minimum(np.arange(records.first, records.first + z.shape[0]), records.last - 1)

        def one(point: int) -> Array:
            if not point:
                return np.zeros((len(rows), *z.shape[1:]))
            own = self._shift(point)
            own = own if len(own) == 1 else own[rows]
            return np.broadcast_to(own, (len(rows), *z.shape[1:]))

        def stack(i: int, j: int) -> list[Any]:
            shifts = np.stack([one(p) for p in range(i, j)])
            t = backend.xp.expand_dims(z, axis=0)
            return [t - backend.cast(backend.from_numpy(shifts, like=z), z)]

        n = self.n_points
        return LazyPoints((1 / n,) * n, stack)

"""ROAD: removed pixels are filled in from their neighbours, so that their shape tells nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from trulens_core.distributions import DoI
from trulens_core.distributions.points import LazyPoints, Records
from trulens_core.metrics.explained import Explained
from trulens_core.metrics.metric import OfModel
from trulens_core.metrics.scores import Array, Better, Curve, Score
from trulens_core.metrics.sums import ranks
from trulens_core.optional import require
from trulens_core.segments import Regions

_NEIGHBOURS = (
    *((d, 1 / 6) for d in ((0, 1), (0, -1), (1, 0), (-1, 0))),
    *((d, 1 / 12) for d in ((1, 1), (1, -1), (-1, 1), (-1, -1))),
)
_NOISE = 10
"""The stream of draws of noise."""


class ROAD(OfModel):
    """How far the quantity falls as pixels are removed and filled in (Rong et al., 2022).

    The most important pixels are replaced by what their neighbours suggest, a solution of linear
    equations, with a little noise: unlike zeros it does not tell the model which pixels were
    removed. The value is the mean of q over the shares. Needs SciPy (extra `designs`).

    Args:
        model: a model or its wrapper, also of a function of arrays; of images.
        shares: of the pixels, that are removed.
        noise: its standard deviation, in units of the value.
        **options: `qoi` (the class predicted), `qoi_cut`, `doi_cut`, `seed`, `rebatch_size`,
            `progress`: see `OfModel`.

    Raises:
        ValueError: for shares that are none, and when used for what is no image.
        ImportError: when used, without SciPy.

    Example:
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_image_model
        >>> model, x = small_image_model()
        >>> ROAD(model, qoi=0).score(InputAttribution(model, qoi=0), x).curve.values.shape
        (2, 9)
    """

    better: ClassVar[Better] = "lower"

    def __init__(
        self,
        model: Any,
        *,
        shares: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        noise: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        self.shares: tuple[float, ...] = tuple(map(float, shares))
        if not self.shares or not all(0 < s < 1 for s in self.shares):
            raise ValueError(f"shares are {self.shares}; each must lie between 0 and 1")
        self.noise: float = float(noise)

    def _score(self, explained: Explained) -> Score:
        z = self._ends(explained.inputs)[0]
        axis = self._model.channel_axis(self._at)
        if z.ndim != 4 or axis is None:
            raise ValueError(
                f"ROAD fills in pixels of images of four axes, and {self._at} holds {z.shape}"
            )
        axis %= z.ndim
        maps = self._fitted(explained, z).sum(axis=axis)
        pixels = Regions.of_labels(np.arange(maps[0].size).reshape(maps[0].shape), maps[0].shape)
        places = np.stack(ranks(maps, [pixels] * len(maps), self.seed)).reshape(maps.shape)
        doi = _FilledIn(places, self.shares, axis, self.noise, self.seed)
        curve = Curve(np.asarray(self.shares), self._responses(doi, explained.inputs)[0])
        return self._of(curve.values.mean(axis=1), curve=curve)


class _FilledIn(DoI):
    """Images whose most important pixels are filled in, a point for each share."""

    def __init__(
        self, places: Array, shares: Sequence[float], axis: int, noise: float, seed: int
    ) -> None:
        super().__init__()
        self._places, self._shares, self._axis = places, shares, axis
        self._noise, self._seed = noise, seed

    def __call__(self, z: Any) -> Any:
        raise NotImplementedError("of the records that were ranked")

    @property
    def n_points(self) -> int:
        return len(self._shares)

    @property
    def by_record(self) -> bool:
        return True

    def points(self, records: Records, baseline: list[Any] | None) -> LazyPoints:
        del baseline
        backend, (z,) = records.backend, records.z
        images = np.moveaxis(backend.to_numpy(z), self._axis, 1)
        places = self._places[records.first : records.last]
        places = np.concatenate([places, places[-1:].repeat(len(images) - len(places), axis=0)])

        def stack(i: int, j: int) -> list[Any]:
            made = [
                [self._image(image, own, p) for image, own in zip(images, places, strict=True)]
                for p in range(i, j)
            ]
            whole: Array = np.moveaxis(np.asarray(made), 2, self._axis + 1)
            return [backend.from_numpy(np.ascontiguousarray(whole, images.dtype), like=z)]

        n = len(self._shares)
        return LazyPoints((1 / n,) * n, stack)

    def _image(self, image: Array, places: Array, point: int) -> Array:
        removed = places < round(self._shares[point] * places.size)
        if not removed.any():
            return image
        bits = np.random.Philox(key=self._seed, counter=[0, _NOISE, 0, point])
        noise = np.random.Generator(bits).standard_normal((len(image), *places.shape))
        return filled_in(image, removed) + self._noise * noise * removed


def filled_in(image: Array, removed: Array) -> Array:
    """An image (channels, rows, columns) whose removed pixels are means of their neighbours.

    Each is the mean of the eight around it, those at a side weighing twice those at a corner,
    removed ones included, so that together they solve linear equations.

    Example:
        >>> row = np.array([[[0.0, 9.0, 2.0]]])
        >>> filled_in(row, np.array([[False, True, False]]))
        array([[[0., 1., 2.]]])
    """
    sparse: Any = require("scipy.sparse", "designs")
    solve: Any = require("scipy.sparse.linalg", "designs").spsolve
    at = np.argwhere(removed)
    number = np.full(removed.shape, -1)
    number[removed] = np.arange(len(at))
    diagonal = np.zeros(len(at))
    right = np.zeros((len(at), len(image)))
    rows, columns, weights = [], [], []
    for offset, weight in _NEIGHBOURS:
        near = at + offset
        inside = np.flatnonzero(((near >= 0) & (near < removed.shape)).all(axis=1))
        near = near[inside]
        diagonal[inside] += weight
        unknown = number[near[:, 0], near[:, 1]]
        known = unknown < 0
        right[inside[known]] += weight * image[:, near[known, 0], near[known, 1]].T
        rows.append(inside[~known])
        columns.append(unknown[~known])
        weights.append(np.full(int((~known).sum()), -weight))
    rows.append(np.arange(len(at)))
    columns.append(np.arange(len(at)))
    weights.append(diagonal)
    parts = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    matrix = sparse.csc_matrix(parts, shape=(len(at), len(at)))
    new = image.astype("float64")
    new[:, removed] = solve(matrix, right).reshape(len(at), -1).T
    return new

"""Curves of what a quantity does as more and more is removed, or brought back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from trulens_core.distributions.quadrature import positive_int
from trulens_core.metrics.explained import Explained
from trulens_core.metrics.ladders import Ladder
from trulens_core.metrics.metric import OfModel
from trulens_core.metrics.scores import Better, Curve, Score
from trulens_core.metrics.sums import numbered, ranks
from trulens_core.segments import Segments


class _ByRank(OfModel):
    """The quantity along a ladder of segments, from the most important on."""

    keeps: ClassVar[bool]

    def __init__(
        self,
        model: Any,
        segments: Segments | None = None,
        *,
        steps: int | Sequence[float] = 20,
        **options: Any,
    ) -> None:
        super().__init__(model, segments, **options)
        self.steps: int | tuple[float, ...] = (
            tuple(map(float, steps))
            if isinstance(steps, Sequence)
            else positive_int(steps, "steps")
        )
        if isinstance(self.steps, tuple) and not _rising(self.steps):
            raise ValueError(f"steps are {self.steps}; they must be shares that rise from 0 to 1")

    def _score(self, explained: Explained) -> Score:
        curve = self._curve(explained)
        return self._of(curve.area(), curve=curve)

    def _curve(self, explained: Explained, least_first: bool = False) -> Curve:
        z = self._ends(explained.inputs)[0]
        regions = self._regions(z)
        values = self._fitted(explained, z)
        places = ranks(-values if least_first else values, regions, self.seed)
        most = min(r.n for r in regions)
        steps = self.steps
        at = (
            np.asarray(steps)
            if isinstance(steps, tuple)
            else np.linspace(0, 1, min(steps, most) + 1)
        )
        design = Ladder(tuple(map(float, at)), keep=self.keeps)
        doi = self._masked(design, numbered(regions, places))
        found = self._responses(doi, explained.inputs)[0]
        if len({r.n for r in regions}) == 1:  # what was removed, where shares of n are not whole
            at = np.round(at * most) / most
        return Curve(at, found)


class Deletion(_ByRank):
    """How fast the quantity falls as the most important parts are removed (Petsiuk et al., 2018).

    The value is the area under q over the share that is removed, in units of q: of an explanation
    that is right q falls at once, so that it is small. Segments are removed by their mean
    attribution. Also known as pixel flipping (Samek et al., 2017).

    Law: for a linear model with weights w, baseline 0 and attributions wᵢ xᵢ it is the area under
    the partial sums of wᵢ xᵢ from the greatest on, and no order gives less.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what is removed together, `Segments`: pixels of all channels are
            `Segments.grid(1)`; None is every element by itself.
        steps: in how many equal steps all is removed, at most one per segment; or the shares.
        **options: `baseline`, `qoi` (the class predicted), `qoi_cut`, `doi_cut`, `seed`,
            `rebatch_size`, `progress`: see `OfModel`.

    Raises:
        ValueError: for steps that are no shares that rise.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> score = Deletion(model, qoi=0).score(InputAttribution(model, qoi=0), x)
        >>> score.curve.values.shape, score.better
        ((2, 6), 'lower')
    """

    better: ClassVar[Better] = "lower"
    keeps: ClassVar[bool] = False


class Insertion(_ByRank):
    """How fast the quantity rises as the most important parts are brought back.

    The value is the area under q over the share of the record that is there, beginning at the
    baseline (Petsiuk et al., 2018): great for an explanation that is right.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what is brought back together, as for `Deletion`.
        steps: as for `Deletion`.
        **options: as for `Deletion`.

    Raises:
        ValueError: for steps that are no shares that rise.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> Insertion(model, qoi=0).score(InputAttribution(model, qoi=0), x).curve.at
        array([0. , 0.2, 0.4, 0.6, 0.8, 1. ])
    """

    better: ClassVar[Better] = "higher"
    keeps: ClassVar[bool] = True


class Monotonicity(_ByRank):
    """The share of steps at which bringing parts back, the least important first, lowers nothing.

    1 where the quantity never falls (Arya et al., 2019, whose test is whether it is 1).

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what is brought back together, as for `Deletion`.
        steps: as for `Deletion`.
        **options: as for `Deletion`.

    Raises:
        ValueError: for steps that are no shares that rise.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> Monotonicity(model, qoi=0).score(InputAttribution(model, qoi=0), x).values.shape
        (2,)
    """

    better: ClassVar[Better] = "higher"
    keeps: ClassVar[bool] = True

    def _score(self, explained: Explained) -> Score:
        curve = self._curve(explained, least_first=True)
        return self._of((np.diff(curve.values, axis=1) >= 0).mean(axis=1), curve=curve)


def _rising(steps: Sequence[float]) -> bool:
    inside = all(0 <= s <= 1 for s in steps)
    return len(steps) > 1 and inside and bool(np.all(np.diff(steps) > 0))

"""Whether attributions add up to what removing parts takes away."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from trulens_core.distributions.quadrature import positive_int
from trulens_core.metrics.explained import Explained
from trulens_core.metrics.ladders import GivenMasks, Subsets
from trulens_core.metrics.metric import OfModel
from trulens_core.metrics.scores import Array, Better, Score
from trulens_core.segments import Segments

_ROUNDING = 1e-12


class Completeness(OfModel):
    """By how much attributions fail to add up to q(x) − q(baseline), as a part of it.

        |q(x) − q(baseline) − Σ attributions| / |q(x) − q(baseline)|

    Only for attributions in units of the quantity that promise it, as integrated gradients do.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        **options: `baseline`, which is that of the explanation, `qoi` (the class predicted),
            `qoi_cut`, `doi_cut`, `rebatch_size`: see `OfModel`.

    Example:
        >>> from trulens_core import IntegratedGradients
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> Completeness(model, qoi=0).score(IntegratedGradients(model, qoi=0), x).mean < 0.01
        True
    """

    better: ClassVar[Better] = "lower"

    def __init__(self, model: Any, **options: Any) -> None:
        super().__init__(model, **options)

    def _score(self, explained: Explained) -> Score:
        z, _, q = self._ends(explained.inputs)
        values = self._fitted(explained, z)
        gained = q[:, 0] - q[:, 1]
        off = np.abs(gained - values.reshape(len(values), -1).sum(axis=1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._of(off / np.abs(gained))


class FaithfulnessCorrelation(OfModel):
    """Whether attributions foretell what removing parts takes away: a correlation.

    Of Σ attributions of the removed segments, and q(x) − q(x without them), over segments drawn at
    random (Bhatt et al., 2020). Attributions are in units of the quantity.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what is removed together; None is every element by itself.
        size: how many are removed at a time: a number, or a share of them.
        samples: how often; or the masks themselves, booleans (samples, segments), True is kept.
        **options: `baseline`, `qoi` (the class predicted), `qoi_cut`, `doi_cut`, `seed`,
            `rebatch_size`, `progress`: see `OfModel`.

    Raises:
        ValueError: for fewer than three samples, or masks or a size that do not fit.

    Example:
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> FaithfulnessCorrelation(model, qoi=0).score(InputAttribution(model, qoi=0), x).better
        'higher'
    """

    better: ClassVar[Better] = "higher"

    def __init__(
        self,
        model: Any,
        segments: Segments | None = None,
        *,
        size: int | float = 0.2,
        samples: int | Any = 100,
        **options: Any,
    ) -> None:
        super().__init__(model, segments, **options)
        self.size: int | float = size
        n = samples if isinstance(samples, int) else len(samples)
        self.samples: Any = n if isinstance(samples, int) else np.asarray(samples)
        if positive_int(n, "samples") < 3:
            raise ValueError("a correlation needs three samples or more")

    def _score(self, explained: Explained) -> Score:
        z = self._ends(explained.inputs)[0]
        design: Any = (
            Subsets(self.samples, self.size, self.seed)
            if isinstance(self.samples, int)
            else GivenMasks(self.samples)
        )
        values, regions = self._fitted(explained, z), self._regions(z)
        foretold, found = self._removed(explained.inputs, design, values, regions)
        r = correlation(foretold, found)
        return self._of(r, sampling_error=(1 - r**2) / np.sqrt(found.shape[1] - 2))


def correlation(a: Array, b: Array) -> Array:
    """Pearson's correlation of the rows of two tables; NaN for a row that does not vary.

    Example:
        >>> correlation(np.array([[1.0, 2.0, 3.0]]), np.array([[2.0, 4.0, 6.0]])).round(9)
        array([1.])
    """
    x, y = (_standardized(t) for t in (a, b))
    return np.asarray((x * y).sum(axis=1))


def _standardized(table: Array) -> Array:
    """Rows of mean 0 and length 1; NaN where they vary by no more than rounding."""
    off = table - table.mean(axis=1, keepdims=True)
    length = np.sqrt((off**2).sum(axis=1, keepdims=True))
    small = _ROUNDING * np.sqrt((table**2).sum(axis=1, keepdims=True))
    return np.where(length > small, off / np.where(length > small, length, 1.0), np.nan)

"""LIME: a linear model of the quantity near the record."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, Unpack, get_args

import numpy as np

from trulens_core.attribution.method import Options
from trulens_core.distributions import Design, Masks
from trulens_core.distributions.quadrature import positive_int
from trulens_core.perturbation.bernoulli import Bernoulli
from trulens_core.perturbation.method import Each, Perturbation
from trulens_core.perturbation.regressions import Ridge
from trulens_core.perturbation.solvers import Array
from trulens_core.perturbation.solving import Made

Distance = Literal["cosine", "euclidean"]


@dataclasses.dataclass(frozen=True)
class Nearness:
    """The weight of a mask: √exp(−d² / width²), d its distance from the mask that keeps all."""

    width: float
    distance: Distance

    def __call__(self, masks: Array) -> Array:
        """The weights (k,) of masks (k, segments)."""
        kept, n = masks.sum(axis=1), masks.shape[1]
        far = 1 - np.sqrt(kept / n) if self.distance == "cosine" else np.sqrt(n - kept)
        return np.asarray(np.sqrt(np.exp(-(far**2) / self.width**2)))


@dataclasses.dataclass(frozen=True)
class Ridges:
    """A ridge regression for each call, of these options."""

    kernel: Nearness
    alpha: float

    def __call__(self, masks: Masks, records: int) -> Ridge:
        return Ridge(masks, records, self.kernel, self.alpha)


class LIME(Perturbation):
    """Coefficients of a weighted ridge regression of the quantity on masks (Ribeiro et al., 2016).

    Each segment is kept or removed with equal odds; masks count by how near they are to keeping
    everything. The coefficients need not add up to anything. `explain` gives their
    `standard_error` for the ridge and kernel that were chosen.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what is kept or removed together, see `Segments`; None is every element by itself.
        samples: how many masks, that of the record itself included.
        baseline: what takes the place of a removed segment, see `Perturbation`; None is zeros.
        kernel_width: how fast the weight of a mask falls with its distance.
        distance: "cosine", or "euclidean" (the root of how many segments are removed).
        alpha: of the ridge.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the segments live; None is the input.
        seed: of the masks, and of rows of `Marginal`.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for samples, a width, distance or alpha that cannot be.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> LIME(model, qoi=0, samples=100).attributions(x).shape
        (2, 5)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        segments: Each = None,
        *,
        samples: int = 1000,
        baseline: Any = None,
        kernel_width: float = 0.25,
        distance: Distance = "cosine",
        alpha: float = 1.0,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> None:
        self.samples: int = positive_int(samples, "samples")
        if distance not in get_args(Distance):
            raise ValueError(f"distance is {distance!r}; it must be 'cosine' or 'euclidean'")
        if not (kernel_width > 0 and alpha >= 0 and math.isfinite(kernel_width + alpha)):
            raise ValueError(
                f"kernel_width is {kernel_width!r} and alpha {alpha!r}; give finite numbers, the "
                "first above 0, the second not below"
            )
        self._near = Nearness(float(kernel_width), distance)
        self.alpha: float = float(alpha)
        super().__init__(
            model,
            segments,
            baseline=baseline,
            qoi=qoi,
            qoi_cut=qoi_cut,
            doi_cut=doi_cut,
            seed=seed,
            **options,
        )

    def _recipe(self) -> tuple[Design, Made]:
        return Bernoulli(self.samples, self.seed), Ridges(self._near, self.alpha)

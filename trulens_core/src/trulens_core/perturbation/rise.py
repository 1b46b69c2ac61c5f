"""RISE: the mean quantity where a place is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from trulens_core.attribution.method import Options
from trulens_core.distributions import Design
from trulens_core.distributions.quadrature import positive_int
from trulens_core.perturbation.grids import Grids
from trulens_core.perturbation.method import Perturbation
from trulens_core.perturbation.solving import Made
from trulens_core.perturbation.weighted_means import MaskMeans
from trulens_core.segments import Segments


class RISE(Perturbation):
    """The mean of the quantity over smooth random masks, where a place is kept.

        Σ q m / Σ m    (Petsiuk et al., 2018)

    Masks are small grids of cells that are kept with some probability, enlarged and shifted. The
    paper divides by their expected sum instead, so that a constant in the quantity leaks into the
    map.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        samples: how many masks.
        cells: of a grid, or one number per axis of space or time.
        keep: the probability that a cell is kept.
        channel_axis: which axis of the value holds channels, see `Segments.grid`.
        baseline: what takes the place of what is removed, see `Perturbation`; None is zeros.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: what is masked; None is the input.
        seed: of the masks.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for samples, cells or a probability that cannot be.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_image_model
        >>> model, x = small_image_model()
        >>> RISE(model, samples=50, cells=3).attributions(x).shape == x.shape
        True
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        *,
        samples: int = 4000,
        cells: int | Sequence[int] = 7,
        keep: float = 0.5,
        channel_axis: int | None = None,
        baseline: Any = None,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> None:
        self.samples: int = positive_int(samples, "samples")
        sizes = list(cells) if isinstance(cells, Sequence) else [cells]
        checked = tuple(positive_int(n, "cells") for n in sizes)
        self.cells: int | tuple[int, ...] = checked if isinstance(cells, Sequence) else checked[0]
        if not 0 < keep < 1:
            raise ValueError(f"keep is {keep!r}; it must lie between 0 and 1")
        self.keep: float = float(keep)
        super().__init__(
            model,
            Segments.grid(1, channel_axis=channel_axis),
            baseline=baseline,
            qoi=qoi,
            qoi_cut=qoi_cut,
            doi_cut=doi_cut,
            seed=seed,
            **options,
        )

    def _recipe(self) -> tuple[Design, Made]:
        return Grids(self.samples, self.cells, self.keep, self.seed), MaskMeans

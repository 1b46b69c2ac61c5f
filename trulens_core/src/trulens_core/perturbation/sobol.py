"""Total Sobol indices of segments."""

from __future__ import annotations

from typing import Any, Unpack, get_args

from trulens_core.attribution.method import Options
from trulens_core.distributions import Design
from trulens_core.distributions.quadrature import positive_int
from trulens_core.perturbation.method import Each, Perturbation
from trulens_core.perturbation.sequences import Exchanges, Kind
from trulens_core.perturbation.solving import Made
from trulens_core.perturbation.variances import TotalIndices


class Sobol(Perturbation):
    """Which part of the quantity's variance each segment has a hand in (Fel et al., 2021).

    Each segment is kept in part, by a number in [0, 1] that varies by itself. The total index of a
    segment is the part of the variance that stays while only it varies, by Jansen's estimator;
    together they exceed 1 where segments act together. It has no sign.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what varies together, see `Segments`; None is every element by itself.
        samples: how many points, each of which takes K + 1 passes for K segments; a power of two
            for Sobol's sequence.
        sequence: "sobol" or "halton" (extra `designs`), shifted at random, which have no standard
            error; or "random", which has one.
        baseline: what takes the place of what is removed, see `Perturbation`; None is zeros.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the segments live; None is the input.
        seed: of the shift, or of the points.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for samples or a sequence that cannot be.
        ImportError: when used, for a sequence without SciPy.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> Sobol(model, qoi=0, samples=16).attributions(x).shape
        (2, 5)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        segments: Each = None,
        *,
        samples: int = 32,
        sequence: Kind = "sobol",
        baseline: Any = None,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> None:
        self.samples: int = positive_int(samples, "samples")
        if sequence not in get_args(Kind):
            raise ValueError(f"sequence is {sequence!r}; it must be one of {get_args(Kind)}")
        if sequence == "sobol" and self.samples & (self.samples - 1):
            raise ValueError(f"samples is {samples}; Sobol's sequence takes a power of two")
        self.sequence: Kind = sequence
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
        return Exchanges(self.samples, self.sequence, self.seed), TotalIndices

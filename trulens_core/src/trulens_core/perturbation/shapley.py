"""Shapley values: exact, from permutations, and from a regression."""

from __future__ import annotations

from typing import Any, Unpack, get_args

from trulens_core.attribution.method import Options
from trulens_core.distributions import Design
from trulens_core.distributions.quadrature import positive_int
from trulens_core.influence.questions import SampleTolerance
from trulens_core.perturbation.all_masks import AllMasks
from trulens_core.perturbation.kernel import Kernel
from trulens_core.perturbation.method import Each, Perturbation
from trulens_core.perturbation.orders import OrderMeans
from trulens_core.perturbation.permutations import Permutations
from trulens_core.perturbation.regressions import ShapleyRegression
from trulens_core.perturbation.shapley_sums import INTERACTIONS, Exact, Index
from trulens_core.perturbation.solving import Made

_FIRST_ORDERS = 20
_FIRST_MASKS = 1024


class ShapleyValues(Perturbation):
    """Shapley values of segments (Shapley, 1953): what each adds, over all orders of adding them.

    Laws: they add up to q(x) − q(baseline) (efficiency), segments that do the same have the same
    (symmetry), one that changes nothing has 0 (dummy), and they are linear in the quantity.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: the players, see `Segments`; None is every element by itself.
        samples: how many permutations, in pairs of one and its reverse, each of which takes a pass
            for every segment but one; `explain` then has a `standard_error` (promised from 10
            pairs on). None is exact: all 2^K coalitions, for up to 16 segments.
        baseline: what takes the place of a removed segment, see `Perturbation`; None is zeros.
        antithetic: False draws each permutation by itself.
        interactions: "sii" or "taylor" gives instead of K values a matrix (records, K, K). Off the
            diagonal are the Shapley interaction indices of pairs (Grabisch and Roubens, 1999), or
            the Shapley-Taylor indices (Sundararajan et al., 2020); on it Shapley values, or
            q(the segment alone) − q(baseline), which with each pair's once add up.
        tolerance: instead of `samples`, the standard error that is accepted of the worst segment,
            as a part of q(x) − q(baseline); samples are doubled until it is met.
        max_samples: with `tolerance`, the most there may be.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the segments live; None is the input.
        seed: of the permutations, and of rows of `Marginal`.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for samples or a tolerance that cannot be, and when used for more than 16
            segments without samples.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> result = ShapleyValues(model, qoi=0).explain(x)
        >>> result.attributions.shape, bool((abs(result.residual) < 1e-12).all())
        ((2, 5), True)
        >>> ShapleyValues(model, qoi=0, samples=20).explain(x).standard_error.shape
        (2, 5)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        segments: Each = None,
        *,
        samples: int | None = None,
        baseline: Any = None,
        antithetic: bool = True,
        interactions: Index | None = None,
        tolerance: float | None = None,
        max_samples: int = 20_000,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> None:
        self.samples: int | None = None if samples is None else positive_int(samples, "samples")
        self._stated = _stated(tolerance, samples, _FIRST_ORDERS, max_samples)
        self.antithetic: bool = bool(antithetic)
        self.interactions: Index | None = interactions
        if interactions is not None and interactions not in get_args(Index):
            raise ValueError(f"interactions is {interactions!r}; it must be 'sii' or 'taylor'")
        if interactions is not None and (samples is not None or tolerance is not None):
            raise ValueError("interactions= take all coalitions; leave samples= and tolerance= out")
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
        if self.interactions is not None:
            return AllMasks(), INTERACTIONS[self.interactions]
        if self.samples is None and self._stated is None:
            return AllMasks(), Exact
        n = self.samples or _FIRST_ORDERS
        return Permutations(n, self.seed, self.antithetic), OrderMeans

    def _tolerance(self) -> SampleTolerance | None:
        return self._stated


class KernelSHAP(Perturbation):
    """Shapley values by a weighted regression over coalitions (Lundberg and Lee, 2017).

    Coalitions come with their complements, and sizes that fit are enumerated, so that it is exact
    where all fit (Covert and Lee, 2021). Values add up to q(x) − q(baseline) exactly; segments
    that equal their baseline have 0. It is consistent, not unbiased. For fewer than 16 segments
    `ShapleyValues` is exact at a like cost.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: the players, see `Segments`; None is every element by itself.
        samples: how many coalitions, at least five for each segment; None is 2 K + 2048. The
            `standard_error` that `explain` gives is promised from six for each segment on.
        baseline: what takes the place of a removed segment, see `Perturbation`; None is zeros.
        tolerance: instead of `samples`, the standard error that is accepted of the worst segment,
            as a part of q(x) − q(baseline); samples are doubled until it is met.
        max_samples: with `tolerance`, the most there may be.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the segments live; None is the input.
        seed: of the coalitions, and of rows of `Marginal`.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for samples or a tolerance that cannot be, and when used for too few samples.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> result = KernelSHAP(model, qoi=0).explain(x)  # all coalitions of 5 fit
        >>> exact = ShapleyValues(model, qoi=0).attributions(x)
        >>> bool((abs(result.attributions - exact) < 1e-10).all())
        True
    """

    _drops = True

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        segments: Each = None,
        *,
        samples: int | None = None,
        baseline: Any = None,
        tolerance: float | None = None,
        max_samples: int = 200_000,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> None:
        self.samples: int | None = None if samples is None else positive_int(samples, "samples")
        self._stated = _stated(tolerance, samples, _FIRST_MASKS, max_samples)
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
        return Kernel(self.samples, self.seed), ShapleyRegression

    def _tolerance(self) -> SampleTolerance | None:
        return self._stated


def _stated(
    tolerance: float | None, samples: int | None, first: int, most: int
) -> SampleTolerance | None:
    if tolerance is None:
        return None
    if samples is not None:
        raise ValueError("tolerance= chooses the number of samples; leave samples= out")
    return SampleTolerance(tolerance, first, positive_int(most, "max_samples"))

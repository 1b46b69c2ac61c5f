"""Integrated gradients."""

from __future__ import annotations

import dataclasses
from typing import Any, Unpack

from trulens_core.attribution.gradients import InputAttribution
from trulens_core.attribution.method import Options
from trulens_core.attribution.positions import no_number_by_position
from trulens_core.distributions import LinearDoi
from trulens_core.distributions.quadrature import Rule
from trulens_core.influence.questions import Question, Tolerance


class _Default(int):
    """An int that can be told from the same number given by the caller."""


_DEFAULT_RESOLUTION = _Default(50)


class IntegratedGradients(InputAttribution):
    """Integrated gradients (Sundararajan et al., 2017): mean gradient on a line, times x − b.

        (x − b) ⊙ ∫₀¹ ∂q(b + α (x − b)) / ∂x dα

    Completeness: the attributions of a record add up to q(x) − q(b), to the quadrature's error,
    which `explain` reports as `residual`.

    IntegratedGradients(m, b, n, rule=r) = InternalInfluence(m, (InputCut(), OutputCut()), 'max',
    LinearDoi(b, n, rule=r)) for every r; the default rules differ.

    Args:
        model: a model or its wrapper.
        baseline: where the line starts, see `LinearDoi`; None is zeros.
        resolution: how many points. Not together with `tolerance`.
        doi_cut: where the line lives; None is the input.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        rule: of quadrature. The default, "midpoint", is as good as any where the network is
            piecewise linear (ReLU) and never evaluates at the baseline itself; for smooth ones
            (GELU, tanh) "gauss-legendre" needs far fewer points. `LinearDoi` has another default,
            "endpoints".
        tolerance: instead of a number of points, the error of completeness that is accepted, as
            a part of q(x) − q(b): each record gets 3, 9, 27, … midpoints until it meets it, see
            `trulens_core.influence.tolerance`. `explain` tells `n_points` and `converged` for
            each record.
        max_resolution: the most points a record may use to meet the tolerance.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Raises:
        ValueError: for a resolution, rule or tolerance that cannot be used, or two of them that
            exclude each other.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> result = IntegratedGradients(model, resolution=64).explain(x)
        >>> bool((abs(result.residual) < 0.05).all())
        True
    """

    @no_number_by_position
    def __init__(  # noqa: PLR0913 - the documented signature
        self,
        model: Any,
        baseline: Any = None,
        resolution: int = _DEFAULT_RESOLUTION,
        doi_cut: Any = None,
        qoi: Any = "max",
        qoi_cut: Any = None,
        *,
        rule: Rule = "midpoint",
        tolerance: float | None = None,
        max_resolution: int = 729,
        **options: Unpack[Options],
    ) -> None:
        self._tolerance = None if tolerance is None else Tolerance(tolerance, max_resolution)
        doi = LinearDoi(baseline, resolution, rule=rule)
        super().__init__(model, qoi_cut=qoi_cut, qoi=qoi, doi_cut=doi_cut, doi=doi, **options)
        if self._tolerance is not None:
            self._check_tolerance(resolution, rule)

    def _question(self) -> Question:
        return dataclasses.replace(super()._question(), tolerance=self._tolerance)

    def _check_tolerance(self, resolution: int, rule: Rule) -> None:
        if resolution is not _DEFAULT_RESOLUTION:
            raise ValueError("give resolution= or tolerance=, not both")
        if rule != "midpoint":
            raise ValueError(f"tolerance= nests midpoints, so rule={rule!r} cannot be chosen")
        if self.return_grads or self.return_doi:
            raise ValueError(
                "with tolerance= records have different numbers of points: return_grads and "
                "return_doi need resolution="
            )

"""Gradients over a distribution: the formula itself, and its form for a model's input."""

from __future__ import annotations

from typing import Any, Unpack

from trulens_core.attribution.method import AttributionMethod, Pace, Recipe
from trulens_core.attribution.positions import all_parts, no_number_by_position
from trulens_core.attribution.questions import as_question
from trulens_core.distributions import DoI, as_doi
from trulens_core.influence.questions import Question
from trulens_core.influence.short_forms import as_statistic
from trulens_core.influence.statistics import Statistic
from trulens_core.quantities import as_qoi
from trulens_core.slices import Slice, as_slice


class InternalInfluence(AttributionMethod):
    """Influence of the value at a cut on a quantity, over a distribution (Leino et al., 2018).

        influence(g ∘ h, q, D)(x) = E over z ~ D(h(x)) of ∂q(g(z)) / ∂z

    times the activation's multiplier, if `multiply_activation`.

    Args:
        model: a model or its wrapper.
        cuts: a `Slice`, a pair of cuts, or the source cut alone (up to the output); None is the
            full network.
        qoi: a quantity of interest or its short form.
        doi: a distribution of interest or its short form; without a cut of its own it acts at
            the model's input.
        multiply_activation: whether the gradient is multiplied with the activation at the source
            cut, less the baseline's where the distribution has one.
        return_grads: see `AttributionMethod`, as the two that follow.
        return_doi: by position too, as it always was; what follows is by keyword only.
        statistic: how the points' gradients become one answer: "mean" (the E of the formula),
            "second_moment", "variance", "path" (the sum of each gradient times the step that the
            value at the source cut takes along a path: conductance), or a `Statistic`.
        **options: `rebatch_size` and `progress`.

    Raises:
        UnknownLayerError: for a cut that names no layer of the model.
        ValueError: for anything that is no slice, quantity, distribution or statistic.

    Example:
        Gradients of the class scores with respect to a layer, at the records themselves:

        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> InternalInfluence(model, "hidden", "max", "point").attributions(x).shape
        (2, 4)
    """

    @all_parts
    def __init__(  # noqa: PLR0913 - the documented signature
        self,
        model: Any,
        cuts: Any,
        qoi: Any,
        doi: DoI | str,
        multiply_activation: bool = True,
        return_grads: bool = False,
        return_doi: bool = False,
        *,
        statistic: Statistic | str = "mean",
        **options: Unpack[Pace],
    ) -> None:
        super().__init__(model, return_grads=return_grads, return_doi=return_doi, **options)
        self._parts = as_slice(cuts), as_qoi(qoi), as_doi(doi), bool(multiply_activation)
        self._statistic = as_statistic(statistic)
        self.question()  # or its errors would wait for the first call

    def _question(self) -> Question:
        return as_question(self.model, *self._parts, statistic=self._statistic)


class InputAttribution(InternalInfluence):
    """Influence of the model's input, or of `doi_cut` as its beginning, on a quantity.

    InputAttribution(m, qc, q, dc, d) = InternalInfluence(m, (dc, qc), q, d placed at dc).

    With `"point"` these are input × gradient, and saliency (Simonyan et al., 2014) where nothing
    is multiplied.

    Args:
        model: a model or its wrapper.
        qoi_cut: where the quantity is read; None is the output.
        qoi: a quantity of interest or its short form.
        doi_cut: where the differentiable part begins; None is the input.
        doi: a distribution of interest or its short form; it acts at `doi_cut`.
        multiply_activation: see `InternalInfluence`.
        **options: `statistic`, see `InternalInfluence`; `rebatch_size`, `return_grads`,
            `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for a distribution with another cut of its own, or anything that is no cut,
            quantity or distribution.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> InputAttribution(model).attributions(x).shape == x.shape
        True
    """

    @no_number_by_position
    def __init__(
        self,
        model: Any,
        qoi_cut: Any = None,
        qoi: Any = "max",
        doi_cut: Any = None,
        doi: DoI | str = "point",
        multiply_activation: bool = True,
        **options: Unpack[Recipe],
    ) -> None:
        super().__init__(model, Slice(doi_cut, qoi_cut), qoi, doi, multiply_activation, **options)

    def _question(self) -> Question:
        at = self._parts[0].from_cut
        return as_question(self.model, *self._parts, doi_cut=at, statistic=self._statistic)

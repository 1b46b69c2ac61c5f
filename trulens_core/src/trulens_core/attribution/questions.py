"""What a method asks of its model, made of the forms that users give."""

from __future__ import annotations

from typing import Any

from trulens_core.distributions import DoI, as_doi
from trulens_core.influence.questions import Question
from trulens_core.influence.short_forms import as_statistic
from trulens_core.influence.statistics import Statistic
from trulens_core.models import ModelWrapper
from trulens_core.quantities import as_qoi
from trulens_core.slices import Cut, InputCut, as_slice


def as_question(  # noqa: PLR0913 - a method's parts
    model: ModelWrapper,
    cuts: Any,
    qoi: Any = "max",
    doi: DoI | str = "point",
    multiply_activation: bool = True,
    *,
    doi_cut: Cut | None = None,
    statistic: Statistic | str = "mean",
) -> Question:
    """The question that a slice, a quantity and a distribution are, in any of their short forms.

    Args:
        model: whose behaviour it is about.
        cuts: a `Slice`, a pair of cuts, or the source cut alone (up to the output).
        qoi: a quantity of interest or its short form.
        doi: a distribution of interest or its short form.
        multiply_activation: whether the gradient is multiplied with the activation at the source
            cut, less the baseline's where the distribution has one.
        doi_cut: where the distribution acts; None: where it says so itself, else at the input.
        statistic: how what the points give becomes one answer, or its short form.

    Raises:
        ValueError: for anything that is no slice, quantity, distribution or statistic, for a
            distribution with another cut of its own than `doi_cut`, and for a sum along a path
            that is not to be multiplied with its steps.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core import get_model_wrapper
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> as_question(get_model_wrapper(model), "hidden", 0).source
        Cut('hidden')
    """
    chosen, doi, statistic = as_slice(cuts), as_doi(doi), as_statistic(statistic)
    if statistic.follows_path and not multiply_activation:
        raise ValueError(
            f"{statistic!r} multiplies each gradient with a step of the path; "
            "multiply_activation=False would leave nothing of it"
        )
    own = doi.cut()
    if doi_cut is not None and own is not None and own != doi_cut:
        raise ValueError(
            f"doi has its own cut, {own}, but doi_cut is {doi_cut}; give the same, or use "
            "InternalInfluence, where they may differ"
        )
    return Question(
        model,
        model.resolved(chosen.from_cut),
        model.resolved(chosen.to_cut),
        as_qoi(qoi),
        doi,
        model.resolved(doi_cut or own or InputCut()),
        bool(multiply_activation),
        statistic,
    )

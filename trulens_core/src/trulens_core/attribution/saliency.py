"""Saliency."""

from __future__ import annotations

from typing import Any, Unpack

from trulens_core.attribution.gradients import InputAttribution
from trulens_core.attribution.method import Options
from trulens_core.influence.statistics import AbsoluteMean


class Saliency(InputAttribution):
    """The gradient at the record itself: ∂q/∂x, or |∂q/∂x| (Simonyan et al., 2014).

    Saliency(m) = InputAttribution(m, doi="point", multiply_activation=False).

    Args:
        model: a model or its wrapper.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the gradient is taken; None is the input.
        absolute: whether the sign is dropped, as in the paper.
        multiply_activation: whether the gradient is multiplied with the value: input × gradient.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Raises:
        ValueError: for anything that is no cut or quantity.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> bool((Saliency(model, absolute=True).attributions(x) >= 0).all())
        True
    """

    def __init__(
        self,
        model: Any,
        *,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        absolute: bool = False,
        multiply_activation: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            model,
            qoi_cut,
            qoi,
            doi_cut,
            "point",
            multiply_activation,
            statistic=AbsoluteMean() if absolute else "mean",
            **options,
        )

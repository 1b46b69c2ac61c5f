"""Guided backpropagation and the deconvolutional network."""

from __future__ import annotations

from typing import Any, Unpack

from trulens_core.attribution.gradients import InternalInfluence
from trulens_core.attribution.method import Options
from trulens_core.rules import RuleSet, composites
from trulens_core.slices import Slice


class GuidedBackprop(InternalInfluence):
    """The gradient of which every ReLU lets through what is positive (Springenberg et al., 2015).

    GuidedBackprop(m) = InternalInfluence(m, (None, None), q, "point", False, rules=guided()).

    Args:
        model: a model or its wrapper.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        layer: where the gradient is taken; None is the input.
        multiply_activation: whether the gradient is multiplied with the value there.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`; `rules` in place of the method's own.

    Raises:
        UncoveredOperationError: when used, for operations that rules cannot see.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> result = GuidedBackprop(model).explain(x)
        >>> result.attributions.shape, result.coverage.complete
        ((2, 5), True)
    """

    def __init__(
        self,
        model: Any,
        *,
        qoi: Any = "max",
        qoi_cut: Any = None,
        layer: Any = None,
        multiply_activation: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, Slice(layer, qoi_cut), qoi, "point", multiply_activation, **options)

    def _own_rules(self) -> RuleSet:
        return composites.guided()


class Deconvolution(InternalInfluence):
    """The gradient whose ReLUs look only at what arrives (Zeiler and Fergus, 2014).

    What is positive passes, also where the forward pass was closed.

    Args:
        model: a model or its wrapper.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        layer: where the gradient is taken; None is the input.
        multiply_activation: whether the gradient is multiplied with the value there.
        **options: as for `GuidedBackprop`.

    Raises:
        UncoveredOperationError: when used, for operations that rules cannot see.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> Deconvolution(model).attributions(x).shape
        (2, 5)
    """

    def __init__(
        self,
        model: Any,
        *,
        qoi: Any = "max",
        qoi_cut: Any = None,
        layer: Any = None,
        multiply_activation: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, Slice(layer, qoi_cut), qoi, "point", multiply_activation, **options)

    def _own_rules(self) -> RuleSet:
        return composites.deconvolution()

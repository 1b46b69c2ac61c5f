"""Layer-wise relevance propagation."""

from __future__ import annotations

from typing import Any, Unpack

from trulens_core.attribution.gradients import InternalInfluence
from trulens_core.attribution.method import Options
from trulens_core.rules import RuleSet, composites
from trulens_core.slices import Slice


class LRP(InternalInfluence):
    """Layer-wise relevance propagation (Bach et al., 2015), by a composite of rules.

    The quantity's value is handed back, operation by operation, in proportion to what contributed
    to it: R = x ⊙ g, g passed back by the rules. In a network without biases relevance is
    conserved, Σ R = q(x); a bias keeps its share, so that `explain` gives no `residual`.

    Args:
        model: a model or its wrapper.
        composite: "epsilon", "epsilon_plus", "epsilon_plus_flat", "epsilon_gamma_box",
            "alpha2_beta1", or for recurrent layers "gates_all" and "gates_half", see
            `trulens_core.rules.composites`; or a `RuleSet`.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        layer: whose relevance it is; None is the input.
        low: the least that a value at the source can be; of "epsilon_gamma_box".
        high: the most.
        merge: whether batch normalisation is a part of the convolution before it; of composites
            by name.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Raises:
        ValueError: for a composite that there is not, or bounds that are missing.
        UncoveredOperationError: when used, for an operation that the composite has no rule for,
            or that rules cannot see.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> result = LRP(model, "epsilon").explain(x)
        >>> result.attributions.shape, result.coverage.complete
        ((2, 5), True)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        composite: str | RuleSet = "epsilon",
        *,
        qoi: Any = "max",
        qoi_cut: Any = None,
        layer: Any = None,
        low: Any = None,
        high: Any = None,
        merge: bool = False,
        **options: Unpack[Options],
    ) -> None:
        if options.get("rules") is not None:
            raise ValueError("LRP takes its rules as composite=, by name or as a RuleSet")
        options["rules"] = _composite(composite, low, high, merge)
        super().__init__(model, Slice(layer, qoi_cut), qoi, "point", True, **options)


def _composite(given: str | RuleSet, low: Any, high: Any, merge: bool) -> RuleSet:
    boxed = given == "epsilon_gamma_box"
    if boxed != (low is not None and high is not None) or (low is None) != (high is None):
        raise ValueError(
            "low= and high= are the bounds of values at the source, for "
            "composite='epsilon_gamma_box', which needs both"
        )
    if isinstance(given, RuleSet):
        if merge:
            raise ValueError("give merge=True to the RuleSet itself")
        return given
    made = composites.LRP_COMPOSITES.get(given)
    if made is None:
        known = ", ".join(map(repr, composites.LRP_COMPOSITES))
        raise ValueError(f"composite is {given!r}; it must be one of {known}, or a RuleSet")
    return made(low, high, merge=merge) if boxed else made(merge=merge)


class AttnLRP(InternalInfluence):
    """LRP for transformers, AttnLRP (Achtibat et al., 2024).

    Linear layers, softmax and sums pass back their derivative, activations pass relevance as it
    is, products share it, and what values are normalised by is taken for a constant.

    Args:
        model: a model or its wrapper.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        layer: whose relevance it is, such as an embedding's; None is the input.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`; `rules` in place of the method's own.

    Raises:
        UncoveredOperationError: when used, for an operation that there is no rule for, or that
            rules cannot see.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> AttnLRP(model).attributions(x).shape
        (2, 5)
    """

    def __init__(
        self,
        model: Any,
        *,
        qoi: Any = "max",
        qoi_cut: Any = None,
        layer: Any = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, Slice(layer, qoi_cut), qoi, "point", True, **options)

    def _own_rules(self) -> RuleSet:
        return composites.attn_lrp()

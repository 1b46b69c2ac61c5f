"""Rule sets by name: those of the papers, for networks as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trulens_core.rules.first import Box, Flat
from trulens_core.rules.lift import Rescale, RescaleMax, RescalePath, RescaleProduct
from trulens_core.rules.reveal import Contributions, RevealCancel
from trulens_core.rules.rule import Rule
from trulens_core.rules.rule_set import RuleSet, Selector
from trulens_core.rules.standard import (
    AlphaBeta,
    Deconv,
    Epsilon,
    Gamma,
    Gradient,
    Guided,
    Identity,
    Numerator,
    Shared,
    Signal,
    Stop,
    ZPlus,
)

_SUMS = Epsilon()


def guided(**options: Any) -> RuleSet:
    """Guided backpropagation: ReLUs pass back what is positive, all else its derivative."""
    return RuleSet([("relu", Guided()), ("*", Gradient())], **options)


def deconvolution(**options: Any) -> RuleSet:
    """The deconvolutional network: ReLUs pass back what is positive, whatever they closed."""
    return RuleSet([("relu", Deconv()), ("*", Gradient())], **options)


def _lrp(conv: Rule, linear: Rule, sums: Rule = _SUMS) -> list[tuple[Selector, Rule]]:
    return [
        ("conv", conv),
        ("linear", linear),
        ("relu|pointwise|affine", Identity()),
        ("add|avg_pool", sums),
        ("max_pool", Gradient()),
    ]


def epsilon(eps: float = 1e-6, **options: Any) -> RuleSet:
    """LRP-ε throughout."""
    return RuleSet(_lrp(Epsilon(eps), Epsilon(eps), Epsilon(eps)), **options)


def epsilon_plus(**options: Any) -> RuleSet:
    """z⁺ for convolutions, ε for linear layers."""
    return RuleSet(_lrp(ZPlus(), Epsilon()), **options)


def epsilon_plus_flat(**options: Any) -> RuleSet:
    """`epsilon_plus`, and flat at the source."""
    return RuleSet(_lrp(ZPlus(), Epsilon()), first=[("conv|linear", Flat())], **options)


def epsilon_gamma_box(low: Any, high: Any, gamma: float = 0.25, **options: Any) -> RuleSet:
    """γ for convolutions, ε for linear layers, and the box of the bounds at the source."""
    rules = _lrp(Gamma(gamma), Epsilon())
    return RuleSet(rules, first=[("conv|linear", Box(low, high))], **options)


def alpha2_beta1(**options: Any) -> RuleSet:
    """α = 2, β = 1 for convolutions, ε for linear layers."""
    return RuleSet(_lrp(AlphaBeta(2.0, 1.0), Epsilon()), **options)


def gates_all(eps: float = 1e-6, **options: Any) -> RuleSet:
    """LRP-ε for recurrent layers, whose gates get nothing: LRP-all (Arras et al., 2017)."""
    rules = _lrp(Epsilon(eps), Epsilon(eps), Epsilon(eps))
    return RuleSet([*rules, ("multiply", Signal())], **options)


def gates_half(eps: float = 1e-6, **options: Any) -> RuleSet:
    """LRP-ε for recurrent layers: gate and signal get half each (Arjona-Medina et al., 2019)."""
    rules = _lrp(Epsilon(eps), Epsilon(eps), Epsilon(eps))
    return RuleSet([*rules, ("multiply", Shared())], **options)


def attn_lrp(**options: Any) -> RuleSet:
    """AttnLRP (Achtibat et al., 2024): for transformers.

    Linear layers, softmax and sums pass back their derivative; activations pass relevance as it
    is; products share it; what values are normalised by is taken for a constant.
    """
    rules: list[tuple[Selector, Rule]] = [
        ("linear|conv|softmax|add|max_pool|affine", Gradient()),
        ("relu|pointwise", Identity()),
        ("matmul|multiply", Shared()),
        ("attention", Shared((0.25, 0.25, 0.5))),
        ("rsqrt", Stop()),
        ("divide", Numerator()),
    ]
    return RuleSet(rules, **options)


def deep_lift(points: int = 10, **options: Any) -> RuleSet:
    """DeepLIFT's rescale rule (Shrikumar et al., 2017), extended to products and softmax."""
    rules: list[tuple[Selector, Rule]] = [
        ("linear|conv|affine|avg_pool|add", Gradient()),
        ("relu|pointwise|rsqrt", Rescale()),
        ("max_pool", RescaleMax()),
        ("matmul|multiply", RescaleProduct()),
        ("softmax|divide|attention", RescalePath(points)),
    ]
    return RuleSet(rules, **options)


def reveal_cancel(points: int = 10, **options: Any) -> RuleSet:
    """DeepLIFT's RevealCancel rule (Shrikumar et al., 2017), the rest as in `deep_lift`."""
    rules: list[tuple[Selector, Rule]] = [
        ("linear|conv|affine|avg_pool|add", Contributions()),
        ("relu|pointwise|rsqrt", RevealCancel()),
    ]
    return RuleSet([*rules, *deep_lift(points).rules], **options)


LRP_COMPOSITES: dict[str, Callable[..., RuleSet]] = {
    "epsilon": epsilon,
    "epsilon_plus": epsilon_plus,
    "epsilon_plus_flat": epsilon_plus_flat,
    "epsilon_gamma_box": epsilon_gamma_box,
    "alpha2_beta1": alpha2_beta1,
    "gates_all": gates_all,
    "gates_half": gates_half,
}
"""The rule sets that `LRP` takes by name."""

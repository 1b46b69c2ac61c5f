"""The methods that need nothing but a model, by short names."""

from __future__ import annotations

from trulens_core.attribution.gradients import InputAttribution
from trulens_core.attribution.integrated import IntegratedGradients
from trulens_core.attribution.method import AttributionMethod
from trulens_core.attribution.saliency import Saliency
from trulens_core.attribution.smoothgrad import SmoothGrad

METHODS: dict[str, type[AttributionMethod]] = {
    "ig": IntegratedGradients,
    "integrated gradients": IntegratedGradients,
    "saliency": Saliency,
    "smoothgrad": SmoothGrad,
    "input x gradient": InputAttribution,
}
"""By name, in small letters."""


def named(name: str, others: str = "") -> type[AttributionMethod]:
    """The method that a name means, in small letters or capitals.

    Args:
        name: of the method.
        others: what else could be given, for the message.

    Raises:
        ValueError: for a name that is not known.

    Example:
        >>> named("IG").__name__
        'IntegratedGradients'
    """
    found = METHODS.get(name.lower())
    if found is None:
        raise ValueError(
            f"method is {name!r}; it must be {others}{', '.join(map(repr, METHODS))}, or a class "
            "of a method"
        )
    return found


def name_of(kind: type[AttributionMethod]) -> str:
    """The longer of a method's names, or that of its class."""
    return next((n for n, k in METHODS.items() if k is kind and len(n) > 2), kind.__name__)

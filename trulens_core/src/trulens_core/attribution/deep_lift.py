"""DeepLIFT, and its mean over baselines drawn from data."""

from __future__ import annotations

from typing import Any, Unpack

from trulens_core.attribution.gradients import InternalInfluence
from trulens_core.attribution.method import Options
from trulens_core.distributions import Baselines, LinearDoi
from trulens_core.rules import RuleSet, composites
from trulens_core.slices import Slice, source_cut


class DeepLIFT(InternalInfluence):
    """DeepLIFT by the rescale rule (Shrikumar et al., 2017): differences from a baseline.

        (x − b) ⊙ m, where operations pass back (y − y₀) / (x − x₀) in place of derivatives

    Two passes: one at the baseline, one at the record. Completeness: the attributions of a record
    add up to q(x) − q(b), for quantities that are linear in the value at the target cut (a class,
    not a softmax); to rounding, or to what ten points miss of a softmax or a quotient inside.

    Args:
        model: a model or its wrapper.
        baseline: what records are compared with, see `LinearDoi`; None is zeros.
        qoi: a quantity of interest or its short form. The default is the class that is predicted,
            which stays the same at the baseline.
        qoi_cut: where it is read; None is the output.
        layer: whose units are explained; None is the input, or `doi_cut`.
        doi_cut: where the baseline lives; None is the input.
        multiply_activation: False gives the multipliers m.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`; `rules` in place of the method's own, such as
            `trulens_core.rules.composites.reveal_cancel()`.

    Raises:
        UncoveredOperationError: when used, for an operation that there is no rule for, or that
            rules cannot see, and for a model that runs otherwise at the baseline.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> result = DeepLIFT(model).explain(x)
        >>> bool((abs(result.residual) < 1e-12).all())
        True
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        baseline: Any = None,
        *,
        qoi: Any = "predicted",
        qoi_cut: Any = None,
        layer: Any = None,
        doi_cut: Any = None,
        multiply_activation: bool = True,
        **options: Unpack[Options],
    ) -> None:
        at = source_cut(doi_cut)
        super().__init__(
            model,
            Slice(at if layer is None else layer, qoi_cut),
            qoi,
            LinearDoi(baseline, 1, cut=at),
            multiply_activation,
            **options,
        )

    def _own_rules(self) -> RuleSet:
        return composites.deep_lift()


class DeepSHAP(DeepLIFT):
    """The mean of DeepLIFT over baselines drawn from data: DeepSHAP (Lundberg and Lee, 2017).

    Approximate SHAP values. Completeness holds on average: the attributions add up to q(x) less
    the mean of q over the baselines.

    Args:
        model: a model or its wrapper.
        data: (rows, …), records like those that are explained.
        samples: how many rows are drawn, with replacement; None takes every row once.
        seed: of the draws.
        qoi: see `DeepLIFT`, as those that follow.
        qoi_cut: where it is read; None is the output.
        layer: whose units are explained.
        doi_cut: where the data's values live; None is the input.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Raises:
        ValueError: for data without rows, or samples below 2.
        UncoveredOperationError: as `DeepLIFT`.

    Example:
        >>> import numpy as np
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> DeepSHAP(model, np.random.default_rng(0).standard_normal((8, 5))).attributions(x).shape
        (2, 5)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        data: Any,
        *,
        samples: int | None = None,
        seed: int = 0,
        qoi: Any = "predicted",
        qoi_cut: Any = None,
        layer: Any = None,
        doi_cut: Any = None,
        **options: Unpack[Options],
    ) -> None:
        if samples is None:
            baselines = Baselines.of_rows(data)
        else:
            baselines = Baselines.drawn(data, samples, seed=seed)
        super().__init__(
            model, baselines, qoi=qoi, qoi_cut=qoi_cut, layer=layer, doi_cut=doi_cut, **options
        )

"""Expected gradients."""

from __future__ import annotations

from typing import Any, Unpack

from trulens_core.attribution.gradients import InputAttribution
from trulens_core.attribution.method import Options
from trulens_core.distributions import DataDoi
from trulens_core.influence.statistics import SampleMean


class ExpectedGradients(InputAttribution):
    """Expected gradients (Erion et al., 2021): integrated gradients averaged over data.

        E over x' ~ data, α ~ U[0, 1] of (x − x') ⊙ ∂q(x' + α (x − x')) / ∂x

    Also known as GradientSHAP: an approximation of SHAP values whose baseline is the data itself.
    Completeness holds in expectation: the attributions add up to q(x) − E q(x'). `explain` gives
    their `standard_error`, the mean of q over the rows drawn as `baseline_quantity`, and what the
    sample misses as `residual`.

    Args:
        model: a model or its wrapper.
        data: (rows, …), values like those that are explained, in the training set's own
            distribution; a list or mapping of one per tensor where the input has several.
        samples: how many draws of (x', α), each of which is one pass for each record. The error
            falls with its root.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the data's values live and the gradient is taken; None is the input.
        seed: of the draws, which are the same for all records, batches and frameworks.
        multiply_activation: False leaves (x − x') out: the mean gradient on the way to data.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Raises:
        ValueError: for data without rows, samples below 1, or anything that is no cut or quantity.
        DoiError: when used, for data that does not fit the value at `doi_cut`.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> import numpy as np
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> data = np.random.default_rng(0).standard_normal((100, 5))
        >>> result = ExpectedGradients(model, data, samples=200).explain(x)
        >>> result.standard_error.shape
        (2, 5)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        data: Any,
        samples: int = 50,
        *,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        seed: int = 0,
        multiply_activation: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            model,
            qoi_cut,
            qoi,
            doi_cut,
            DataDoi(data, samples, seed=seed),
            multiply_activation,
            statistic=SampleMean(),
            **options,
        )

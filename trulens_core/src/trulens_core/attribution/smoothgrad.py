"""SmoothGrad and its relatives: gradients at noisy copies of a record."""

from __future__ import annotations

from typing import Any, Literal, Unpack

from trulens_core.attribution.gradients import InputAttribution
from trulens_core.attribution.method import Options
from trulens_core.distributions import DoI, GaussianDoi, RelativeGaussianDoi

Moment = Literal["mean", "second_moment", "variance"]


class SmoothGrad(InputAttribution):
    """A moment of the gradient under Gaussian noise ε: of ∂q(x + ε) / ∂x.

    The mean (SmoothGrad, Smilkov et al., 2017), the second moment (SmoothGrad-Squared, Hooker et
    al., 2019) or the variance (VarGrad, Adebayo et al., 2018). Where the activation is multiplied,
    that is done after the moment was taken.

    Args:
        model: a model or its wrapper.
        noise: the standard deviation of ε, as a part of max x − min x of each record and tensor.
        resolution: how many noisy copies.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the noise is added and the gradient taken; None is the input.
        statistic: "mean", "second_moment" or "variance".
        var: instead of `noise`, the variance of ε itself, as for `GaussianDoi`.
        seed: of the noise, which is that of `GaussianDoi`: the same for all records, batches and
            frameworks.
        multiply_activation: whether the result is multiplied with the value at `doi_cut`.
        **options: `rebatch_size`, `return_grads`, `return_doi` and `progress`, see
            `AttributionMethod`.

    Raises:
        ValueError: for noise, variance or resolution that cannot be used, noise and variance
            together, another statistic, and anything that is no cut or quantity.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> SmoothGrad(model, noise=0.1).attributions(x).shape
        (2, 5)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        *,
        noise: float | None = None,
        resolution: int = 25,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        statistic: Moment = "mean",
        var: float | None = None,
        seed: int = 0,
        multiply_activation: bool = False,
        **options: Unpack[Options],
    ) -> None:
        if statistic not in ("mean", "second_moment", "variance"):
            raise ValueError(
                f"statistic is {statistic!r}; it must be 'mean', 'second_moment' or 'variance'"
            )
        super().__init__(
            model,
            qoi_cut,
            qoi,
            doi_cut,
            _noise(noise, var, resolution, seed),
            multiply_activation,
            statistic=statistic,
            **options,
        )


class VarGrad(SmoothGrad):
    """The variance of the gradient under Gaussian noise (Adebayo et al., 2018).

    VarGrad(m, ...) = SmoothGrad(m, statistic="variance", ...).

    Args:
        model: a model or its wrapper.
        **options: those of `SmoothGrad` but `statistic`.

    Raises:
        ValueError: as `SmoothGrad`.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> bool((VarGrad(model).attributions(x) >= 0).all())
        True
    """

    def __init__(self, model: Any, **options: Any) -> None:
        if "statistic" in options:
            raise TypeError("VarGrad is SmoothGrad(statistic='variance'); give statistic= to that")
        super().__init__(model, statistic="variance", **options)


_NOISE = 0.15


def _noise(noise: float | None, var: float | None, resolution: int, seed: int) -> DoI:
    if var is None:
        return RelativeGaussianDoi(_NOISE if noise is None else noise, resolution, seed=seed)
    if noise is not None:
        raise ValueError("give noise= (a part of the range) or var= (a variance), not both")
    return GaussianDoi(var, resolution, seed=seed)

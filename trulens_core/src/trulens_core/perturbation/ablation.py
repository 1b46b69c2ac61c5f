"""Ablation: what removing a segment takes away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack, get_args

from trulens_core.attribution.method import Options
from trulens_core.distributions import Design
from trulens_core.perturbation.method import Each, Perturbation
from trulens_core.perturbation.one_out import KeepOneIn, LeaveOneOut
from trulens_core.perturbation.solvers import Alone, Difference
from trulens_core.perturbation.solving import Made
from trulens_core.segments import Segments

Kind = Literal["leave_one_out", "keep_one_in"]


class Ablation(Perturbation):
    """What removing each segment takes away: q(x) − q(x without it).

    One pass per segment and record. The differences need not add up to anything: what two segments
    do only together is in both, or in none. Where segments overlap, an element has the mean of
    those that cover it.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what is removed together, see `Segments`; None is every element by itself.
        kind: "leave_one_out", or "keep_one_in": q(baseline with it) − q(baseline).
        baseline: what takes the place of a removed segment, see `Perturbation`; None is zeros.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the segments live; None is the input.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for another kind, anything that is no cut or quantity, and when used for
            segments that do not fit.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> Ablation(model, qoi=0).attributions(x).shape
        (2, 5)
        >>> Ablation(model, Segments.channels(), doi_cut="hidden").attributions(x).shape
        (2, 4)
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        segments: Each = None,
        *,
        kind: Kind = "leave_one_out",
        baseline: Any = None,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        **options: Unpack[Options],
    ) -> None:
        if kind not in get_args(Kind):
            raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(get_args(Kind))}")
        self.kind: Kind = kind
        super().__init__(
            model,
            segments,
            baseline=baseline,
            qoi=qoi,
            qoi_cut=qoi_cut,
            doi_cut=doi_cut,
            **options,
        )

    def _recipe(self) -> tuple[Design, Made]:
        if self.kind == "keep_one_in":
            return KeepOneIn(), Alone
        return LeaveOneOut(), Difference


class Occlusion(Ablation):
    """Ablation by a window that slides over space or time (Zeiler and Fergus, 2014).

    Args:
        model: a model or its wrapper, also of a function of arrays.
        size: of the window, or one per axis of space or time; it takes in all channels.
        stride: from one window to the next, at most `size`, which None is.
        channel_axis: which axis of the value holds channels, see `Segments.windows`.
        baseline: what takes the place of what is under the window; None is zeros.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: what the window slides over; None is the input.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for a size or stride that cannot be, as `Segments.windows`.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core.testing import small_image_model
        >>> model, x = small_image_model()
        >>> Occlusion(model, 3, stride=2).attributions(x).shape == x.shape
        True
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        *,
        channel_axis: int | None = None,
        baseline: Any = None,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            model,
            Segments.windows(size, stride, channel_axis=channel_axis),
            baseline=baseline,
            qoi=qoi,
            qoi_cut=qoi_cut,
            doi_cut=doi_cut,
            **options,
        )

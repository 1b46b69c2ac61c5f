"""What a metric is."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, final

import numpy as np

from trulens_core.distributions import Design, DoI, MaskDoi
from trulens_core.inputs import ModelInputs
from trulens_core.metrics.explained import Explained, finite
from trulens_core.metrics.ladders import Ends
from trulens_core.metrics.responses import Responses
from trulens_core.metrics.scores import Array, Better, Score
from trulens_core.metrics.sums import summed
from trulens_core.models import ModelWrapper, get_model_wrapper
from trulens_core.quantities import QoI, as_qoi
from trulens_core.segments import Regions, Segments, resolved
from trulens_core.slices import Cut, source_cut


class Metric(ABC):
    """A number for each record that says how good an explanation of it is: a frozen recipe.

    Of a record with attributions that are no numbers, nan or infinite, it says nothing, NaN. A
    metric of one's own is a class with `_score(explained)`, of an `Explained`.

    Attributes:
        better: which numbers speak for an explanation.

    Example:
        >>> class Largest(Metric):
        ...     def _score(self, explained):
        ...         return self._of(abs(explained.values).max(axis=1))
        >>> Largest().score(np.array([[1.0, -3.0], [2.0, 0.0]])).values
        array([3., 2.])
    """

    better: ClassVar[Better] = None

    @final
    def score(self, explained: Any, *model_args: Any, **model_kwargs: Any) -> Score:
        """What the metric says of an explanation.

        Args:
            explained: a method, a function of the model's arguments that gives attributions, a
                result, or attributions from anywhere, (records, …), an array or a tensor.
            *model_args: the records, as the model's arguments; needed but for attributions that
                are judged by themselves.
            **model_kwargs: keyword arguments of the model.

        Raises:
            ValueError: for attributions that do not fit, and where a method is needed.
        """
        given = bool(model_args or model_kwargs)
        inputs = ModelInputs.of_call(model_args, model_kwargs) if given else None
        read = Explained.read(explained, inputs)
        score = self._score(read)
        known = finite(read.values)
        if known.all() or len(known) != len(score):
            return score
        return dataclasses.replace(score, values=np.where(known, score.values, np.nan))

    @abstractmethod
    def _score(self, explained: Explained) -> Score:
        """The score of an explanation on the host."""

    def judges(self, explained: Explained) -> bool:  # noqa: ARG002 - a hook
        """Whether it can say something of what was given: some explain records anew."""
        return True

    @property
    def name(self) -> str:
        """What tables call it."""
        return type(self).__name__

    @final
    def _of(self, values: Array, **others: Any) -> Score:
        """Numbers of records as a score of this metric."""
        return Score(self.name, np.asarray(values, "float64"), self.better, **others)

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if not k.startswith("_"))
        return f"{type(self).__name__}({options})"


class OfModel(Metric):
    """A metric that asks the model at changed records.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what is changed together, `Segments`; None is every element by itself.
        baseline: what takes the place of what is removed, see `Perturbation`; None is zeros.
        qoi: a quantity of interest or its short form; that of the explanation, as a rule.
        qoi_cut: where it is read; None is the output.
        doi_cut: what is changed, and attributions are for; None is the input.
        seed: of all draws, which are the same on all frameworks and for all methods judged.
        rebatch_size: rows per pass, see `AttributionMethod`.
        progress: whether a bar is shown.
    """

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        segments: Segments | None = None,
        *,
        baseline: Any = None,
        qoi: Any = "predicted",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        seed: int = 0,
        rebatch_size: int | Literal["auto"] | None = None,
        progress: bool = False,
    ) -> None:
        self._model: ModelWrapper = (
            model if isinstance(model, ModelWrapper) else get_model_wrapper(model)
        )
        self.segments: Segments | None = segments
        self.baseline: Any = baseline
        self.qoi: QoI = as_qoi(qoi)
        self.seed: int = int(seed)
        self._qoi_cut: Any = qoi_cut
        self._at: Cut = self._model.resolved(source_cut(doi_cut))
        self._options: dict[str, Any] = {"rebatch_size": rebatch_size, "progress": progress}

    def _responses(
        self, doi: DoI, inputs: ModelInputs | None, points: bool = False
    ) -> tuple[Array, list[Array]]:
        """The quantities at points of a distribution, (records, points), and the points."""
        if inputs is None:
            raise ValueError(f"{self.name} asks the model at changed records: give these too")
        asked = Responses(
            self._model,
            doi,
            qoi=self.qoi,
            qoi_cut=self._qoi_cut,
            doi_cut=self._at,
            return_doi=points,
            **self._options,
        )
        return asked.measured(inputs)

    def _masked(self, design: Design, segments: Segments | None) -> MaskDoi:
        axis = self._model.channel_axis(self._at)
        return MaskDoi(design, segments, self.baseline, channel_axis=axis, seed=self.seed)

    def _ends(self, inputs: ModelInputs | None) -> tuple[Array, Array, Array]:
        """The value, what takes its place, (records, …), and the quantity at both, (records, 2).

        What takes its place is a mean where there are several.
        """
        q, points = self._responses(self._masked(Ends(), None), inputs, points=True)
        if len(points) != 1:
            raise ValueError(
                f"{self.name} changes one tensor, and {self._at} holds {len(points)}; choose one "
                "with doi_cut=InputCut(names=[...]) or an accessor"
            )
        copies = len(points[0]) // 2
        return points[0][0], points[0][copies:].mean(axis=0), q

    def _regions(self, z: Array) -> list[Regions]:
        """Of each record what is changed together."""
        axis = self._model.channel_axis(self._at)
        return [own[0] for own in resolved(self.segments, [z], channel_axis=axis)]

    def _fitted(self, explained: Explained, z: Array) -> Array:
        return explained.fitted(z, self._model.channel_axis(self._at)).values

    def _removed(
        self,
        inputs: ModelInputs | None,
        design: Design,
        shares: Array,
        regions: Sequence[Regions],
    ) -> tuple[Array, Array]:
        """What attributions foretell of removing segments, and what it does, (records, samples).

        Args:
            inputs: the records.
            design: of masks, the first of which keeps all.
            shares: attributions of the elements, in units of the quantity.
            regions: of each record.
        """
        q = self._responses(self._masked(design, self.segments), inputs)[0]
        made: dict[int, Array] = {}
        foretold = []
        for r, own in zip(regions, summed(shares, regions), strict=True):
            if r.n not in made:
                masks = design.masks([r], False)
                made[r.n] = 1.0 - masks(1, masks.n)
            foretold.append(made[r.n] @ own)
        return np.stack(foretold), q[:, :1] - q[:, 1:]

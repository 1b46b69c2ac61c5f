"""What a model answers at the points of a distribution: quantities, forward only."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import numpy as np

from trulens_core.attribution.method import AttributionMethod, Options
from trulens_core.attribution.questions import as_question
from trulens_core.backends import Backend, Gradients, Tensor
from trulens_core.distributions import DoI
from trulens_core.distributions.masks import Masking
from trulens_core.distributions.points import LazyPoints
from trulens_core.errors import QoiError
from trulens_core.influence.questions import Question
from trulens_core.influence.statistics import Evaluated, Parts, Running, Statistic
from trulens_core.inputs import ModelInputs
from trulens_core.quantities import as_qoi
from trulens_core.slices import Slice, source_cut

Array = np.ndarray[Any, Any]


class Gathered(Statistic):
    """The quantity at each point as it is, (records, points): what metrics compute with."""

    gradients: ClassVar[bool] = False

    def start(self, backend: Backend, points: LazyPoints) -> Running:
        plan = points.plan
        return _Gathering(backend, plan.copies if isinstance(plan, Masking) else 1)


class _Gathering:
    def __init__(self, backend: Backend, copies: int) -> None:
        self._backend, self._copies = backend, copies
        self._held: list[list[Tensor]] = []

    def add(self, got: Gradients, seen: Evaluated, /) -> None:
        del seen
        self._held.append(got.quantities)

    def finish(self) -> Parts:
        concat, host = self._backend.xp.concat, self._backend.to_numpy
        columns = [concat(list(c), axis=0) for c in zip(*self._held, strict=True)]
        found = [self._of_masks(np.asarray(host(c), "float64")) for c in columns]
        like = self._backend.accumulator(columns[0][:0])
        return Parts([[self._backend.from_numpy(q, like=like)] for q in found])

    def _of_masks(self, q: Array) -> Array:
        """A mean over what takes the place of removed segments, the records first."""
        means = q.reshape(len(q) // self._copies, self._copies, -1).mean(axis=1)
        return np.ascontiguousarray(means.T)


class Responses(AttributionMethod):
    """The quantity at each point of a distribution of interest.

    One forward pass per point, in the loop that attributions run in: its blocks, cuts, memory and
    bar of progress. `attributions` gives (records, points), of the caller's kind.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        doi: whose points; of those that are no path from a baseline.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the points live; None is the input.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for anything that is no cut or quantity.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        >>> from trulens_core import GaussianDoi
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> Responses(model, GaussianDoi(0.1, 4), qoi=0).attributions(x).shape
        (2, 4)
    """

    def __init__(
        self,
        model: Any,
        doi: DoI,
        *,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, **options)
        self._parts = Slice(source_cut(doi_cut), qoi_cut), as_qoi(qoi), doi
        self.question()

    def _question(self) -> Question:
        cuts, qoi, doi = self._parts
        at = self.model.resolved(cuts.from_cut)
        return as_question(self.model, cuts, qoi, doi, False, doi_cut=at, statistic=Gathered())

    def measured(self, inputs: ModelInputs) -> tuple[Array, list[Array]]:
        """The quantities on the host, (records, points), and the points where they were asked for.

        Points are (points, records, …) per tensor of the cut.

        Raises:
            QoiError: for a quantity of several numbers per record.
        """
        host = self.model.backend.to_numpy
        with self.model.backend.outside():
            found = self._answers(self.question(), [inputs], {}, explain=True)[3]
            if len(found[0].attributions) > 1:
                raise QoiError(
                    f"a metric takes one number per record, and the quantity gives "
                    f"{len(found[0].attributions)}; choose one"
                )
            quantities = [np.asarray(host(a.attributions[0][0]), "float64") for a in found]
            points = [[host(t) for t in a.points] for a in found if a.points is not None]
        columns = zip(*points, strict=True)
        return np.concatenate(quantities), [np.concatenate(c, axis=1) for c in columns]

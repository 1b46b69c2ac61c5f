"""What methods share that keep and remove segments."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Unpack

from trulens_core.attribution.method import AttributionMethod, Options
from trulens_core.attribution.questions import as_question
from trulens_core.distributions import Design, MaskDoi
from trulens_core.influence.questions import Question, SampleTolerance
from trulens_core.perturbation.solving import Made, Solve
from trulens_core.quantities import QoI, as_qoi
from trulens_core.segments import Segments
from trulens_core.slices import Cut, Slice, source_cut

Each = Segments | Sequence[Segments | None] | None


class Perturbation(AttributionMethod):
    """A method that keeps some segments of a value and removes others: a design and a solver.

    A method of one's own is a class that says, in `_recipe`, which masks are evaluated and what is
    made of the quantities there. It needs no gradients.

    Args:
        model: a model or its wrapper, also of a function of arrays.
        segments: what is kept or removed together, `Segments`; a list with one per tensor where the
            cut holds several; None is every element by itself.
        baseline: what takes the place of a removed segment: None (zeros), a number (NaN is
            "missing"), an array, a function of the value, `Baselines` or draws from data,
            `Marginal`.
        qoi: a quantity of interest or its short form.
        qoi_cut: where it is read; None is the output.
        doi_cut: where the segments live; None is the input, a layer's name is that layer.
        seed: of all draws, which are the same on all frameworks and for all batches.
        **options: `rebatch_size`, `return_doi` and `progress`, see `AttributionMethod`.

    Raises:
        ValueError: for anything that is no cut or quantity, and for options of gradients.
        UnknownLayerError: for a cut that names no layer of the model.

    Example:
        Which half matters, by the largest change over both orders:

        >>> from trulens_core.perturbation.one_out import LeaveOneOut
        >>> from trulens_core.perturbation.solvers import Difference
        >>> from trulens_core.testing import small_model
        >>> class LeftOut(Perturbation):
        ...     def _recipe(self):
        ...         return LeaveOneOut(), Difference
        >>> model, x = small_model()
        >>> LeftOut(model, Segments.columns([[0, 1]])).attributions(x).shape
        (2, 5)
    """

    _drops = False

    def __init__(  # noqa: PLR0913 - keyword options, of which a call has few
        self,
        model: Any,
        segments: Each = None,
        *,
        baseline: Any = None,
        qoi: Any = "max",
        qoi_cut: Any = None,
        doi_cut: Any = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(model, **options)
        self.segments: Each = segments
        self.baseline: Any = baseline
        self.seed: int = int(seed)
        self._slice = Slice(source_cut(doi_cut), qoi_cut)
        self._qoi: QoI = as_qoi(qoi)
        self.question()

    def _recipe(self) -> tuple[Design, Made]:
        """The design of the masks, and the solver."""
        raise NotImplementedError

    def _tolerance(self) -> SampleTolerance | None:
        """The standard error that is accepted, where one is stated."""
        return None

    def _question(self) -> Question:
        design, solver = self._recipe()
        at: Cut = self.model.resolved(self._slice.from_cut)
        doi = MaskDoi(
            design,
            self.segments,
            self.baseline,
            channel_axis=self.model.channel_axis(at),
            seed=self.seed,
            drops=self._drops,
        )
        asked = as_question(
            self.model, self._slice, self._qoi, doi, False, doi_cut=at, statistic=Solve(solver)
        )
        return dataclasses.replace(asked, tolerance=self._tolerance())

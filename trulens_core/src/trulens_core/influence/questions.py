"""What is asked of a model, what is wanted besides, and what a group of records answers."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from trulens_core.backends import Tensor
from trulens_core.cache import StepCache
from trulens_core.distributions import DoI
from trulens_core.influence.statistics import Complete, Mean, Statistic
from trulens_core.inputs import ModelInputs
from trulens_core.models import ModelWrapper
from trulens_core.models.counting import counted
from trulens_core.quantities import QoI
from trulens_core.rules import RuleSet
from trulens_core.slices import Cut, InputCut

_LEAST_POINTS = 3
_KEPT_KINDS = 32


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """A stated error.

    Attributes:
        error: of completeness, as a part of q(x) − q(baseline).
        max_resolution: the most points that a record may use.
    """

    error: float
    max_resolution: int

    def __post_init__(self) -> None:
        if not 1e-5 <= self.error < 1:
            raise ValueError(
                f"tolerance is {self.error!r}; it must lie between 1e-5 (what float32 sums can "
                "tell) and 1"
            )
        if self.max_resolution < _LEAST_POINTS:
            raise ValueError(f"max_resolution is {self.max_resolution}; it must be at least 3")

    @property
    def limit(self) -> str:
        """What is raised where the error is not met, for messages."""
        return f"with {self.max_resolution} points; raise max_resolution="


@dataclasses.dataclass(frozen=True)
class SampleTolerance:
    """A stated standard error.

    Attributes:
        error: of the worst segment, as a part of q(x) − q(baseline).
        first: how many samples are taken first; then twice as many.
        max_samples: the most there may be.
    """

    error: float
    first: int
    max_samples: int

    def __post_init__(self) -> None:
        if not 0 < self.error < 1:
            raise ValueError(f"tolerance is {self.error!r}; it must lie between 0 and 1")

    @property
    def limit(self) -> str:
        """What is raised where the error is not met, for messages."""
        return f"with {self.max_samples} samples; raise max_samples="


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked of a model: everything but its inputs.

    Attributes:
        wrapper: the model.
        source: where the variables live.
        target: where the behaviour is read.
        qoi: which behaviour.
        doi: faithful to which points.
        doi_cut: where these live.
        multiply: whether the activation's multiplier is applied.
        statistic: how what the points give becomes one answer.
        contract: the axes of the value at the source cut that attributions are summed over.
        tolerance: instead of a number of points, the error that is accepted; of paths, and of
            solvers with a standard error.
        rules: how operations pass gradients back; None: by their derivatives.
    """

    wrapper: ModelWrapper
    source: Cut
    target: Cut
    qoi: QoI
    doi: DoI
    doi_cut: Cut
    multiply: bool = True
    statistic: Statistic = dataclasses.field(default_factory=Mean)
    tolerance: Tolerance | SampleTolerance | None = None
    contract: tuple[int, ...] | None = None
    rules: RuleSet | None = None

    @functools.cached_property
    def repeats(self) -> StepCache:
        """What was found out about it for inputs of a kind, see `repeats`; no part of it."""
        return StepCache(_KEPT_KINDS)

    @property
    def complete(self) -> Complete:
        """How the attributions add up to q(x) − q(baseline), where there is a baseline."""
        own = self.statistic.complete
        if own is None:
            return None
        if self.rules is not None and not (self.rules.compares and self.doi.at_value):
            return None  # what is passed back is no derivative along a path
        if not self.statistic.follows_path:
            standard = self.multiply and self.doi.multiplier_is_standard
            if not (standard and self.source == self.doi_cut):
                return None
        return "exact" if own == self.doi.complete == "exact" else "in expectation"

    @property
    def by_value(self) -> bool:
        """Whether gradients are multiplied, as they come, with the value at which they are taken.

        That is the one point's, at an inner cut, which its step evaluates by itself.
        """
        one = self.doi.is_point and self.doi.multiplier_is_standard and self.multiply
        inner = not isinstance(self.source, InputCut) and not self.wrapper.backend.traces
        return self.contract is not None and one and inner

    @property
    def multiplies_before(self) -> bool:
        """Whether the multiplier has to be known before the first gradient."""
        return self.contract is not None and not self.by_value

    def counted(self, inputs: ModelInputs) -> Question:
        """The question with rows of records and calls of layers counted, where a cut asks."""
        cuts = self.source, self.target, self.doi_cut
        if not any([cut.uncounted for cut in cuts]):
            return self
        source, target, doi_cut = (counted(cut, self.wrapper, inputs) for cut in cuts)
        return dataclasses.replace(self, source=source, target=target, doi_cut=doi_cut)


def unseen(rows: int) -> None:
    """What a call that shows no progress does with the number of rows done."""


class Request(NamedTuple):
    """What is wanted besides the attributions, and how the work is cut up.

    Attributes:
        rebatch_size: rows per pass; None: the library's choice; "auto": that, halved when memory
            runs out.
        quantities: whether the quantities at the ends are wanted.
        gradients: whether each point's gradients are wanted.
        points: whether the points are wanted.
        thins: whether records leave as they converge, and so are taken apart.
        advance: called with the number of rows done.
    """

    rebatch_size: int | Literal["auto"] | None = None
    quantities: bool = False
    gradients: bool = False
    points: bool = False
    thins: bool = False
    advance: Callable[[int], object] = unseen

    @property
    def more(self) -> bool:
        """Whether anything is wanted besides the attributions."""
        return self.quantities or self.gradients or self.points or self.thins

    def advance_by(self, rows: int) -> Callable[[int], object] | None:
        """`advance` for so many rows at once; None where nobody looks on."""
        advance = self.advance
        return None if advance is unseen else lambda n: advance(n * rows)


@dataclasses.dataclass
class Answer:
    """What one group of records gives: tensors with the records first.

    Attributes:
        attributions: n lists of t tensors, for n quantities and t tensors at the source cut.
        gradients: single points' gradients, (K, b, …), alike.
        points: (K, b, …) per tensor of the distribution's cut.
        quantity: n tensors (b,), at the records.
        baseline_quantity: n tensors (b,), at the baseline.
        n_points: how many points were used, one number or one per record.
        not_finite: the records whose gradients are not finite, counted within the group.
        converged: whether a stated tolerance was met, per record; None where none was stated.
        zero: whether all gradients of all records are zero.
        standard_error: of the attributions, shaped as they are; None where points are not random.
        residual: n tensors (b,), where the statistic gives it.
        n_evaluations: how many points of each record were evaluated, where that is not `n_points`.
        regions: of each record, what was kept or removed together.
        classes: whose scores the quantity is, (b,) ints; None where there are none, or not known.
    """

    attributions: list[list[Tensor]]
    gradients: list[list[Tensor]] | None = None
    points: list[Tensor] | None = None
    quantity: list[Tensor] | None = None
    baseline_quantity: list[Tensor] | None = None
    n_points: Any = 0
    not_finite: Sequence[int] = ()
    converged: np.ndarray[Any, Any] | None = None
    zero: bool = False
    standard_error: list[list[Tensor]] | None = None
    residual: list[Tensor] | None = None
    n_evaluations: np.ndarray[Any, Any] | None = None
    regions: Sequence[Any] | None = None
    classes: np.ndarray[Any, Any] | None = None

    def mapped(self, function: Callable[[Tensor, int], Tensor]) -> Answer:
        """The answer with `function(tensor, axis of the records)` in place of each tensor."""

        def each(tensors: list[Tensor] | None, axis: int = 0) -> Any:
            return tensors and [function(t, axis) for t in tensors]

        return dataclasses.replace(
            self,
            attributions=[each(ts) for ts in self.attributions],
            gradients=self.gradients and [each(ts, 1) for ts in self.gradients],
            points=each(self.points, 1),
            quantity=each(self.quantity),
            baseline_quantity=each(self.baseline_quantity),
            residual=each(self.residual),
            standard_error=self.standard_error and [each(ts) for ts in self.standard_error],
        )

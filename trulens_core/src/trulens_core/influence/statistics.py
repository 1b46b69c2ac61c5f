"""Statistics: how what a distribution's points give becomes one answer.

The default is the mean, the E of the formula. Others are moments, or sums in which each point has a
multiplier of its own. A statistic is a frozen recipe; what runs is what `start` makes of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from trulens_core.backends import Backend, Gradients, Tensor, Want
from trulens_core.distributions.points import LazyPoints
from trulens_core.errors import DoiError
from trulens_core.influence.work import Work

Complete = Literal["exact", "in expectation"] | None
Table = list[list[Tensor]]
"""n lists of t tensors, for n quantities and t tensors at the source cut."""


class Evaluated(NamedTuple):
    """k points of a distribution that were evaluated together, in order.

    Attributes:
        first: the index of the first among all points.
        weights: (k,) floats.
    """

    first: int
    weights: np.ndarray[Any, Any]


class Parts(NamedTuple):
    """What a statistic gives for a group of b records.

    Attributes:
        total: [quantity][tensor] of (b, …), to which the activation's multiplier is applied where
            points have none of their own.
        standard_error: of it, alike, where the points are drawn at random.
        quantity: n tensors (b,), at the unmodified records, where the points tell it; as are
            `baseline_quantity` and `residual`, what is left of their difference.
        baseline_quantity: at what the difference is from.
        residual: quantity − baseline quantity − Σ of what the statistic gives.
        n_evaluations: how many points of each record were evaluated, (b,) ints (NumPy).
        regions: of each record, what was kept or removed together.
        not_finite: the records of whose total not all is finite; None: not looked at yet.

    Example:
        >>> Parts([[np.ones((2, 5))]]).standard_error is None
        True
    """

    total: Table
    standard_error: Table | None = None
    quantity: list[Tensor] | None = None
    baseline_quantity: list[Tensor] | None = None
    residual: list[Tensor] | None = None
    n_evaluations: np.ndarray[Any, Any] | None = None
    regions: Sequence[Any] | None = None
    not_finite: Sequence[int] | None = None


class Running(Protocol):
    """A statistic at work on one group of records: what `Statistic.start` gives.

    Any class with these two methods is one.

    Example:
        The mean by hand, of gradients that come as weighted sums:

        >>> class Total:
        ...     def __init__(self):
        ...         self.table = None
        ...
        ...     def add(self, got, seen):
        ...         new, old = got.gradients, self.table
        ...         pairs = zip(old, new) if old else ()
        ...         self.table = [[a + b for a, b in zip(*gs)] for gs in pairs] or new
        ...
        ...     def finish(self):
        ...         return Parts(self.table)
    """

    def add(self, got: Gradients, seen: Evaluated, /) -> None:
        """Add a block of points.

        Args:
            got: what they gave. Where the statistic wants "points", gradients are (k, b, …), one
                for each point; else they are their weighted sum, (b, …). They are multiplied
                already where points have multipliers of their own. "activations" and "quantities"
                come as the statistic wants them.
            seen: which points they are.
        """

    def finish(self) -> Parts:
        """The answer, when all points were added."""


class Foldable(Running, Protocol):
    """A statistic at work that a compiled program may hold, also in parts: all of it is tensors."""

    def state(self) -> Any:
        """What was added: a tree of tensors."""

    def join(self, state: Any, /) -> None:
        """Add what another one holds, of further points."""


class Statistic(ABC):
    """How what the points give becomes one answer: the fourth of a method's five parts.

    A statistic of one's own is a class with `want` and `start`; it is used as
    `InternalInfluence(..., statistic=)`. Memory must not grow with the number of points.

    Attributes:
        want: what it needs of each block besides the weighted sum of gradients: "points" gives
            each point's own, "activations" the value at the source cut, "quantities" theirs.
        linear: whether it is linear in the quantity and in the distribution, so that those laws
            hold.
        nests: whether a rule of 3n points refines one of n: then `tolerance=` adds points; else it
            begins anew with three times as many.
        complete: whether attributions add up to q(x) − q(baseline), where the distribution's do.
        gradients: whether it takes gradients. If not, points are evaluated forward only: `got` has
            the "quantities", (k, b), and nothing else, and the answer is not multiplied.
        follows_path: whether each point is multiplied with the step that the value at the source
            cut takes over the point's part of a path, instead of with the activation.

    Example:
        The largest gradient over the points, by size:

        >>> import numpy as np
        >>> from trulens_core import GaussianDoi, InternalInfluence
        >>> from trulens_core.testing import small_model
        >>> class Largest(Statistic):
        ...     want = frozenset({"points"})
        ...
        ...     def start(self, backend, points):
        ...         return LargestSoFar(backend.xp)
        >>> class LargestSoFar:
        ...     def __init__(self, xp):
        ...         self.xp, self.total = xp, None
        ...
        ...     def add(self, got, seen):
        ...         for k in range(len(seen.weights)):
        ...             new = [[self.xp.abs(g[k]) for g in gs] for gs in got.gradients]
        ...             old = self.total or new
        ...             self.total = [
        ...                 [self.xp.maximum(a, b) for a, b in zip(x, y)] for x, y in zip(old, new)
        ...             ]
        ...
        ...     def finish(self):
        ...         return Parts(self.total)
        >>> model, x = small_model()
        >>> method = InternalInfluence(
        ...     model, None, "max", GaussianDoi(0.1, 5), False, statistic=Largest()
        ... )
        >>> method.attributions(x).shape
        (2, 5)
    """

    want: ClassVar[frozenset[Want]] = frozenset()
    linear: ClassVar[bool] = False
    nests: ClassVar[bool] = False
    complete: ClassVar[Complete] = None
    gradients: ClassVar[bool] = True
    follows_path: ClassVar[bool] = False

    @abstractmethod
    def start(self, backend: Backend, points: LazyPoints) -> Running:
        """A new sum for one group of records.

        Args:
            backend: of the tensors.
            points: the distribution's points for these records.
        """

    @property
    def prepares(self) -> bool:
        """Whether `prepared` gives points more than the distribution did."""
        return type(self).prepared is not Statistic.prepared

    def prepared(self, points: LazyPoints, work: Work) -> LazyPoints:
        """The points with the multipliers and factors of their own that are to be applied.

        Those that the distribution gave them, unless nothing is to be multiplied.
        """
        q = work.question
        if points.multipliers is None or not q.multiply:
            return points._replace(multipliers=None)
        if q.source != q.doi_cut:
            raise DoiError(
                f"the points of {type(q.doi).__name__} have multipliers at {q.doi_cut}, but "
                f"gradients are taken at {q.source}; put both at one cut, with cut=, or give "
                "multiply_activation=False"
            )
        return points

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in vars(self).items())
        return f"{type(self).__name__}({options})"


class Mean(Statistic):
    """The weighted mean of the gradients, Σ wᵢ gᵢ: the E of the formula.

    Of points with multipliers of their own it is Σ wᵢ gᵢ mᵢ.
    """

    linear: ClassVar[bool] = True
    nests: ClassVar[bool] = True
    complete: ClassVar[Complete] = "exact"

    def start(self, backend: Backend, points: LazyPoints) -> Running:
        del points
        return _Sum(backend)


class AbsoluteMean(Mean):
    """The size of the mean gradient, |Σ wᵢ gᵢ|."""

    linear: ClassVar[bool] = False
    nests: ClassVar[bool] = False
    complete: ClassVar[Complete] = None

    def start(self, backend: Backend, points: LazyPoints) -> Running:
        del points
        return _Sum(backend, last=backend.xp.abs)


class SecondMoment(Statistic):
    """The mean of the squared gradients, Σ wᵢ gᵢ² (SmoothGrad-Squared, Hooker et al., 2019)."""

    want: ClassVar[frozenset[Want]] = frozenset({"points"})

    def start(self, backend: Backend, points: LazyPoints) -> Running:
        del points
        return _Sum(backend, lambda g: g * g)


class Variance(Statistic):
    """The weighted population variance of the gradients, Σ wᵢ (gᵢ − ḡ)² / Σ wᵢ.

    Computed by Welford's way, a block at a time (Chan et al., 1979): no difference of large sums.
    VarGrad (Adebayo et al., 2018).
    """

    want: ClassVar[frozenset[Want]] = frozenset({"points"})

    def start(self, backend: Backend, points: LazyPoints) -> Running:
        del points
        return _Moments(backend, lambda _, spread, mass: Parts(_scaled(spread, 1 / mass)))


class SampleMean(Statistic):
    """The mean over points that are drawn at random, with its standard error.

    Of n equally weighted points, s / √n with the sample's standard deviation s (of n − 1).
    """

    want: ClassVar[frozenset[Want]] = frozenset({"points"})
    linear: ClassVar[bool] = True
    complete: ClassVar[Complete] = "in expectation"

    def start(self, backend: Backend, points: LazyPoints) -> Running:
        n = len(points.weights)

        def parts(mean: Table, spread: Table, mass: Any) -> Parts:
            if n < 2:
                return Parts(mean)
            sqrt = backend.xp.sqrt
            error = [[sqrt(t) for t in ts] for ts in _scaled(spread, 1 / (mass * (n - 1)))]
            return Parts(mean, error)

        return _Moments(backend, parts)


def _scaled(table: Table, factor: Any) -> Table:
    return [[t * factor for t in ts] for ts in table]


def _added(olds: Table, news: Table) -> Table:
    return [
        [a + b for a, b in zip(old, new, strict=True)] for old, new in zip(olds, news, strict=True)
    ]


class _Sum:
    """The running weighted sum of gradients, or of a function of single points' gradients.

    `last` is a function of the whole sum.
    """

    def __init__(
        self,
        backend: Backend,
        function: Callable[[Tensor], Tensor] | None = None,
        last: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._backend, self._function, self._last = backend, function, last
        self.total: Table = []

    def add(self, got: Gradients, seen: Evaluated, /) -> None:
        new: Table = [list(gs) for gs in got.gradients]
        of_each = self._function
        if of_each is not None:
            w = _tensor(seen.weights, self._backend)
            new = [[self._backend.weighted_sum(of_each(g), w) for g in gs] for gs in new]
        self.join(new)

    def state(self) -> Table:
        return self.total

    def join(self, state: Table, /) -> None:
        self.total = _added(self.total, state) if self.total else state

    def finish(self) -> Parts:
        last = self._last
        return Parts(self.total if last is None else [[last(t) for t in ts] for ts in self.total])


class _Moments:
    """The running weighted mean and sum of squared deviations from it."""

    def __init__(self, backend: Backend, parts: Callable[[Table, Table, Any], Parts]) -> None:
        self._backend, self._parts = backend, parts
        self._mass: Any = 0.0
        self._mean: Table = []
        self._spread: Table = []

    def add(self, got: Gradients, seen: Evaluated, /) -> None:
        backend, weights = self._backend, seen.weights
        if backend.is_tensor(weights):  # inside a program, whose blocks all weigh something
            self.join(self._of_block(got, weights, backend.xp.sum(weights)))
        elif (mass := float(weights.sum())) > 0:
            self.join(self._of_block(got, weights, mass))

    def _of_block(self, got: Gradients, weights: Any, mass: Any) -> tuple[Any, Table, Table]:
        backend, xp = self._backend, self._backend.xp
        shares, w = _tensor(weights / mass, backend), _tensor(weights, backend)
        singles: Table = [list(gs) for gs in got.gradients]
        mean = [[backend.weighted_sum(g, shares) for g in gs] for gs in singles]
        off = [
            [g - xp.expand_dims(m, axis=0) for g, m in zip(gs, ms, strict=True)]
            for gs, ms in zip(singles, mean, strict=True)
        ]
        return mass, mean, [[backend.weighted_sum(d * d, w) for d in ds] for ds in off]

    def state(self) -> tuple[Any, Table, Table]:
        return self._mass, self._mean, self._spread

    def join(self, state: tuple[Any, Table, Table], /) -> None:
        mass, mean, spread = state
        if not self._mean:
            self._mass, self._mean, self._spread = mass, mean, spread
            return
        total = self._mass + mass
        for i, news in enumerate(mean):
            for j, new in enumerate(news):
                off = new - self._mean[i][j]
                between = off * off * (self._mass * mass / total)
                self._spread[i][j] = self._spread[i][j] + spread[i][j] + between
                self._mean[i][j] = self._mean[i][j] + off * (mass / total)
        self._mass = total

    def finish(self) -> Parts:
        return self._parts(self._mean, self._spread, self._mass)


def _tensor(weights: Any, backend: Backend) -> Tensor:
    """Points' weights, which are a tensor already inside a compiled program."""
    return weights if backend.is_tensor(weights) else backend.from_numpy(weights)


def times_factors(table: Table, factors: Sequence[Tensor]) -> Table:
    """The gradients of one quantity as those of all that are made of it."""
    return [[_by_row(f, g) * g for g in table[0]] for f in factors]


def _by_row(factor: Tensor, like: Tensor) -> Tensor:
    for _ in range(len(like.shape) - len(factor.shape)):
        factor = factor[..., None]
    return factor


def multiplied(table: Table, by: Sequence[Tensor] | None, backend: Backend) -> Table:
    """Gradients times what they are multiplied with, in a type wide enough for sums."""
    if by is None:
        return table
    wide = backend.accumulator
    return [[wide(m) * g for m, g in zip(by, gs, strict=True)] for gs in table]

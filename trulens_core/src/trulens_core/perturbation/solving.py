"""A solver as a statistic: the quantities at masked points become attributions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from trulens_core.backends import Backend, Gradients, Tensor
from trulens_core.distributions import Masking
from trulens_core.distributions.placements import one_object
from trulens_core.distributions.points import LazyPoints
from trulens_core.influence.statistics import Evaluated, Parts, Running, Statistic
from trulens_core.perturbation.solvers import Array, Solved, Solver

_HELD = 2**16
"""Numbers that wait on the device until they go to the host together."""

Made = Callable[..., Solver]


class Solve(Statistic):
    """What a solver makes of the quantities at the points of a `MaskDoi`.

    Each element of a segment has the segment's whole value, so that it is the sum over segments
    that may be q(x) − q(baseline): the solver says what is left of that, the residual.

    Args:
        solver: a class of solvers, or a function of masks and a number of records that makes one.
    """

    gradients: ClassVar[bool] = False

    def __init__(self, solver: Made) -> None:
        self.solver: Made = solver

    def __repr__(self) -> str:
        return f"Solve({getattr(self.solver, '__name__', self.solver)})"

    def start(self, backend: Backend, points: LazyPoints) -> Running:
        plan = points.plan
        assert isinstance(plan, Masking), "the points of a MaskDoi"
        return Solving(self.solver, backend, plan, points.total_only)


class Solving:
    """Solvers at work: one for each quantity and each kind of masks.

    Args:
        solver: makes them.
        backend: of the quantities.
        plan: of the masks.
        total_only: whether their values are all that is wanted of them.
    """

    def __init__(
        self, solver: Made, backend: Backend, plan: Masking, total_only: bool = False
    ) -> None:
        self._made, self._backend, self._plan = solver, backend, plan
        self._total_only = total_only
        self._members = [np.flatnonzero(plan.kind_of == i) for i in range(len(plan.kinds))]
        self._solvers: list[list[Solver]] = []
        self._held: list[list[Tensor]] = []
        self._size = self._next = 0
        self._rest: list[Array] = []

    def add(self, got: Gradients, seen: Evaluated, /) -> None:
        del seen
        self._held.append(got.quantities)
        self._size += sum(int(q.shape[0]) * int(q.shape[1]) for q in got.quantities)
        if self._size >= _HELD:
            self._flush()

    def _flush(self) -> None:
        """Hand what waits to the solvers, a mean over the points of each mask."""
        if not self._held:
            return
        columns = list(zip(*self._held, strict=True))
        self._held, self._size = [], 0
        if not self._solvers:
            b = [len(members) for members in self._members]
            self._solvers = [
                [self._made(m, n) for m, n in zip(self._plan.kinds, b, strict=True)]
                for _ in columns
            ]
            self._rest = [np.zeros((0, len(self._plan.kind_of))) for _ in columns]
        copies, n = self._plan.copies, 0
        for i, column in enumerate(columns):
            host = [self._backend.to_numpy(q) for q in column]
            q = np.concatenate([self._rest[i], *host], dtype="float64")
            n = len(q) // copies
            self._rest[i] = q[n * copies :]
            means = q[: n * copies].reshape(n, copies, -1).mean(axis=1) if copies > 1 else q
            self._solve(self._solvers[i], means)
        self._next += n

    def _solve(self, solvers: list[Solver], q: Array) -> None:
        for solver, members in zip(solvers, self._members, strict=True):
            most = solver.masks.n - self._next
            if most > 0 and len(q):
                # one kind has all records
                solver.add(self._next, q[:most] if len(solvers) == 1 else q[:most, members])

    @np.errstate(over="ignore", invalid="ignore")  # said of the records, by `not_finite`
    def finish(self) -> Parts:
        self._flush()
        found = [[s.finish() for s in solvers] for solvers in self._solvers]
        total = [self._laid_out([s.values for s in each]) for each in found]
        table, bad = [list(map(self._tensor, arrays)) for arrays in total], self._not_finite(total)
        if self._total_only:
            return Parts(table, regions=self._plan.regions, not_finite=bad)
        return Parts(
            table,
            self._errors(found),
            quantity=self._columns(found, "quantity"),
            baseline_quantity=self._columns(found, "baseline"),
            residual=self._columns(found, "residual"),
            n_evaluations=np.array([m.n for m in self._plan.kinds])[self._plan.kind_of]
            * self._plan.copies,
            regions=self._plan.regions,
            not_finite=bad,
        )

    def _not_finite(self, total: list[list[Array]]) -> list[int]:
        """The records not all of whose numbers are finite in the type that they are given in."""
        single = self._backend.xp.isdtype(self._like.dtype, self._backend.xp.float32)
        most = np.finfo("float32" if single else "float64").max
        each = [(abs(a) <= most).reshape(len(a), -1).all(axis=1) for ts in total for a in ts]
        return [int(i) for i in np.flatnonzero(~np.all(each, axis=0))]

    def _errors(self, found: list[list[Solved]]) -> list[list[Tensor]] | None:
        each = [[s.error for s in solved if s.error is not None] for solved in found]
        if any(len(t) < len(self._members) for t in each):
            return None
        tables = [[e() if callable(e) else e for e in errors] for errors in each]
        return [list(map(self._tensor, self._laid_out(t))) for t in tables]

    def _columns(self, found: list[list[Solved]], name: str) -> list[Tensor] | None:
        """One number per record and quantity, (b,) each."""
        columns = []
        for each in found:
            parts = [getattr(s, name) for s in each]
            if any(p is None for p in parts):
                return None
            columns.append(self._tensor(self._by_record(parts)))
        return columns

    def _by_record(self, parts: list[Array]) -> Array:
        """Arrays for the records of each kind as one for all, in their order."""
        order = np.argsort(np.concatenate(self._members), kind="stable")
        return np.asarray(np.concatenate(parts)[order])

    def _laid_out(self, values: list[Array]) -> list[Array]:
        """Numbers of segments in the shapes of the value; matrices of pairs as they are."""
        if values[0].ndim == 3:
            if len(values) > 1:
                raise ValueError(
                    "interactions are a matrix for each record, and these records have different "
                    "numbers of segments; explain them one by one"
                )
            return [values[0]]
        regions, found = self._plan.regions, []
        for t, like in enumerate(self._plan.like):
            if self._plan.shared:
                found.append(regions[0][t].spread(values[0]))
                continue
            whole = np.zeros(tuple(int(n) for n in like.shape))
            for members, own in zip(self._members, values, strict=True):
                if one_object([regions[r] for r in members]):
                    whole[members] = regions[members[0]][t].spread(own)
                else:
                    for r, value in zip(members, own, strict=True):
                        whole[r] = regions[r][t].spread(value)
            found.append(whole)
        return found

    def _tensor(self, array: Array) -> Any:
        """On the value's device, and of its type where that is wide enough for sums."""
        return self._backend.from_numpy(np.ascontiguousarray(array), like=self._like)

    @functools.cached_property
    def _like(self) -> Tensor:
        first, xp = self._plan.like[0], self._backend.xp
        wide = xp.isdtype(first.dtype, (xp.float32, xp.float64))
        return first if wide else self._backend.accumulator(first[:0])

"""Points on a line."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.distributions import baselines, quadrature
from trulens_core.distributions.arrays import alone, as_given
from trulens_core.distributions.base import DoI, asked, check_floating, one_or_list
from trulens_core.distributions.baselines import Baseline, Baselines, resolved
from trulens_core.distributions.points import (
    Formula,
    LazyPoints,
    Points,
    Records,
    Stack,
    as_points,
)
from trulens_core.errors import DoiError
from trulens_core.inputs import ModelInputs
from trulens_core.slices import Cut, InputCut


class LinearDoi(DoI):
    """Points on the line from the value to a baseline: αᵢ z + (1 − αᵢ) baseline.

    Integrated gradients (Sundararajan et al., 2017) averages over this line. All tensors of the
    cut move along one path. The first point is nearest to z, the last to the baseline.

    Args:
        baseline: where the line ends: None is zeros; a number; an array shaped like z, like one
            record, or with a leading axis of 1 (one per tensor, in a list, where the cut holds
            several); or a function of z, or of z and `model_inputs`, that returns one. `Baselines`
            are several of them, with a line to each.
        resolution: how many points a line has.
        cut: where the line lives; None is the model's input.
        rule: where the points lie, and their weights, see `trulens_core.distributions.quadrature`:
            "endpoints" (equal weights, both ends in; with one point, the value itself),
            "midpoint", "trapezoid" or "gauss-legendre". `IntegratedGradients` has another
            default, "midpoint".

    Raises:
        ValueError: for an unknown rule, or a resolution that it cannot have; for a rule whose
            weights differ in a subclass with a `__call__` of its own, which they would not reach.
        DoiError: when used, for a baseline that does not fit the value at the cut.
        DoiCutSupportError: when used, at a cut of integers, between which there is no path.

    Example:
        >>> LinearDoi(resolution=3)
        LinearDoi(baseline=None, resolution=3, rule='endpoints')
        >>> LinearDoi(resolution=3)(np.ones((1, 2)))
        [array([[1., 1.]]), array([[0.5, 0.5]]), array([[0., 0.]])]
    """

    multiplier_is_standard: ClassVar[bool] = True

    def __init__(
        self,
        baseline: Baseline = None,
        resolution: int = 10,
        *,
        cut: Cut | str | int | None = None,
        rule: quadrature.Rule = "endpoints",
    ) -> None:
        super().__init__(cut)
        self._baseline = baseline
        self.rule: quadrature.Rule
        self.resolution: int
        self.rule, self.resolution = quadrature.check(rule, resolution)
        if rule not in quadrature.EQUAL and type(self).points is not LinearDoi.points:
            raise ValueError(
                f"rule={rule!r} weighs the points of the line, but {type(self).__name__} has a "
                "__call__ of its own; return Points(points, weights) from a DoI instead"
            )
        self._nodes = quadrature.nodes(self.rule, self.resolution)

    def __repr__(self) -> str:
        cut = "" if self._cut is None else f", cut={self._cut!r}"
        return (
            f"{type(self).__name__}(baseline={self._baseline!r}, resolution={self.resolution}, "
            f"rule={self.rule!r}{cut})"
        )

    def __call__(self, z: Any, *, model_inputs: ModelInputs | None = None) -> Any:
        """The points on the line to z: a list of them, or `Points` where their weights differ."""
        records = alone(z, model_inputs)
        check_floating(self, records.z, self._cut or InputCut(), records.backend)
        lines, stacks = self.members(), []
        weights: list[float] = []
        for line in lines:
            # not its points, which are this call where a subclass refines it
            lazy = LinearDoi.points(line, records, line.baseline_values(records))
            assert lazy.stack is not None
            stacks.append(lazy.stack(0, line.resolution))
            weights += [w / len(lines) for w in lazy.weights]
        concat = records.backend.xp.concat
        stacked = [concat(list(column), axis=0) for column in zip(*stacks, strict=True)]
        points = as_given(stacked, z)
        return points if self.rule in quadrature.EQUAL else Points(points, tuple(weights))

    def baseline(self, z: Any, *, model_inputs: ModelInputs | None = None) -> Any:
        found = LinearDoi.baseline_values(self, alone(z, model_inputs))
        return found if isinstance(z, list | tuple) else found[0]

    def get_activation_multiplier(
        self, activation: Any, *, model_inputs: ModelInputs | None = None
    ) -> Any:
        """Activation − baseline."""
        base = self.baseline(activation, model_inputs=model_inputs)
        if isinstance(activation, list | tuple):
            return [a - b for a, b in zip(activation, base, strict=True)]
        return activation - base

    def baseline_values(self, records: Records) -> list[Tensor]:
        given = self._baseline
        if isinstance(given, Baselines):
            return given.mean([line.baseline_values(records) for line in self.members()])
        if callable(given) and not records.backend.is_tensor(given):
            given = asked(given, records.z, records)
        return resolved(given, records)

    def at(self, nodes: tuple[float, ...], weights: tuple[float, ...]) -> LinearDoi:
        """The same line with other points on it."""
        new = copy.copy(self)
        new._nodes, new.resolution = (nodes, weights), len(nodes)
        return new

    def for_records(
        self, take: Callable[[Any], Any], total: int, ranks: Sequence[int]
    ) -> LinearDoi:
        """The same line for some of `total` records; `take` picks their rows of an array."""
        new = copy.copy(self)
        new._baseline = baselines.for_records(self._baseline, take, total, ranks)
        return new

    def members(self) -> tuple[LinearDoi, ...]:
        """A line to each of several baselines."""
        given = self._baseline
        if not isinstance(given, Baselines):
            return (self,)
        lines = [copy.copy(self) for _ in given.members]
        for line, baseline in zip(lines, given.members, strict=True):
            line._baseline = baseline
        return tuple(lines)

    @property
    def random(self) -> bool:
        return isinstance(self._baseline, Baselines) and self._baseline.random

    @property
    def n_points(self) -> int:
        given = self._baseline
        return self.resolution * (len(given.members) if isinstance(given, Baselines) else 1)

    @property
    def weights(self) -> tuple[float, ...]:
        return self._nodes[1]

    @property
    def by_record(self) -> bool:
        return baselines.by_record(self._baseline)

    @property
    def recipe(self) -> Hashable:
        given = self._baseline
        known = type(self) is LinearDoi and (given is None or isinstance(given, int | float))
        return (LinearDoi, given, self._nodes) if known else None

    @property
    def asks(self) -> bool:
        return type(self) is not LinearDoi or baselines.asked_for(self._baseline)

    @property
    def at_value(self) -> bool:
        own = type(self).points is LinearDoi.points
        return own and self.resolution == 1 and self.rule == "endpoints"

    @property
    def starts_at_zero(self) -> bool:
        """Whether the baseline is zeros by choice of a number or by default."""
        if type(self).baseline_values is not LinearDoi.baseline_values:
            return False
        return self._baseline is None or (np.isscalar(self._baseline) and self._baseline == 0)

    def formula(self) -> Formula | None:
        if type(self) is not LinearDoi:
            return None
        alphas, weights = self._nodes
        return Formula(
            _on_line,
            lambda _, i, j: [np.asarray(alphas[i:j])],
            ends=lambda i, j: [np.asarray(quadrature.ends(weights)[i:j])],
        )

    def points(self, records: Records, baseline: list[Tensor] | None) -> LazyPoints:
        if baseline is None:  # a question without gradients has no use for it
            baseline = self.baseline_values(records)
        alphas, weights = self._nodes
        backend = records.backend
        between = backend.pure(_between)
        ends = [None] * len(records.z) if self.starts_at_zero else baseline

        def at(alphas: tuple[float, ...]) -> Stack:
            def stack(i: int, j: int) -> list[Tensor]:
                some = np.asarray(alphas[i:j])
                return [between(t, b, some) for t, b in zip(records.z, ends, strict=True)]

            return stack

        return LazyPoints(weights, at(alphas), ends=at(quadrature.ends(weights)))


class PathDoi(DoI):
    """Points on a curve from a baseline to the value: γ(z, tᵢ), with γ(z, 1) = z.

    With `statistic="path"` it is a path method (Friedman, 2004; Sundararajan et al., 2017): each
    gradient is multiplied with the step of the curve that it stands for, and the attributions add
    up to q(x) − q(γ(z, 0)) whatever the curve, to the quadrature's error.

    Args:
        curve: a function of z, (records, …), and of t, from 1 (the value itself) down to 0, that
            gives a point shaped like z; a list of them where z is one.
        resolution: how many points.
        cut: where the curve lives; None is the model's input.
        rule: where the points lie, as for `LinearDoi`.

    Raises:
        ValueError: for an unknown rule, or a resolution that it cannot have.
        DoiError: when used, for a curve that does not end at the value, or gives other shapes.

    Example:
        A path on which small values come first:

        >>> from trulens_core import InternalInfluence
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> doi = PathDoi(lambda z, t: t**2 * z)
        >>> method = InternalInfluence(model, None, 0, doi, statistic="path")
        >>> bool((abs(method.explain(x).residual) < 0.01).all())
        True
    """

    multiplier_is_standard: ClassVar[bool] = False

    def __init__(
        self,
        curve: Callable[[Any, float], Any],
        resolution: int = 50,
        *,
        cut: Cut | str | int | None = None,
        rule: quadrature.Rule = "midpoint",
    ) -> None:
        super().__init__(cut)
        if not callable(curve):
            raise ValueError(f"curve is {curve!r}; it must be a function of z and t")
        self.curve: Callable[[Any, float], Any] = curve
        self.rule: quadrature.Rule
        self.resolution: int
        self.rule, self.resolution = quadrature.check(rule, resolution)

    def __repr__(self) -> str:
        cut = "" if self._cut is None else f", cut={self._cut!r}"
        return f"PathDoi({self.curve!r}, resolution={self.resolution}, rule={self.rule!r}{cut})"

    def __call__(self, z: Any, *, model_inputs: ModelInputs | None = None) -> Any:
        """The points for z."""
        records = alone(z, model_inputs)
        check_floating(self, records.z, self._cut or InputCut(), records.backend)
        lazy = self.points(records, None)
        assert lazy.stack is not None
        points = as_given(lazy.stack(0, self.resolution), z)
        return points if self.rule in quadrature.EQUAL else Points(points, lazy.weights)

    @property
    def n_points(self) -> int:
        return self.resolution

    def baseline_values(self, records: Records) -> list[Tensor]:
        return [t[0] for t in self._stack(records, (0.0,))(0, 1)]

    def points(self, records: Records, baseline: list[Tensor] | None) -> LazyPoints:
        del baseline
        ts, weights = quadrature.nodes(self.rule, self.resolution)
        self._check_end(records)
        ends = self._stack(records, quadrature.ends(weights))
        return LazyPoints(weights, self._stack(records, ts), ends=ends)

    def _stack(self, records: Records, ts: Sequence[float]) -> Stack:
        def stack(i: int, j: int) -> list[Tensor]:
            given: list[Any] = [self.curve(self._value(records), t) for t in ts[i:j]]
            if len(records.z) > 1:
                given = [list(column) for column in zip(*given, strict=True)]
            found = as_points(given, records, type(self).__name__)
            assert found.stack is not None
            return found.stack(0, j - i)

        return stack

    def _value(self, records: Records) -> Any:
        return one_or_list([records.backend.fresh(t) for t in records.z])

    def _check_end(self, records: Records) -> None:
        """Raise where the curve is not at the value when t is 1: nothing would add up."""
        backend = records.backend
        for end, z in zip(self._stack(records, (1.0,))(0, 1), records.z, strict=True):
            found, expected = (backend.to_numpy(t).astype("float64") for t in (end[0], z))
            if not np.allclose(found, expected, rtol=1e-3, atol=1e-6, equal_nan=True):
                raise DoiError(
                    "PathDoi: curve(z, 1.0) is not z; a path leads from the baseline, at t = 0, to "
                    "the value, at t = 1"
                )


def _between(backend: Backend, z: Tensor, end: Tensor | None, alphas: Any) -> Tensor:
    """Points of the line to `z`, of shape (b, …), from `end`: (k, b, …) for k numbers in [0, 1].

    Without an end, from zero, which takes one operation instead of three.
    """
    xp, wide = backend.xp, backend.accumulator
    near = wide(xp.expand_dims(z, axis=0))
    shape = (-1, *[1] * len(z.shape))
    if backend.is_tensor(alphas):
        a = backend.cast(xp.reshape(alphas, shape), near)
    else:
        a = backend.from_numpy(alphas.reshape(shape), like=near)
    points = a * near
    if end is not None:  # not b + a (z - b): the ends of the line are met exactly
        points = points + (1 - a) * wide(xp.expand_dims(end, axis=0))
    return backend.cast(points, z)


def _on_line(
    backend: Backend, z: list[Tensor], ends: list[Tensor] | None, numbers: list[Tensor]
) -> list[Tensor]:
    """See `Formula`."""
    (alphas,) = numbers
    return [
        _between(backend, t, None if ends is None else ends[i], alphas) for i, t in enumerate(z)
    ]

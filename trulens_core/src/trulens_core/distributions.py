"""Distributions of interest: faithful to which points the explanation is.

A distribution maps the value z at its cut to points there; the gradient is averaged over them.
"""

from __future__ import annotations

import copy
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from trulens_core import baselines, quadrature
from trulens_core.alone import alone, as_given
from trulens_core.backends import Backend, Tensor
from trulens_core.baselines import Baseline, resolved
from trulens_core.errors import DoiCutSupportError
from trulens_core.inputs import ModelInputs
from trulens_core.points import Group, LazyPoints, Points, listed
from trulens_core.slices import Cut, InputCut, source_cut

_LAZY = {"__call__": "points", "baseline": "baseline_values"}
"""What a class says of its points and its baseline, and the form of it that core uses."""


class DoI(ABC):
    """A distribution over values at a cut, given by points.

    Write `__call__(self, z)`, or `__call__(self, z, *, model_inputs)`, with any operations: it is
    called eagerly with the records' own tensors. Everything else has a default. The standard
    distributions may be refined in the same way: what a subclass says of its points, its baseline
    or its multiplier is what counts.

    Influence is linear in the distribution: over a mixture it is the mixture of the influences
    (Leino et al., 2018).

    Args:
        cut: where the points live; None is the model's input (in `InputAttribution` and
            `IntegratedGradients`, their `doi_cut`).

    Raises:
        DoiError: when used, for points that do not fit the value at the cut.

    Example:
        >>> class Halfway(DoI):
        ...     def __call__(self, z):
        ...         return [0.5 * z]
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> InputAttribution(model, doi=Halfway()).attributions(x).shape
        (2, 5)
    """

    is_point: ClassVar[bool] = False
    """Whether the one point is the unmodified value, so that core need not ask for it."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Core's form of the points and of the baseline is that of the class that says them."""
        super().__init_subclass__(**options)
        for said, lazy in _LAZY.items():
            first = next(c for c in cls.__mro__ if said in vars(c) or lazy in vars(c))
            if lazy not in vars(first):
                setattr(cls, lazy, getattr(DoI, lazy))
                cls.is_point = False

    def __init__(self, cut: Cut | str | int | None = None) -> None:
        self._cut = None if cut is None else source_cut(cut)

    # `*args: Any, **kwargs: Any` lets a user's class choose either signature

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Iterable[Any] | Points:
        """The points for the value z: tensors shaped like z, or `Points` with weights.

        Args:
            *args: z, the value at the cut, (records, …); where the cut holds several tensors, a
                list of them.
            **kwargs: `model_inputs`, the records' `ModelInputs`, if the signature names it.

        Returns:
            An iterable of points, (records, …) each; where z is a list, one such iterable per
            tensor.
        """

    def cut(self) -> Cut | None:
        """The cut of the points, None where it was not given."""
        return self._cut

    def baseline(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - a hook
        """The point that a path starts from, shaped like z; None where there is no such point.

        Args:
            *args: z, as for the call.
            **kwargs: `model_inputs`, as for the call.
        """
        return None

    def get_activation_multiplier(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """What the averaged gradient is multiplied with: by default the activation itself.

        Args:
            *args: the activation at the source cut, (records, …), or a list of them.
            **kwargs: `model_inputs`, as for the call.
        """
        return args[0]

    # -- core's side -------------------------------------------------------------------------

    def points(self, group: Group, baseline: list[Tensor] | None) -> LazyPoints:  # noqa: ARG002
        """The points for a group of records, whose baseline is `baseline`."""
        given = asked(self, group.z, group)
        return listed(given, group, type(self).__name__)

    def baseline_values(self, group: Group) -> list[Tensor] | None:
        """The baseline for a group of records, as a list of tensors shaped like the value."""
        given = asked(self.baseline, group.z, group)
        return None if given is None else resolved(given, group)

    @property
    def n_points(self) -> int | None:
        """How many points there are, None where that is known only when they are made."""
        return None

    @property
    def weights(self) -> tuple[float, ...] | None:
        """The weights of the points, where these are made of the value at the cut alone."""
        return None

    @property
    def by_record(self) -> bool:
        """Whether the points of a record are known to depend on no other record."""
        return False

    @property
    def has_multiplier(self) -> bool:
        """Whether the user gave a multiplier of his own."""
        standard = (DoI.get_activation_multiplier, LinearDoi.get_activation_multiplier)
        return type(self).get_activation_multiplier not in standard


class PointDoi(DoI):
    """The value itself: an explanation faithful to this one point.

    It gives input × gradient, and saliency (Simonyan et al., 2014) where nothing is multiplied.

    Args:
        cut: where the point lives; it matters for the multiplier only.

    Example:
        >>> PointDoi()(np.ones(2))
        [array([1., 1.])]
    """

    is_point: ClassVar[bool] = True

    def __call__(self, z: Any, *, model_inputs: ModelInputs | None = None) -> Any:
        del model_inputs
        return [[t] for t in z] if isinstance(z, list | tuple) else [z]

    @property
    def n_points(self) -> int:
        return 1

    @property
    def by_record(self) -> bool:
        return True

    def points(self, group: Group, baseline: list[Tensor] | None) -> LazyPoints:
        del group, baseline
        return LazyPoints((1.0,), None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self._cut is None else f'cut={self._cut!r}'})"


class LinearDoi(DoI):
    """Points on the line from the value to a baseline: αᵢ z + (1 − αᵢ) baseline.

    Integrated gradients (Sundararajan et al., 2017) averages over this line. All tensors of the
    cut move along one path. The first point is nearest to z, the last to the baseline.

    Args:
        baseline: where the line ends: None is zeros; a number; an array shaped like z, like one
            record, or with a leading axis of 1 (one per tensor, in a list, where the cut holds
            several); or a function of z, or of z and `model_inputs`, that returns one.
        resolution: how many points.
        cut: where the line lives; None is the model's input.
        rule: where the points lie, and their weights, see `trulens_core.quadrature`:
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
        group = alone(z, model_inputs)
        check_floating(self, group.z, self._cut or InputCut(), group.backend)
        # not self.points, which is this call where a subclass refines it
        lazy = LinearDoi.points(self, group, self.baseline_values(group))
        assert lazy.stack is not None
        points = as_given(lazy.stack(0, self.resolution), z)
        return points if self.rule in quadrature.EQUAL else Points(points, lazy.weights)

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

    def baseline_values(self, group: Group) -> list[Tensor]:
        given = self._baseline
        if callable(given) and not group.backend.is_tensor(given):
            given = asked(given, group.z, group)
        return resolved(given, group)

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

    @property
    def n_points(self) -> int:
        return self.resolution

    @property
    def weights(self) -> tuple[float, ...]:
        return self._nodes[1]

    @property
    def by_record(self) -> bool:
        return baselines.by_record(self._baseline)

    @property
    def starts_at_zero(self) -> bool:
        """Whether the baseline is zeros by choice of a number or by default."""
        if type(self).baseline_values is not LinearDoi.baseline_values:
            return False
        return self._baseline is None or (np.isscalar(self._baseline) and self._baseline == 0)

    def points(self, group: Group, baseline: list[Tensor] | None) -> LazyPoints:
        assert baseline is not None
        alphas, weights = self._nodes
        backend = group.backend
        between = backend.pure(_between)
        ends = [None] * len(group.z) if self.starts_at_zero else baseline

        def stack(i: int, j: int) -> list[Tensor]:
            some = np.asarray(alphas[i:j])
            return [between(t, b, some) for t, b in zip(group.z, ends, strict=True)]

        return LazyPoints(weights, stack)


class GaussianDoi(DoI):
    """The value with Gaussian noise: z + N(0, var), averaged (SmoothGrad, Smilkov et al., 2017).

    The noise of a point has the shape of one record and is the same for all records, so that it
    depends on nothing but (seed, point, tensor): not on batch, rebatch size or framework.

    Args:
        var: the variance, in the squared units of the value.
        resolution: how many points.
        cut: where the noise is added; None is the model's input.
        seed: of the noise.

    Raises:
        ValueError: for a variance that is negative or not finite, or a resolution below 1.
        DoiCutSupportError: when used, at a cut of integers.

    Example:
        >>> GaussianDoi(var=0.01, resolution=25)
        GaussianDoi(var=0.01, resolution=25, seed=0)
    """

    def __init__(
        self, var: float, resolution: int, cut: Cut | str | int | None = None, *, seed: int = 0
    ) -> None:
        super().__init__(cut)
        if not (float(var) >= 0 and math.isfinite(var)):
            raise ValueError(f"var is {var!r}; a variance is a finite number >= 0")
        self.var: float = float(var)
        self.resolution: int = quadrature.positive_int(resolution, "resolution")
        self.seed: int = int(seed)

    def __repr__(self) -> str:
        cut = "" if self._cut is None else f", cut={self._cut!r}"
        name = type(self).__name__
        return f"{name}(var={self.var}, resolution={self.resolution}, seed={self.seed}{cut})"

    def __call__(self, z: Any, *, model_inputs: ModelInputs | None = None) -> Any:
        group = alone(z, model_inputs)
        check_floating(self, group.z, self._cut or InputCut(), group.backend)
        return as_given(self._stack(group.z, group.backend)(0, self.resolution), z)

    @property
    def n_points(self) -> int:
        return self.resolution

    @property
    def weights(self) -> tuple[float, ...]:
        return (1 / self.resolution,) * self.resolution

    @property
    def by_record(self) -> bool:
        return True

    def points(self, group: Group, baseline: list[Tensor] | None) -> LazyPoints:
        del baseline
        return LazyPoints(self.weights, self._stack(group.z, group.backend))

    def _stack(self, z: list[Tensor], backend: Backend) -> Callable[[int, int], list[Tensor]]:
        def stack(i: int, j: int) -> list[Tensor]:
            out = []
            for index, t in enumerate(z):
                shape = (1, *(int(n) for n in t.shape[1:]))
                noise = np.stack([self._noise(shape, p, index) for p in range(i, j)])
                out.append(backend.xp.expand_dims(t, axis=0) + backend.from_numpy(noise, like=t))
            return out

        return stack

    def _noise(self, shape: tuple[int, ...], point: int, tensor: int) -> np.ndarray[Any, Any]:
        bits = np.random.Philox(key=self.seed, counter=[0, tensor, 0, point])
        return np.random.Generator(bits).standard_normal(shape) * math.sqrt(self.var)


def as_doi(value: Any) -> DoI:
    """The distribution that a short form means: "point" or "linear".

    Example:
        >>> as_doi("linear")
        LinearDoi(baseline=None, resolution=10, rule='endpoints')
    """
    if isinstance(value, DoI):
        return value
    if isinstance(value, str) and value in ("point", "linear"):
        return PointDoi() if value == "point" else LinearDoi()
    raise ValueError(f"doi is {value!r}; it must be a DoI, 'point' or 'linear'")


def check_floating(doi: DoI, z: list[Tensor], cut: Cut, backend: Backend) -> None:
    """Raise where the distribution would move values that are integers."""
    for t in z:
        if not backend.is_floating(t):
            raise DoiCutSupportError(
                f"{type(doi).__name__} moves the value at {cut}, which is {t.dtype}, and nothing "
                "is cast to integers; give the distribution the cut= of an embedding's output"
            )


def _between(backend: Backend, z: Tensor, end: Tensor | None, alphas: Any) -> Tensor:
    """Points of the line to `z`, of shape (b, …), from `end`: (k, b, …) for k numbers in [0, 1].

    Without an end, from zero, which takes one operation instead of three.
    """
    xp, wide = backend.xp, backend.accumulator
    near = wide(xp.expand_dims(z, axis=0))
    given = alphas.reshape((-1, *[1] * len(z.shape)))
    tensor = backend.is_tensor(given)
    a = backend.cast(given, near) if tensor else backend.from_numpy(given, like=near)
    points = a * near
    if end is not None:  # not b + a (z - b): the ends of the line are met exactly
        points = points + (1 - a) * wide(xp.expand_dims(end, axis=0))
    return backend.cast(points, z)


def one_or_list(z: list[Tensor]) -> Any:
    """One tensor for cuts of one, else the list."""
    return z[0] if len(z) == 1 else z


def asked(function: Callable[..., Any], z: Sequence[Tensor], group: Group) -> Any:
    """What a user's function says of the values z: `function(z)`, one tensor or the list.

    It gets `model_inputs` where its signature names it, and copies of what it might change in
    place.
    """
    fresh = group.backend.fresh
    own = one_or_list([fresh(t) for t in z])
    try:
        named = "model_inputs" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # builtins do not say
        named = False
    if not named:
        return function(own)
    return function(own, model_inputs=group.inputs.map_tensors(lambda x: fresh(x.value)))

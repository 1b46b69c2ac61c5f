"""What a distribution of interest is, and the simplest one: the value itself."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, ClassVar, Literal

from trulens_core import cards
from trulens_core.backends import Backend, Tensor
from trulens_core.distributions.baselines import resolved
from trulens_core.distributions.points import Formula, LazyPoints, Points, Records, as_points
from trulens_core.errors import DoiCutSupportError
from trulens_core.inputs import ModelInputs
from trulens_core.slices import Cut, source_cut

_LAZY = {
    "__call__": ("points", "n_points", "weights", "by_record"),
    "baseline": ("baseline_values", "by_record"),
}
"""What a class says of its points and its baseline, and the forms of it that core uses."""


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

    multiplier_is_standard: ClassVar[bool] = True
    """Whether the multiplier is the activation, less the baseline's where there is one."""

    complete: ClassVar[Literal["exact", "in expectation"]] = "exact"
    """How attributions add up to q(x) − q(baseline) where there is a baseline: to the quadrature's
    error, or to that of a random sample."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Core's form of the points and of the baseline is that of the class that says them."""
        super().__init_subclass__(**options)
        for said, forms in _LAZY.items():
            first = next(c for c in cls.__mro__ if said in vars(c) or forms[0] in vars(c))
            if forms[0] not in vars(first):
                for form in forms:
                    _forget(cls, form, first)
                cls.is_point = False
        if {"points", "baseline_values"} & vars(cls).keys() and "is_point" not in vars(cls):
            cls.is_point = False
        if "get_activation_multiplier" in vars(cls):
            cls.multiplier_is_standard = vars(cls).get("multiplier_is_standard", False)

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

    def _repr_html_(self) -> str:
        return cards.shown(self)

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

    def points(self, records: Records, baseline: list[Tensor] | None) -> LazyPoints:  # noqa: ARG002
        """The points for some records, whose baseline is `baseline`."""
        given = asked(self, records.z, records)
        return as_points(given, records, type(self).__name__, self.n_points)

    def baseline_values(self, records: Records) -> list[Tensor] | None:
        """The baseline for some records, as a list of tensors shaped like the value."""
        given = asked(self.baseline, records.z, records)
        return None if given is None else resolved(given, records)

    @property
    def n_points(self) -> int | None:
        """How many points there are, None where that is known only when they are made.

        A class that states it, as a property or a class attribute, may make its points one by
        one (`yield`): they are taken as they are needed, and memory does not grow with them.
        """
        return None

    @property
    def weights(self) -> tuple[float, ...] | None:
        """The weights of the points, where these are made of the value at the cut alone."""
        return None

    def formula(self) -> Formula | None:
        """The points for a program that makes them; None: they are made outside of it.

        It is that of one class alone: what a subclass changes of its points no formula knows.
        """
        return None

    @property
    def by_record(self) -> bool:
        """Whether the points of a record are known to depend on no other record."""
        return False

    @property
    def starts_at_zero(self) -> bool:
        """Whether the baseline is known to be zeros."""
        return False

    @property
    def recipe(self) -> Hashable:
        """All that the points follow from besides the value, None where that is not known."""
        return None

    @property
    def asks(self) -> bool:
        """Whether code of the caller's makes points or baseline, which may call the model."""
        return True

    @property
    def at_value(self) -> bool:
        """Whether the one point is known to be the value itself, though there is a baseline."""
        return False

    def members(self) -> Sequence[DoI]:
        """The distributions of which this one is a mixture with equal weights; itself, if none.

        Influence over a mixture is the mean of the influences, multipliers included.
        """
        return (self,)

    @property
    def random(self) -> bool:
        """Whether the members are a sample, so that their mean has a standard error."""
        return False


class PointDoi(DoI):
    """The value itself: an explanation faithful to this one point.

    It gives input × gradient, and saliency (Simonyan et al., 2014) where nothing is multiplied.

    Args:
        cut: where the point lives; it matters for the multiplier only.

    Example:
        >>> import numpy as np
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

    def points(self, records: Records, baseline: list[Tensor] | None) -> LazyPoints:
        del records, baseline
        return LazyPoints((1.0,), None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self._cut is None else f'cut={self._cut!r}'})"


def _forget(cls: type[DoI], form: str, first: type) -> None:
    """Give a form the default, unless the class that `first` says the points, or one of it, has it.

    What a standard distribution says of its points is not true of those of a subclass.
    """
    line = cls.__mro__
    if line.index(next(c for c in line if form in vars(c))) > line.index(first):
        setattr(cls, form, getattr(DoI, form))


def check_floating(doi: DoI, z: list[Tensor], cut: Cut, backend: Backend) -> None:
    """Raise where the distribution would move values that are integers."""
    for t in z:
        if not backend.varies(t):
            raise DoiCutSupportError(
                f"{type(doi).__name__} moves the value at {cut}, which is {t.dtype}, and nothing "
                "is cast to integers; give the distribution the cut= of an embedding's output"
            )


def one_or_list(z: list[Tensor]) -> Any:
    """One tensor for cuts of one, else the list."""
    return z[0] if len(z) == 1 else z


def asked(function: Callable[..., Any], z: Sequence[Tensor], records: Records) -> Any:
    """What a user's function says of the values z: `function(z)`, one tensor or the list.

    It gets `model_inputs` where its signature names it, and copies of what it might change in
    place.
    """
    fresh = records.backend.fresh
    own = one_or_list([fresh(t) for t in z])
    try:
        named = "model_inputs" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # builtins do not say
        named = False
    if not named:
        return function(own)
    return function(own, model_inputs=records.inputs.map_tensors(lambda x: fresh(x.value)))

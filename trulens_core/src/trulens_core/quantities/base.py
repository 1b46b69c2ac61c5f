"""Quantities of interest: which behaviour of the network is explained.

A quantity q maps the value y at the target cut to one number per record, or several. Quantities
are a vector space: influence of a·q + b·r = a·influence of q + b·influence of r.
"""

from __future__ import annotations

import copy
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, NamedTuple, final

import numpy as np

from trulens_core import cards, value_keys
from trulens_core.backends import Tensor
from trulens_core.errors import QoiError


class Datum(NamedTuple):
    """One array of a quantity: data of a step, never part of its key."""

    value: Any
    per_record: bool


class QoI(ABC):
    """A function of the value at the target cut giving one number per record, or several.

    Write `__call__(self, y)` in the framework's own operations (or over
    `get_backend(y).xp`). y is the tensor at the target cut, or a list where the cut holds
    several, with a row per record and point: (rows, …). Return (rows,) for one quantity,
    (rows, k) for k, or a list of (rows,).

    A quantity with data for each record names the attributes: y has a row per record *and* point,
    so that a closure over such an array would not fit.

    The standard quantities may be refined in the same way: what a subclass's `__call__` says is
    what counts.

    Attributes:
        arrays: names of attributes that are arrays with a row per record, or single numbers.
            They are sliced, repeated and traced by the library, as tensors of the framework. One
            that is None is left out.

    Raises:
        QoiError: when used, if it does not return floating numbers of these shapes, or an array
            of it does not have a row per record.

    Example:
        >>> class Loss(QoI):
        ...     arrays = ("targets",)
        ...
        ...     def __init__(self, targets):
        ...         self.targets = targets
        ...
        ...     def __call__(self, y):
        ...         return (y[:, 0] - self.targets) ** 2
        >>> from trulens_core import InputAttribution
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> InputAttribution(model, qoi=Loss(np.array([0.0, 1.0]))).attributions(x).shape
        (2, 5)
    """

    arrays: ClassVar[tuple[str, ...]] = ()
    is_standard: ClassVar[bool] = False
    """Whether it is one of the library's own, so that a compiled step may hold it. A subclass of
    one is not, unless it says so of itself."""
    __array_ufunc__ = None  # else NumPy would make an array of quantities out of q * array

    def __init_subclass__(cls, **options: Any) -> None:
        """A class is standard only if it says so itself."""
        super().__init_subclass__(**options)
        cls.is_standard = vars(cls).get("is_standard", False)

    @abstractmethod
    def __call__(self, y: Any) -> Any:
        """The quantities of the value `y` at the target cut.

        Args:
            y: (rows, …), a row per record and point; a list where the cut holds several tensors.

        Returns:
            (rows,), (rows, k) for k quantities, or a list of (rows,).
        """

    # What follows is core's; a user's quantity inherits it. The standard ones refine it.

    def bind(self, y: Any) -> QoI:  # noqa: ARG002 - a hook: most quantities ignore it
        """This quantity given the value `y` at the target cut for the unmodified records."""
        return self

    @property
    def binds(self) -> bool:
        """Whether `bind` needs to be called."""
        return type(self).bind is not QoI.bind

    @property
    def custom(self) -> bool:
        """Whether evaluating it runs code of the caller's: a class or a function of their own."""
        return not self.is_standard or any(map(callable, vars(self).values()))

    def classes(self, y: Any) -> Any:  # noqa: ARG002 - a hook
        """The class whose score it is: an int, or one per record; None where there is no such one.

        `y` is the value at the target cut for the unmodified records, None where it is not known.
        """
        return None

    def with_channel_axis(self, channel_axis: int | None) -> QoI:  # noqa: ARG002 - a hook as well
        """This quantity at a cut whose images have their channels on `channel_axis`."""
        return self

    def validate(self, shapes: Sequence[Sequence[int | None]]) -> None:  # noqa: B027 - a hook
        """Raise where the arrays do not fit values of these shapes at the target cut."""

    def with_n_records(self, n: int) -> QoI:  # noqa: ARG002 - a hook
        """This quantity where n records are explained: what tells arrays with a row for each."""
        return self

    def has_rows(self, name: str, value: Any) -> bool:  # noqa: ARG002 - a hook
        """Whether the array `name` has a row per record; by default each that has an axis."""
        return len(value.shape) > 0

    def _given(self) -> tuple[str, ...]:
        """The names in `arrays` of what is not None."""
        return tuple([name for name in self.arrays if getattr(self, name) is not None])

    @property
    def is_ready(self) -> bool:
        """Whether it can be evaluated as it is, with no array to be made a tensor first."""
        return not self.data()

    def data(self) -> list[Datum]:
        """The arrays, in a fixed order."""
        found = []
        for name in self._given():
            value = getattr(self, name)
            if not hasattr(value, "shape"):
                value = np.asarray(value)
            found.append(Datum(value, self.has_rows(name, value)))
        return found

    def with_data(self, values: Sequence[Any]) -> QoI:
        """A copy with other arrays, in the order of `data`."""
        new = copy.copy(self)
        for name, value in zip(self._given(), values, strict=True):
            object.__setattr__(new, name, value)
        return new

    @final
    def mapped(
        self,
        per_record: Callable[[Any], Any],
        others: Callable[[Any], Any] = lambda value: value,
    ) -> QoI:
        """A copy whose arrays with a row per record are `per_record(value)` of these."""
        data = self.data()
        if not data:
            return self
        functions = (others, per_record)
        return self.with_data([functions[d.per_record](d.value) for d in data])

    def key(self) -> Hashable:
        """Equal for quantities that differ in their arrays alone."""
        return value_keys.attributes(self, leave_out=self.arrays), self._given()

    def snapshot(self) -> QoI:
        """A copy that later changes of this object's options do not reach."""
        return copy.copy(self)

    @final
    def for_records(self, i: int, j: int, total: int) -> QoI:
        """This quantity for the records i to j of `total`."""
        qoi = self.with_n_records(total)
        for datum in qoi.data():
            if datum.per_record and datum.value.shape[0] != total:
                raise QoiError(
                    f"{type(self).__name__} has {datum.value.shape[0]} values in an array with "
                    f"one per record, but {total} records are explained"
                )
        return qoi if i == 0 and j >= total else qoi.mapped(lambda value: value[i:j])

    def _repr_html_(self) -> str:
        return cards.shown(self)

    def __add__(self, other: object) -> QoI:
        return (
            CombinedQoI.of((1.0, self), (1.0, other)) if isinstance(other, QoI) else NotImplemented
        )

    def __sub__(self, other: object) -> QoI:
        return (
            CombinedQoI.of((1.0, self), (-1.0, other)) if isinstance(other, QoI) else NotImplemented
        )

    def __neg__(self) -> QoI:
        return CombinedQoI.of((-1.0, self))

    def __mul__(self, scale: object) -> QoI:
        return NotImplemented if (c := _number(scale)) is None else CombinedQoI.of((c, self))

    __rmul__ = __mul__

    def __truediv__(self, scale: object) -> QoI:
        return NotImplemented if (c := _number(scale)) is None else CombinedQoI.of((1.0 / c, self))


class CombinedQoI(QoI):
    """Σ cᵢ qᵢ, as `2.0 * q - r` makes it. The coefficients are data, not part of the key.

    Example:
        >>> from trulens_core import ClassQoI
        >>> 0.5 * ClassQoI(0) + ClassQoI(1)
        0.5 * ClassQoI(0) + 1.0 * ClassQoI(1)
    """

    is_standard: ClassVar[bool] = True

    def __init__(self, coefficients: Sequence[Any], members: Sequence[QoI]) -> None:
        self.coefficients: tuple[Any, ...] = tuple(coefficients)
        self.members: tuple[QoI, ...] = tuple(members)

    @staticmethod
    def of(*terms: tuple[float, QoI]) -> CombinedQoI:
        """The sum of the terms, sums among them taken apart."""
        coefficients: list[Any] = []
        members: list[QoI] = []
        for scale, qoi in terms:
            if type(qoi) is CombinedQoI:  # one of another kind is more than its members
                coefficients += [scale * c for c in qoi.coefficients]
                members += qoi.members
            else:
                coefficients.append(scale)
                members.append(qoi)
        return CombinedQoI(coefficients, members)

    def __call__(self, y: Any) -> Any:
        outputs = [q(y) for q in self.members]
        if any(isinstance(o, list | tuple) for o in outputs):
            return [self._sum(column) for column in zip(*outputs, strict=True)]
        return self._sum(outputs)

    def _sum(self, terms: Sequence[Tensor]) -> Tensor:
        total = self.coefficients[0] * terms[0]
        for c, term in zip(self.coefficients[1:], terms[1:], strict=True):
            total = total + c * term
        return total

    def __repr__(self) -> str:
        pairs = zip(self.coefficients, self.members, strict=True)
        return " + ".join(f"{c!r} * {q!r}" for c, q in pairs)

    def _of(self, coefficients: Sequence[Any], members: Sequence[QoI]) -> CombinedQoI:
        """The same sum, of the same kind, of others."""
        new = copy.copy(self)
        new.coefficients, new.members = tuple(coefficients), tuple(members)
        return new

    def _map(self, function: Callable[[QoI], QoI]) -> CombinedQoI:
        members = [function(q) for q in self.members]
        same = all(a is b for a, b in zip(members, self.members, strict=True))
        return self if same else self._of(self.coefficients, members)

    def bind(self, y: Any) -> QoI:
        return self._map(lambda q: q.bind(y))

    @property
    def binds(self) -> bool:
        return type(self).bind is not CombinedQoI.bind or any(q.binds for q in self.members)

    @property
    def custom(self) -> bool:
        return super().custom or any(q.custom for q in self.members)

    def with_channel_axis(self, channel_axis: int | None) -> QoI:
        return self._map(lambda q: q.with_channel_axis(channel_axis))

    def with_n_records(self, n: int) -> QoI:
        return self._map(lambda q: q.with_n_records(n))

    def validate(self, shapes: Sequence[Sequence[int | None]]) -> None:
        for q in self.members:
            q.validate(shapes)

    def data(self) -> list[Datum]:
        scales = [c if hasattr(c, "shape") else np.asarray(c, "float64") for c in self.coefficients]
        members = [d for q in self.members for d in q.data()]
        return [*super().data(), *(Datum(c, False) for c in scales), *members]

    def with_data(self, values: Sequence[Any]) -> QoI:
        own, n = len(self._given()), len(self.coefficients)
        coefficients, rest = values[own : own + n], iter(values[own + n :])
        members = [q.with_data([next(rest) for _ in q.data()]) for q in self.members]
        return QoI.with_data(self._of(coefficients, members), values[:own])

    def key(self) -> Hashable:
        own = value_keys.attributes(self, leave_out=("coefficients", "members", *self.arrays))
        return own, self._given(), tuple(q.key() for q in self.members)

    def snapshot(self) -> QoI:
        return QoI.snapshot(self._map(lambda q: q.snapshot()))


def _number(x: object) -> float | None:
    if isinstance(x, bool) or not isinstance(x, numbers.Real):
        return None
    return float(x)

"""Quantities that compare the value with something given: losses and distances."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import QoiError
from trulens_core.plugins import get_backend
from trulens_core.quantities.base import QoI
from trulens_core.quantities.positions import check_fits, may_have_rows
from trulens_core.quantities.reading import as_tensor, numbers, shown, single


class LossQoI(QoI):
    """A loss of each record, (records,): function(y, targets).

    The function is one of the framework's own, or made of such, without its reduction: records do
    not see one another. Losses that take the targets first, as those of Keras do, are given as
    `lambda y, t: loss(t, y)`.

    Args:
        function: takes y, (rows, …), and the targets of these rows as a tensor; gives (rows,).
        targets: one per record, (records, …), or a single number.

    Raises:
        ValueError: for a function that cannot be called.
        QoiError: when used, where the function gives anything but one loss per row, or there is
            not a target for each record.

    Example:
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> y = b.from_numpy(np.asarray([[2.0], [2.0]]))
        >>> LossQoI(lambda y, t: (y[:, 0] - t) ** 2, [1.0, 5.0])(y)
        Tensor(array([1., 9.]))
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("targets",)

    def __init__(self, function: Callable[[Any, Any], Any], targets: Any) -> None:
        if not callable(function):
            raise ValueError(f"LossQoI needs a function of (y, targets), found {function!r}")
        self.function = function
        self.targets: Any = targets if hasattr(targets, "shape") else np.asarray(targets)

    def __call__(self, y: Any) -> Any:
        first = y[0] if isinstance(y, list | tuple) else y
        loss = self.function(y, as_tensor(self.targets, first, get_backend(first)))
        shape = getattr(loss, "shape", None)
        if shape is not None and len(shape) != 1:
            raise QoiError(
                f"the function of {type(self).__name__} gave shape {tuple(shape)}, expected one "
                'loss per row, (rows,): leave its reduction out, as by reduction="none", and sum '
                "what is left over the other axes"
            )
        return loss

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.function!r}, {shown(self.targets)})"


Metric = Literal["euclidean", "squared", "cosine"]
_NO_DIRECTION = "has no direction, which metric='cosine' compares"


class DistanceQoI(QoI):
    """How far each record's value is from a reference r, (records,), over all its other axes.

    "euclidean": ‖y − r‖ = √Σ (y − r)²; where the two are equal it has no gradient, and 0 stands
    for it. "squared": Σ (y − r)². "cosine": 1 − Σ y r / (‖y‖ ‖r‖); a value of zeros has no
    direction: its distance is 1 there, and its gradient 0. Half types are computed in float32.

    Args:
        reference: one for all records, (…) as the value of one, or one per record, (records, …),
            in the layout of the framework; or a single number.
        metric: which.

    Raises:
        ValueError: for a reference that is no array of finite numbers, another metric, or a
            reference of zeros for "cosine".
        QoiError: when used, for a reference that does not fit the value.
        QoiCutSupportError: when used, at a cut of several tensors.

    Example:
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> y = b.from_numpy(np.asarray([[3.0, 4.0], [0.0, 1.0]]))
        >>> DistanceQoI([0.0, 0.0])(y), DistanceQoI([0.0, 2.0], metric="cosine")(y)
        (Tensor(array([5., 1.])), Tensor(array([0.2, 0. ])))
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("reference",)

    def __init__(self, reference: Any, metric: Metric = "euclidean") -> None:
        if metric not in _METRICS:
            raise ValueError(f"metric is {metric!r}; it must be one of {', '.join(_METRICS)}")
        self.reference: Any = numbers(reference, "reference")
        if metric == "cosine" and not self.reference.any():
            raise ValueError(f"a reference of zeros {_NO_DIRECTION}")
        self.metric: Metric = metric
        self._with_rows: bool | None = None

    def with_n_records(self, n: int) -> QoI:
        new = copy.copy(self)
        new._with_rows = may_have_rows(self.reference, n)
        return new

    def has_rows(self, name: str, value: Any) -> bool:
        return bool(self._with_rows) if name == "reference" else super().has_rows(name, value)

    def validate(self, shapes: Sequence[Sequence[int | None]]) -> None:
        if len(shapes) != 1 or not len(self.reference.shape):
            return
        reference, rank = self.reference, len(shapes[0])
        if rank == 1:
            raise QoiError(
                f"{type(self).__name__}: a value (records,) is compared with a single number; "
                "LossQoI compares it with targets, one per record"
            )
        check_fits("reference", reference, shapes[0][1:], self._with_rows, self)
        known = isinstance(reference, np.ndarray) and reference.ndim == rank
        directed = known and self.metric == "cosine"
        if directed and not reference.any(axis=tuple(range(1, rank))).all():
            raise QoiError(f"DistanceQoI: a record's reference of zeros {_NO_DIRECTION}")

    def __call__(self, y: Any) -> Any:
        y, backend = single(y, self)
        self.validate([tuple(y.shape)])
        y = backend.accumulator(y)
        if len(y.shape) == 1:
            y = backend.xp.expand_dims(y, axis=1)
        reference = as_tensor(self.reference, y, backend)
        return _METRICS[self.metric](y, reference + backend.xp.zeros_like(y), backend)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown(self.reference)}, metric={self.metric!r})"


def _sum(x: Tensor, backend: Backend) -> Tensor:
    return backend.xp.sum(x, axis=tuple(range(1, len(x.shape))))


def _root(s: Tensor, backend: Backend) -> Tensor:
    """√s of what is not negative, with gradient 0 at 0."""
    xp = backend.xp
    positive = s > 0.0
    root = xp.sqrt(xp.where(positive, s, xp.full_like(s, 1.0)))
    return xp.where(positive, root, xp.zeros_like(s))


def _squared(y: Tensor, r: Tensor, backend: Backend) -> Tensor:
    return _sum((y - r) * (y - r), backend)


def _euclidean(y: Tensor, r: Tensor, backend: Backend) -> Tensor:
    return _root(_squared(y, r, backend), backend)


def _cosine(y: Tensor, r: Tensor, backend: Backend) -> Tensor:
    xp = backend.xp
    squares = _sum(y * y, backend)
    known, one = squares > 0.0, xp.full_like(squares, 1.0)
    norms = xp.sqrt(xp.where(known, squares, one)) * _root(_sum(r * r, backend), backend)
    cosine = _sum(y * r, backend) / norms
    return 1.0 - xp.where(known, cosine, xp.zeros_like(cosine))


_METRICS: dict[str, Callable[[Tensor, Tensor, Backend], Tensor]] = {
    "euclidean": _euclidean,
    "squared": _squared,
    "cosine": _cosine,
}

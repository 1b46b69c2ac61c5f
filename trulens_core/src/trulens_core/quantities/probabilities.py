"""Quantities of the probabilities that scores stand for, computed from the scores."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np  # noqa: F401 - for the examples

from trulens_core.backends import Backend, Tensor
from trulens_core.quantities.classes import ClassQoI
from trulens_core.quantities.positions import PerPosition, chosen, options


class LogProbQoI(ClassQoI):
    """The logarithm of a class's probability, (records,): y[:, cl] − log Σⱼ exp y[:, j].

    On maps and sequences it is summed over the positions, or over a region, as of `ClassQoI`. It
    is computed from scores, without overflow: scores far from 0 and scores of −∞, as masks make
    them, are no trouble, but where no class of a record has a finite score. Half types are
    computed in float32.

    Args:
        cl: the class, one per record, or one per record and position.
        region: the positions that are summed over.
        axis: the axis of the classes, all as of `ClassQoI`.

    Raises:
        ValueError: for classes that are no ints, or a region that is no array of finite numbers.
        IndexError: when used, for a class that y does not have.
        QoiCutSupportError: when used, at a cut of several tensors or without an axis of classes.
        QoiError: when used, for classes or a region that do not fit the positions.

    Example:
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> LogProbQoI(1)(b.from_numpy(np.asarray([[0.0, -1e4], [0.0, 1e4]])))
        Tensor(array([-10000.,      0.]))
    """

    is_standard: ClassVar[bool] = True

    def at_positions(self, y: Tensor, axis: int, backend: Backend) -> Tensor:
        return log_probability(y, self.cl, axis, backend, "class")


class EntropyQoI(PerPosition):
    """How undecided the scores are, (records,): −Σⱼ pⱼ log pⱼ, p = softmax(y) over the classes.

    On maps and sequences it is summed over the positions. It is 0 for one class, and log n for n
    equal scores; a class of score −∞ adds nothing. Half types are computed in float32.

    Args:
        axis: the axis of the classes. By default 1 of scores (rows, classes), the last one of
            rank 3 values, and that of the channels of maps.

    Raises:
        QoiCutSupportError: when used, at a cut of several tensors or without an axis of classes.

    Example:
        >>> from trulens_core.testing.reference import BACKEND as b
        >>> EntropyQoI()(b.from_numpy(np.asarray([[0.0, 0.0], [0.0, -1e4]])))
        Tensor(array([0.69314718, 0.        ]))
    """

    is_standard: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ()

    def __init__(self, axis: int | None = None) -> None:
        self.axis = axis

    def at_positions(self, y: Tensor, axis: int, backend: Backend) -> Tensor:
        return entropy(y, axis, backend)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({options(None, self.axis)})"


def log_probability(y: Tensor, index: Any, axis: int, backend: Backend, what: str) -> Tensor:
    """The log-probabilities at indices along an axis of scores, as `chosen` takes them."""
    z, log_sum = _shifted(y, axis, backend)
    return chosen(z, index, axis, backend, what) - log_sum


def entropy(y: Tensor, axis: int, backend: Backend) -> Tensor:
    """How undecided the scores along an axis are, which is left out."""
    xp = backend.xp
    z, log_sum = _shifted(y, axis, backend)
    p = backend.softmax(z, axis)
    z = xp.where(p > 0.0, z, xp.zeros_like(z))  # 0 · −∞ is no number
    return log_sum - xp.sum(p * z, axis=axis)


def _shifted(y: Tensor, axis: int, backend: Backend) -> tuple[Tensor, Tensor]:
    """The scores less their largest, z, and log Σ exp z along the axis, which is left out."""
    xp, y = backend.xp, backend.accumulator(y)
    # what is shifted by cancels, so that nothing need be differentiated through it
    largest = backend.stop_gradient(backend.largest(y, axis))
    z = y - xp.expand_dims(largest, axis=axis)
    return z, xp.log(xp.sum(xp.exp(z), axis=axis))

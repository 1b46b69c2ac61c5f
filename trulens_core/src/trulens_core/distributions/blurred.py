"""Baselines that are made of the record itself: its channels' means, and itself blurred."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from trulens_core.distributions.arrays import alone
from trulens_core.segments.axes import Value


@final
@dataclass(frozen=True)
class ChannelMean:
    """The mean of each channel of a record, everywhere: a baseline of the record's own colour.

    Args:
        channel_axis: of the value; None is the backend's own for images, else the last.

    Raises:
        ValueError: when used, where it cannot be told which axis holds the channels.

    Example:
        >>> ChannelMean(1)(np.arange(4.0).reshape(1, 1, 2, 2)).tolist()
        [[[[1.5, 1.5], [1.5, 1.5]]]]
    """

    channel_axis: int | None = None
    by_record: ClassVar[bool] = True

    def __call__(self, z: Any) -> Any:
        """The baseline for values z, (records, …), or a list of them."""
        if isinstance(z, list | tuple):
            return [self(t) for t in z]
        backend = alone(z, None).backend
        axes = _space(z, backend.channel_axis, self.channel_axis)
        return backend.xp.broadcast_to(backend.xp.mean(z, axis=axes, keepdims=True), z.shape)


@final
@dataclass(frozen=True)
class Blurred:
    """A record blurred over space or time by a Gaussian: what is removed loses its detail alone.

    Args:
        sigma: of the Gaussian, in elements.
        channel_axis: as in `ChannelMean`.

    Raises:
        ValueError: for a sigma that is not above 0; when used, as `ChannelMean`.

    Example:
        >>> Blurred(1.0)(np.array([[0.0, 0.0, 1.0, 0.0, 0.0]])).round(2).tolist()
        [[0.08, 0.26, 0.4, 0.26, 0.08]]
    """

    sigma: float
    channel_axis: int | None = None
    by_record: ClassVar[bool] = True
    stops_gradient: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (self.sigma > 0 and math.isfinite(self.sigma)):
            raise ValueError(f"sigma is {self.sigma!r}; it must be a finite number above 0")

    def __call__(self, z: Any) -> Any:
        """The baseline for values z, (records, …), or a list of them."""
        if isinstance(z, list | tuple):
            return [self(t) for t in z]
        backend = alone(z, None).backend
        found: Any = backend.to_numpy(z).astype("float64")
        for axis in _space(z, backend.channel_axis, self.channel_axis):
            moved = np.moveaxis(found, axis, -1)
            found = np.moveaxis(moved @ self._weights(moved.shape[-1]), -1, axis)
        return backend.from_numpy(np.ascontiguousarray(found), like=z)

    def _weights(self, n: int) -> np.ndarray[Any, Any]:
        """(n, n): of each element, Gaussian weights of all that sum to 1."""
        at = np.arange(n)
        w = np.exp(-((at[:, np.newaxis] - at) ** 2) / (2 * self.sigma**2))
        return np.asarray(w / w.sum(axis=0))


def _space(z: Any, known: int | None, chosen: int | None) -> tuple[int, ...]:
    """The axes of a value that are space or time."""
    records = int(z.shape[0])
    return tuple(a + 1 for a in Value(z, known, 0, records).space(chosen))

"""Maps of a layer in the size of what was explained."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.plugins import get_backend

_CHANNELS = (1, 3, 4)


def upsampled(maps: Any, x: Any, channel_axis: int | None) -> Any:
    """Maps (records, …) of one channel, interpolated linearly to the places of x.

    Args:
        maps: an array or tensor with one channel on axis 1 or on the last one.
        x: what was explained, of the same rank.
        channel_axis: of x.

    Returns:
        An array or tensor as `maps` is, with the channel where x has them.
    """
    found, shape = _array(maps), tuple(int(n) for n in x.shape)
    if found.ndim != len(shape) or found.ndim < 3:
        raise ValueError(
            f"maps of shape {found.shape} cannot take the size of x of shape {shape}; give maps "
            "and x with places, (records, channels, …) or (records, …, channels) both"
        )
    axis = channels_of(shape, found.shape) if channel_axis is None else channel_axis % len(shape)
    own = next((a for a in (axis, 1, found.ndim - 1) if found.shape[a] == 1), None)
    if own is None:
        raise ValueError(f"maps of shape {found.shape} have no axis of one channel")
    places = np.moveaxis(found.astype("float64"), own, -1)
    target = [n for a, n in enumerate(shape) if a not in (0, axis)]
    for a, n in enumerate(target, start=1):
        places = _along(places, a, n)
    new = np.ascontiguousarray(np.moveaxis(places, -1, axis).astype(found.dtype))
    return new if isinstance(maps, np.ndarray) else get_backend(maps).from_numpy(new, like=maps)


def _array(maps: Any) -> np.ndarray[Any, Any]:
    return maps if isinstance(maps, np.ndarray) else get_backend(maps).to_numpy(maps)


def channels_of(x: tuple[int, ...], maps: tuple[int, ...]) -> int:
    """The axis with as many channels as images have, or else where the maps have their own."""
    ends = 1, len(x) - 1
    for fits in ([a for a in ends if x[a] in _CHANNELS], [a for a in ends if maps[a] == 1]):
        if len(fits) == 1:
            return fits[0]
    raise ValueError(f"which axis of x, {x}, holds the channels? Give channel_axis=")


def _along(x: np.ndarray[Any, Any], axis: int, n: int) -> np.ndarray[Any, Any]:
    """Linear interpolation to n places, each the middle of an equal part, constant at the ends."""
    old = x.shape[axis]
    at = np.clip((np.arange(n) + 0.5) * old / n - 0.5, 0, old - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, old - 1)
    part = (at - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.asarray(np.take(x, low, axis) * (1 - part) + np.take(x, high, axis) * part)

"""Gradients of half precision that would underflow, on frameworks whose passes are traced.

In float16 nothing lies between 0 and 6e-8, so that a gradient of many small factors is lost on its
way back though its end could be told. A factor of 2ⁿ on the quantity's cotangent, taken away in
float32, changes no number that was not lost, or too large. Each row takes the largest factor with
which it is finite, whatever its neighbours take. A row that is so small with the largest factor
that float16 holds it to a few bits only is 0, as it is without a factor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trulens_core.backends.backend import Backend
from trulens_core.backends.protocol import Tensor

POWERS = (15, 7, 0)
"""2¹⁵ is the largest power of two but one in float16; the last is no factor at all."""

_TOLD = 2.0**-20
"""Below it float16 has less than four bits of a number."""

Found = list[Any]


def always(lost: Tensor, again: Callable[[], Found], found: Found) -> Found:
    """What is found again, whether anything was lost or not."""
    del lost, found
    return again()


def scaled(
    derived: Callable[[float], Found],
    half: Tensor,
    backend: Backend,
    where_lost: Callable[[Tensor, Callable[[], Found], Found], Found] = always,
) -> Found:
    """The gradients of a quantity, float32; None where it does not depend on a tensor.

    Args:
        derived: the gradients for a cotangent of this factor everywhere.
        half: any tensor of float16.
        backend: of the tensors.
        where_lost: `where_lost(lost, again, found)` gives `again()`; or `found`, which is the same
            where `lost`, a truth value, is not so.
    """
    found = [_undone(g, POWERS[0], half, backend) for g in derived(2.0 ** POWERS[0])]
    for power in POWERS[1:]:

        def again(power: int = power, found: Found = found) -> Found:
            got = derived(2.0**power)
            pairs = zip(found, got, strict=True)
            return [_filled(f, _undone(g, power, half, backend), backend) for f, g in pairs]

        found = where_lost(_lost(found, backend), again, found)
    return found


def _undone(g: Any, power: int, half: Tensor, backend: Backend) -> Any:
    if g is None:
        return None
    xp = backend.xp
    if power:
        small = xp.abs(g) < _TOLD
        as_half = backend.cast(backend.cast(g, half), g) == g
        coarse = _of_rows(small, backend) & _of_rows(as_half, backend)
        g = xp.where(coarse, xp.zeros_like(g), g)
    return backend.accumulator(g) * 2.0**-power


def _of_rows(x: Tensor, backend: Backend) -> Tensor:
    """Whether all of each row is true, as a tensor with one element for each row."""
    axes = tuple(range(1, len(x.shape)))
    return backend.xp.all(x, axis=axes, keepdims=True) if axes else x


def _filled(before: Any, now: Any, backend: Backend) -> Any:
    """The rows that are finite from before, the others from now."""
    if before is None or now is None:
        return before
    return backend.xp.where(_of_rows(backend.xp.isfinite(before), backend), before, now)


def _lost(found: Found, backend: Backend) -> Any:
    """Whether any of it is not finite."""
    lost: Any = False
    for g in found:
        if g is not None:
            lost = lost | ~backend.xp.all(backend.xp.isfinite(g))
    return lost

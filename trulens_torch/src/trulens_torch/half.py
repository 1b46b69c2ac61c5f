"""Gradients of half precision that would underflow, scaled on their way.

In float16 nothing lies between 0 and 6e-8, so that a gradient of many small factors is lost on its
way back though its end could be told. A factor of 2ⁿ on the quantity's cotangent, taken away in
float32, changes no number that was not lost, or too large. Each row takes the largest factor with
which it is finite: the passes have one factor for all rows, as is right where these see one
another, and a row's number depends on none of its neighbours. A row that is so small with the
largest factor that float16 holds it to a few bits only is 0, as it is without a factor.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Literal

import torch

from trulens_core.errors import TrulensWarning

_POWERS = (15, 10, 5, 0)
"""2¹⁵ is the largest power of two but one in float16; the last is no factor at all."""

_TOLD = 2.0**-20
"""Below it float16 has less than four bits of a number."""

_APART = 2.0**-5
"""How far gradients of two factors, relative to the largest, are apart by rounding at most."""

Found = list[torch.Tensor | None]

_LOOKS: ContextVar[bool] = ContextVar("looks", default=False)
"""Whether gradients are looked at in this thread, see `looked_at`."""


@contextlib.contextmanager
def looked_at() -> Iterator[None]:
    """Where gradients that are scaled are looked at, whether they are linear in the factor."""
    token = _LOOKS.set(True)
    try:
        yield
    finally:
        _LOOKS.reset(token)


def is_half(q: torch.Tensor, leaves: Sequence[torch.Tensor]) -> bool:
    """Whether any gradient on the way from the quantity is float16.

    At either end, or of a part in between: a block that is `.half()` in a float32 model, or a
    region of `torch.autocast` in its `forward`.
    """
    if any([t.dtype == torch.float16 for t in (q, *leaves)]):
        return True
    kind = q.device.type
    if torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16:
        return True
    return _is_half_inside(q)


def _is_half_inside(q: torch.Tensor) -> bool:
    """The same by the graph, looked at each time: what a model's code runs, no key tells."""
    seen: dict[Any, None] = {None: None}
    left: list[tuple[Any, int]] = [(q.grad_fn, 0)]
    half, halves = torch.float16, torch.complex32
    for node, _ in left:  # it grows on the way; little is called here, for speed
        if node in seen:
            continue
        seen[node] = None
        given = node.next_functions
        begins = _may_begin(node.__class__)
        if begins and (begins != "with a constant" or _CONSTANT in given):
            for gradient in node._input_metadata:  # as slow as all else
                if gradient.dtype is half or gradient.dtype is halves:
                    return True
        left += given
    return False


_CONSTANT = (None, 0)
"""In the place of an operand's node, where the operand has no gradient."""


@functools.cache
def _may_begin(kind: type) -> Literal["", "with a constant", "always"]:
    """When a node of the graph may give float16 though it is given none.

    Where there is float16 on the way it begins at such a node, or at a leaf, so that no other node
    is asked. Arithmetic gives the widest type of its operands or, written in place, that of one:
    float16 begins there only with an operand that has no gradient, and so no node to be asked. It
    is a constant that is written to, or one with axes beside a number without.
    """
    if kind.__name__ in _ARITHMETIC:
        return "with a constant"
    return "" if kind.__name__ in _KEEP_TYPE else "always"


def _nodes(*names: str) -> frozenset[str]:
    return frozenset(f"{name}Backward0" for name in names)


_ARITHMETIC = _nodes("Add", "Sub", "Mul", "Div")

_KEEP_TYPE = _nodes(
    *("Addmm", "Baddbmm", "Bmm", "Mm", "Convolution", "T", "Transpose", "Permute", "View"),
    *("UnsafeView", "ReshapeAlias", "Expand", "Clone", "Select", "Slice", "Split", "Squeeze"),
    *("Unsqueeze", "Gelu", "Relu", "Silu", "Tanh", "NativeBatchNorm", "MaxPool2DWithIndices"),
    *("NativeLayerNorm", "ScaledDotProductFlashAttentionForCpu", "Alias", "Cat", "Neg", "Pow"),
    *("Rsqrt", "Sigmoid", "Exp", "Repeat"),
)


def is_linear(q: torch.Tensor) -> bool:
    """Whether what comes back to the leaves is known to be linear in the quantity's cotangent.

    A rule of the backward pass need not be, nor a backward function of the model's own (one that
    clips, say): there is no factor for those.
    What a hook on a tensor inside of the model does to its gradient (`h.register_hook`) is no part
    of the graph; where it is not linear, that is said when gradients are looked at.
    """
    seen: set[Any] = set()
    left: list[Any] = [q.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            return False
        seen.add(node)
        left += [n for n, _ in node.next_functions]
    return True


def scaled(
    derived: Callable[[torch.Tensor, bool], Found], q: torch.Tensor, retain_graph: bool
) -> Found:
    """The gradients of a quantity, float32.

    Args:
        derived: the gradients for a cotangent; its second argument is whether the graph is used
            again.
        q: the quantity, (rows,).
        retain_graph: whether the graph is used again after this.
    """
    found: Found = []
    left: torch.Tensor | None = None
    looks = _LOOKS.get()

    def at(power: int, again: bool) -> Found:
        cotangent = torch.full_like(q, 2.0**power)
        return [_undone(g, power) for g in derived(cotangent, again)]

    for power in _POWERS:
        got = at(power, retain_graph or power > 0)
        if looks and power:
            _check_linear(got, at(power - 1, True))
        if left is not None:
            pairs = zip(found, got, strict=True)
            got = [_filled(before, now, left) for before, now in pairs]
        found = got
        left = _lost(found, len(q))
        if not left.any():
            break
    return found


def check_unscaled(derived: Callable[[torch.Tensor, bool], Found], q: torch.Tensor) -> None:
    """Say so where gradients without a factor are not what they are with one.

    Where results stay in the graph there is none: it would be in what is differentiated again, by
    whose small numbers it would be lost in its turn.
    """
    found = [_undone(g, 0) for g in derived(torch.ones_like(q), True)]
    for a, b in zip(found, scaled(derived, q, retain_graph=True), strict=True):
        if a is None or b is None or not a.numel():
            continue
        there = torch.isfinite(a) & torch.isfinite(b)
        off, size = (torch.where(there, x, 0).flatten(1).abs().amax(1) for x in (a - b, b))
        if bool((off > _APART * size).any()):
            warnings.warn(
                "gradients of this float16 model underflow on their way, and are not scaled where "
                "results stay in the graph: they are too small, or zero; explain a float32 copy of "
                "the model, model.float(), or leave differentiable= out",
                TrulensWarning,
                stacklevel=2,
            )
            return


def _check_linear(found: Found, other: Found) -> None:
    """Say so where gradients by two factors, of rows finite in both, are not the same."""
    for a, b in zip(found, other, strict=True):
        if a is None or b is None or not a.numel():
            continue
        off = torch.where(torch.isfinite(a) & torch.isfinite(b), a - b, 0).abs().max()
        if off > _APART * torch.where(torch.isfinite(b), b, 0).abs().max():
            warnings.warn(
                "gradients of this float16 model are scaled on their way, lest they underflow, and "
                "do not scale: a hook on a tensor inside of it (h.register_hook) that clips, say, "
                "sees them scaled, or they are too small even so; explain a float32 copy of the "
                "model, model.float()",
                TrulensWarning,
                stacklevel=2,
            )
            return


def _undone(g: torch.Tensor | None, power: int) -> torch.Tensor | None:
    if g is None:
        return None
    if power and g.numel():
        coarse = _coarse(g.reshape(len(g), -1)).reshape(-1, *[1] * (g.ndim - 1))
        g = torch.where(coarse, torch.zeros_like(g), g)
    wide = g if g.dtype == torch.float64 else g.float()
    return wide * 2.0**-power


def _coarse(g: torch.Tensor) -> torch.Tensor:
    """Which rows hold nothing but the smallest numbers of float16, (rows,); in wider types too."""
    small = g.abs().amax(1) < _TOLD
    return small & (g.half().to(g.dtype) == g).all(1)


def _filled(
    before: torch.Tensor | None, now: torch.Tensor | None, left: torch.Tensor
) -> torch.Tensor | None:
    """The rows that are left from now, the others from before."""
    if before is None or now is None:
        return before
    return torch.where(left.reshape(-1, *[1] * (now.ndim - 1)), now, before)


def _lost(found: Found, rows: int) -> torch.Tensor:
    """Which rows are not finite, (rows,); where tensors have other rows, all of them or none."""
    lost = [~torch.isfinite(g) for g in found if g is not None]
    if not lost:
        return torch.zeros(1, dtype=torch.bool)
    if all([len(g) == rows for g in lost]):
        return torch.stack([g.flatten(1).any(1) for g in lost]).any(0)
    return torch.stack([g.any() for g in lost]).any().reshape(1)

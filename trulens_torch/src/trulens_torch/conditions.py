"""Functions that a comparison of values decides: x * (x > 0), where(x > 0, x, 0)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from trulens_torch import traced_values as tv
from trulens_torch.calls import Call
from trulens_torch.sums import unknown

_PROBE = (-1.5, 2.0, 0.0, -0.5, 1.0)


def switched(call: Call) -> Any:
    """A function of values and of what was told by comparing them.

    Where all are of one tensor, entry by entry, it is one function of that, and where it does what
    ReLU does, it is one. Else nothing is known of it: it is not linear, whatever it looks like.
    """
    token = call.mode.token
    held = list(tv.tensors_in((call.args, call.options)))
    known = [t for t in held if tv.value_of(t, token) is not None]
    found = tv.common(known, token)
    if found is None or call.what.in_place:
        return unknown(call)
    root, value, ways = found
    put_in = substituted(call.function, call.args, call.options, known)

    def whole(r: Any) -> Any:
        return put_in(*[way(r) for way in ways])

    for t in known:
        for entry in tv.entries_between(t, value, token):
            entry.within = True
    kind = "relu" if _is_relu(whole, root) else "pointwise"
    name = f"{call.what.name} (one of x)"
    return call.apply(kind, whole, [root], value=call.derived(root, whole), name=name)


def _is_relu(function: Callable[[Any], Any], like: torch.Tensor) -> bool:
    with torch.no_grad():
        values = torch.tensor(_PROBE, dtype=like.dtype, device=like.device)
        probe = values.repeat(like.numel() // len(values) + 1)[: like.numel()].reshape(like.shape)
        found = function(probe)
    return isinstance(found, torch.Tensor) and torch.equal(found, probe.clamp(min=0))


def substituted(
    function: Callable[..., Any], args: Sequence[Any], options: dict[str, Any], known: Sequence[Any]
) -> Callable[..., Any]:
    """A call as a function of some of its tensors."""

    def of(*new: Any) -> Any:
        instead = {id(old): x for old, x in zip(known, new, strict=True)}
        return function(*_put_in(args, instead), **_put_in(options, instead))

    return of


def _put_in(held: Any, instead: dict[int, Any]) -> Any:
    if isinstance(held, torch.Tensor):
        return instead.get(id(held), held)
    if isinstance(held, list | tuple) and type(held) in (list, tuple):
        return type(held)([_put_in(x, instead) for x in held])
    if isinstance(held, dict):
        return {k: _put_in(x, instead) for k, x in held.items()}
    return held

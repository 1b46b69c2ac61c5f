"""How torch's functions are seen to: as operations that rules know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from trulens_torch import sums
from trulens_torch import traced_values as tv
from trulens_torch.calls import Call, is_active
from trulens_torch.traced_values import Value

# -- functions of one tensor -------------------------------------------------------------------


def _entrywise(call: Call) -> Any:
    if call.what.name == "pow" and not is_active(call.args[0]):
        base, function = call.args[0], call.function
        return call.apply("pointwise", lambda n: function(base, n), [call.args[1]])
    if call.what.name == "rpow":
        power, function = call.args, call.function
        return call.apply("pointwise", lambda n: function(n, power[1]), [call.args[0]])
    x, function = call.args[0] if call.args else call.options.get("input"), call.of_first()
    if not call.args:
        return sums.unknown(call)
    kind = "relu" if _is_relu(call) else call.what.kind
    return call.apply(kind, function, [x], value=_unless_more(call, x, function))


def _is_relu(call: Call) -> bool:
    """Whether a limit is that of ReLU: none but 0 below."""
    if call.what.name not in ("clamp", "clip", "clamp_min"):
        return False
    _, low, high = call.named("input", "min", "max")
    return isinstance(low, int | float) and low == 0 and high is None


def _unless_more(call: Call, x: Any, step: Callable[[Any], Any]) -> Value | None:
    """What is known of a function of one tensor; None where others depend on the source too."""
    others = [t for t in tv.tensors_in((call.args[1:], call.options)) if t.requires_grad]
    return None if others else call.derived(x, step)


def _of_one(call: Call) -> Any:
    if not call.args:
        return sums.unknown(call)
    return call.apply(call.what.kind, call.of_first(), [call.args[0]])


def _max(call: Call) -> Any:
    """The largest along an axis, with its places; of a whole tensor."""
    if len(call.args) > 1 and isinstance(call.args[1], torch.Tensor):
        return sums.unknown(call)
    function = call.of_first()
    found = function(call.args[0].detach())
    if isinstance(found, torch.Tensor):
        return call.apply("max_pool", function, [call.args[0]])
    values = call.apply("max_pool", lambda t: function(t).values, [call.args[0]])
    return type(found)((values, found.indices))


def _attention(call: Call) -> torch.Tensor:
    q, k, v = call.named("query", "key", "value")
    rest = call.args[3:]
    options = {n: x for n, x in call.options.items() if n not in ("query", "key", "value")}

    def function(q: Any, k: Any, v: Any) -> Any:
        return call.function(q, k, v, *rest, **options)

    several = len(call.active([q, k, v])) > 1 or is_active(q) or is_active(k)
    return call.apply("attention" if several else "linear", function, [q, k, v])


SEEN_TO: dict[str, Callable[[Call], Any]] = {
    "linear": sums.weighted,
    "conv": sums.weighted,
    "matmul": sums.matmul,
    "addmm": sums.addmm,
    "einsum": sums.einsum,
    "add": sums.sum,
    "sub": sums.sum,
    "multiply": sums.product,
    "divide": sums.product,
    "rdivide": sums.product,
    "relu": _entrywise,
    "pointwise": _entrywise,
    "avg_pool": _of_one,
    "max_pool": _of_one,
    "softmax": _of_one,
    "rsqrt": _of_one,
    "max": _max,
    "attention": _attention,
    "batch_norm": sums.batch_norm,
    "unknown": sums.unknown,
}

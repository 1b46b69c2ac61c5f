"""How torch's linear operations, sums and products are seen to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch

from trulens_core.errors import UncoveredOperationError
from trulens_core.rules.operation import LEFT
from trulens_torch import traced_values as tv
from trulens_torch.calls import Call, broadcast, is_active
from trulens_torch.traced_values import Linear, Value


def unknown(call: Call) -> Any:
    """What no rule is for: an error, or its derivative, counted."""
    operands = [t for t in tv.tensors_in((call.args, call.options)) if t.requires_grad]
    return call.apply("unknown", lambda *_: call.function(*call.args, **call.options), operands)


# -- linear operations -------------------------------------------------------------------------


def weighted(call: Call) -> torch.Tensor:
    """A linear layer or a convolution."""
    names = ("input", "weight", "bias")
    x, w, b = call.named(*names)
    rest = call.args[3:]
    options = {k: v for k, v in call.options.items() if k not in names}
    _check_weights(call, w, b)

    def function(x: Any, w: Any, b: Any) -> Any:
        return call.function(x, w, b, *rest, **options)

    out = call.apply(call.what.kind, function, [x, w, b], weight=1, bias=2)
    _note_linear(call, out, call.what.kind, function, [x, w], 1, b)
    return out


def _check_weights(call: Call, *weights: Any) -> None:
    if any(map(is_active, weights)):
        raise UncoveredOperationError(
            f"the weights of {call.what.name!r} in layer {call.mode.layer or 'the model'!r} depend "
            "on the source, which rules do not serve"
        )


def _note_linear(  # noqa: PLR0913 - what a linear operation is made of
    call: Call,
    out: torch.Tensor,
    kind: str,
    function: Callable[..., Any],
    operands: Sequence[Any],
    weight: int | None,
    bias: Any,
) -> None:
    """Remember what a linear operation is, for a bias or a scale that is applied after it."""
    entry = call.mode.rules.last
    held = tv.versions(operands)
    first = call.what.name in ("linear", "conv1d", "conv2d", "conv3d")
    linear = Linear(kind, function, operands, weight, bias, entry, held, first)
    call.mode.mark(out, Value(call.mode.token, name=call.what.name, entry=entry, linear=linear))


def matmul(call: Call) -> torch.Tensor:
    """A product of matrices: a linear operation where one of them is constant."""
    pair = list(call.args[:2])
    active, function = call.active(pair), call.function
    if len(active) > 1:
        return call.apply("matmul", function, pair)
    weight = 1 - active[0]
    out = call.apply("linear", function, pair, weight=weight)
    _note_linear(call, out, "linear", lambda a, b, _: function(a, b), pair, weight, None)
    return out


def addmm(call: Call) -> Any:
    """A bias and a product of matrices."""
    parts, function = list(call.args[:3]), call.function
    active = call.active(parts)
    if 0 in active or call.options or len(call.args) > 3:
        return unknown(call)
    if len(active) > 1:
        return call.apply("matmul", function, parts)
    return call.apply("linear", function, parts, weight=3 - active[0], bias=0)


def einsum(call: Call) -> torch.Tensor:
    """Sums of products."""
    equation, *given = call.args
    operands = list(given[0]) if isinstance(given[0], list | tuple) else given
    active = call.active(operands)

    def function(*ts: Any) -> Any:
        return torch.einsum(equation, *ts)

    if len(active) > 1:
        return call.apply("matmul", function, operands)
    weight = 1 - active[0] if len(operands) == 2 else None
    return call.apply("linear", function, operands, weight=weight)


# -- sums, products ----------------------------------------------------------------------------


def _pair(call: Call) -> tuple[list[Any], Callable[..., Any]]:
    """The two operands in the order in which they are written, and the function of them."""
    function, options = call.function, call.options
    pair = list(call.args[:2])
    if call.what.reflected:
        return pair[::-1], lambda a, b: function(b, a, **options)
    return pair, lambda a, b: function(a, b, **options)


def sum(call: Call) -> torch.Tensor:
    """A sum or a difference; of one tensor, it is moved, or a linear operation gets its bias."""
    pair, function = _pair(call)
    active = call.active(pair)
    if len(active) == 2:
        found = tv.ancestor(pair[0], pair[1], call.mode.token)
        value = None
        if found is not None:
            root, _, to_a, to_b = found
            value = call.derived(root, lambda r: function(to_a(r), to_b(r)))
            value = dataclasses.replace(value, parent_value=found[1])
        return call.apply("add", function, pair, value=value)
    (i,) = active
    if call.what.kind == "add" and not call.options:
        fused = _with_bias(call, pair, i)
        if fused is not None:
            return fused
    one = isinstance(pair[0], int | float) and pair[0] == 1
    left = call.what.kind == "sub" and one and not call.options
    return _one_sided(call, "affine", pair, i, function, LEFT if left else "")


def _with_bias(call: Call, pair: Sequence[Any], i: int) -> torch.Tensor | None:
    """A bias that is added after a linear operation without one belongs to it."""
    held, bias = call.value(pair[i]), pair[1 - i]
    linear = None if held is None else held.linear
    if linear is None or linear.bias is not None or not isinstance(bias, torch.Tensor):
        return None
    shape = pair[i].shape
    if not linear.valid or broadcast(shape, bias.shape) != shape:
        return None
    if linear.entry is not None:
        linear.entry.within = True
    function = linear.function

    def whole(*operands: Any) -> Any:
        *others, b = operands
        return function(*others, None) + b

    out = call.apply(
        linear.kind,
        whole,
        [*linear.operands, bias],
        weight=linear.weight,
        bias=len(linear.operands),
        value=Value(call.mode.token),
        name="linear with bias",
    )
    now = dataclasses.replace(linear, function=whole, bias=bias, entry=call.mode.rules.last)
    call.mode.mark(out, Value(call.mode.token, entry=now.entry, linear=now))
    return out


def _one_sided(
    call: Call,
    kind: str,
    pair: Sequence[Any],
    i: int,
    function: Callable[..., Any],
    name: str = "",
) -> torch.Tensor:
    """An operation of which one operand depends on the source, and the other is a constant."""
    x, other = pair[i], pair[1 - i]

    def step(t: Any) -> Any:
        return function(t, other) if i == 0 else function(other, t)

    value = None
    shape = getattr(other, "shape", ())
    if broadcast(x.shape, shape) == x.shape:
        value = call.derived(x, step)
    return call.apply(kind, step, [x], value=value, name=name)


def product(call: Call) -> torch.Tensor:
    """A product or a quotient; of two functions of one tensor, it is one function of that."""
    pair, function = _pair(call)
    active = call.active(pair)
    kind = "divide" if call.what.kind in ("divide", "rdivide") else "multiply"
    if len(active) == 1:
        if kind == "divide" and active == [1]:
            top = torch.as_tensor(pair[0], dtype=pair[1].dtype, device=pair[1].device)
            return call.apply("divide", function, [top, pair[1]])
        return _one_sided(call, "structural", pair, active[0], function)
    softmax = _softmax_written_out(call, pair, function) if kind == "divide" else None
    if softmax is not None:
        return softmax
    found = tv.ancestor(pair[0], pair[1], call.mode.token)
    if found is None:
        return call.apply(kind, function, pair)
    root, value, to_a, to_b = found
    for t in pair:
        for entry in tv.entries_between(t, value, call.mode.token):
            entry.within = True

    def whole(r: Any) -> Any:
        return function(to_a(r), to_b(r))

    held = dataclasses.replace(call.derived(root, whole), parent_value=value)
    return call.apply("pointwise", whole, [root], value=held, name=f"{call.what.name} (one of x)")


def _softmax_written_out(
    call: Call, pair: Sequence[Any], function: Callable[..., Any]
) -> torch.Tensor | None:
    """exp(x) / Σ exp(x) is the softmax of x."""
    top, bottom = call.value(pair[0]), call.value(pair[1])
    if top is None or bottom is None or top.name != "exp" or not bottom.summed:
        return None
    of, sums = top.before(), bottom.before()
    if of is None or sums is None or sums[1] is not top:
        return None
    x, _, exp = of
    total = sums[2]
    for entry in (top.entry, bottom.entry):
        if entry is not None:
            entry.within = True

    def whole(t: Any) -> Any:
        powers = exp(t)
        return function(powers, total(powers))

    return call.apply("softmax", whole, [x], value=Value(call.mode.token), name="softmax")


def batch_norm(call: Call) -> Any:
    """A normalisation by stored moments; merged, a part of what is linear before it."""
    names = ("input", "running_mean", "running_var", "weight", "bias", "training")
    x, *_, training = call.named(*names)
    if training:
        raise UncoveredOperationError(
            f"batch_norm in layer {call.mode.layer or 'the model'!r} is in training mode, in which "
            "records see one another; evaluate the model (force_eval=True)"
        )
    if not call.args:
        return unknown(call)
    held, function = call.value(x), call.of_first()
    linear = None if held is None else held.linear
    if call.mode.rules.merge:
        if linear is not None and linear.mergeable:
            return _merged(call, x, linear, function)
        call.mode.rules.left([call.mode.layer or "batch_norm"])
    return call.apply("affine", function, [x])


def _merged(
    call: Call, x: torch.Tensor, linear: Linear, norm: Callable[[Any], Any]
) -> torch.Tensor:
    """A normalisation in evaluation mode, as part of the linear operation before it."""
    if linear.entry is not None:
        linear.entry.within = True
    given, w = linear.operands
    with torch.no_grad():
        zero = x.new_zeros((1, x.shape[1], *[1] * (x.ndim - 2)))
        shift = norm(zero).flatten()
        scale = norm(zero + 1).flatten() - shift
        weights = w * scale.reshape(-1, *[1] * (w.ndim - 1))
        bias = shift
        if linear.bias is not None:
            own = linear.bias.flatten().expand(scale.shape)
            bias = (own * scale + shift).reshape(-1, *linear.bias.shape[1:])
    return call.apply(
        linear.kind,
        linear.function,
        [given, weights, bias],
        weight=1,
        bias=2,
        value=Value(call.mode.token),
        name="batch_norm (merged)",
    )

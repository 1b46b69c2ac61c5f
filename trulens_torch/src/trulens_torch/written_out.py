"""Fused functions of torch, written out in the operations that rules are for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from trulens_core.errors import UncoveredOperationError


def layer_norm(
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    """(x − mean) / √(variance + ε), scaled and moved, over the last axes."""
    axes = tuple(range(-len(shape), 0))
    centred = x - x.mean(axes, keepdim=True)
    y = centred * torch.rsqrt(centred.pow(2).mean(axes, keepdim=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """X / √(mean of squares + ε), scaled, over the last axes."""
    axes = tuple(range(-len(shape), 0))
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    y = x * torch.rsqrt(x.pow(2).mean(axes, keepdim=True) + eps)
    return y if weight is None else y * weight


def group_norm(
    x: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    """`layer_norm` over each group of channels."""
    flat = x.reshape(x.shape[0], groups, -1)
    y = layer_norm(flat, flat.shape[2:], eps=eps).reshape(x.shape)
    shape = (1, -1, *[1] * (x.ndim - 2))
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def lstm_cell(
    x: Tensor,
    state: Sequence[Tensor],
    w: Tensor,
    u: Tensor,
    b: Tensor | None = None,
    c: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """C' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c')."""
    h, cell = state
    i, f, g, o = (linear(x, w, b) + linear(h, u, c)).chunk(4, -1)
    cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(cell), cell


def gru_cell(
    x: Tensor,
    h: Tensor,
    w: Tensor,
    u: Tensor,
    b: Tensor | None = None,
    c: Tensor | None = None,
) -> Tensor:
    """N = tanh(Wx + σ(r) Uh), h' = (1 − σ(z)) n + σ(z) h."""
    r, z, n = linear(x, w, b).chunk(3, -1)
    hr, hz, hn = linear(h, u, c).chunk(3, -1)
    n = torch.tanh(n + torch.sigmoid(r + hr) * hn)
    z = torch.sigmoid(z + hz)
    return (1 - z) * n + z * h


def rnn_cell(  # noqa: PLR0913 - as torch has it
    activation: Callable[[Tensor], Tensor],
    x: Tensor,
    h: Tensor,
    w: Tensor,
    u: Tensor,
    b: Tensor | None = None,
    c: Tensor | None = None,
) -> Tensor:
    """H' = φ(Wx + Uh)."""
    return activation(linear(x, w, b) + linear(h, u, c))


def rnn(activation: Callable[[Tensor], Tensor], *args: Any) -> tuple[Tensor, Tensor]:
    """All layers of nn.RNN."""

    def step(x: Tensor, state: Sequence[Tensor], weights: Sequence[Any]) -> Sequence[Tensor]:
        return (rnn_cell(activation, x, state[0], *weights),)

    y, (h,) = _recurrent(step, args, "rnn")
    return y, h


def lstm(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
    """All layers of nn.LSTM."""
    y, (h, c) = _recurrent(_lstm_step, args, "lstm")
    return y, h, c


def gru(*args: Any) -> tuple[Tensor, Tensor]:
    """All layers of nn.GRU."""
    y, (h,) = _recurrent(_gru_step, args, "gru")
    return y, h


def _lstm_step(x: Tensor, state: Sequence[Tensor], weights: Sequence[Any]) -> Sequence[Tensor]:
    return lstm_cell(x, state, *weights)


def _gru_step(x: Tensor, state: Sequence[Tensor], weights: Sequence[Any]) -> Sequence[Tensor]:
    return (gru_cell(x, state[0], *weights),)


Step = Callable[[Tensor, Sequence[Tensor], Sequence[Any]], Sequence[Tensor]]


def _recurrent(step: Step, args: Sequence[Any], name: str) -> tuple[Tensor, list[Tensor]]:
    if not isinstance(args[3], bool):  # (data, batch sizes, ...): packed
        raise UncoveredOperationError(
            f"rules do not see into {name!r} of packed sequences; give padded ones, or accept its "
            "derivative with uncovered='gradient'"
        )
    x, hx, flat, biased, layers, _, training, both, batch_first = args
    if training:
        raise UncoveredOperationError(f"{name!r} in training mode; evaluate the model")
    states = [hx] if isinstance(hx, Tensor) else list(hx)
    directions = 2 if both else 1
    each = len(flat) // (layers * directions)
    if each != (4 if biased else 2):
        raise UncoveredOperationError(f"rules do not see into {name!r} with proj_size=")
    if batch_first and x.ndim == 3:
        x = x.transpose(0, 1)
    ends: list[list[Tensor]] = [[] for _ in states]
    for layer in range(layers):
        outs = []
        for way in range(directions):
            at = layer * directions + way
            weights = flat[at * each : (at + 1) * each]
            y, last = _one_way(step, x, [s[at] for s in states], weights, bool(way))
            outs.append(y)
            for end, value in zip(ends, last, strict=True):
                end.append(value)
        x = torch.cat(outs, -1) if both else outs[0]
    y = x.transpose(0, 1) if batch_first and x.ndim == 3 else x
    return y, [torch.stack(end) for end in ends]


def _one_way(
    step: Step, x: Tensor, state: Sequence[Tensor], weights: Sequence[Any], backwards: bool
) -> tuple[Tensor, Sequence[Tensor]]:
    order = range(len(x))
    found: dict[int, Tensor] = {}
    for t in reversed(order) if backwards else order:
        state = step(x[t], state, weights)
        found[t] = state[0]
    return torch.stack([found[t] for t in order]), state


WRITTEN_OUT: dict[str, Callable[..., Any]] = {
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": group_norm,
    "lstm": lstm,
    "gru": gru,
    "rnn_tanh": functools.partial(rnn, torch.tanh),
    "rnn_relu": functools.partial(rnn, torch.relu),
    "rnn_tanh_cell": functools.partial(rnn_cell, torch.tanh),
    "rnn_relu_cell": functools.partial(rnn_cell, torch.relu),
    "lstm_cell": lstm_cell,
    "gru_cell": gru_cell,
}

"""The zoo's layers on reference tensors. Convolution and pooling have derivatives of their own.

Images are (records, channels, height, width), sequences (records, time, features), and weights
are laid out as `trulens_core.testing.zoo` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from trulens_core.testing.reference import namespace as xp
from trulens_core.testing.reference.tensors import Array, Tensor

Weights = Mapping[str, Tensor]
_erf = np.vectorize(math.erf, otypes=["float64"])


def dense(x: Tensor, w: Weights) -> Tensor:
    """X Wᵀ + b along the last axis."""
    return x @ xp.permute_dims(w["weight"], (1, 0)) + w["bias"]


def relu(x: Tensor, w: Weights) -> Tensor:
    """max(x, 0), with slope 0 at 0."""
    del w
    return Tensor(np.maximum(x.data, 0), (x, lambda g: g * (x.data > 0)))


def tanh(x: Tensor, w: Weights) -> Tensor:
    """The hyperbolic tangent."""
    del w
    return xp.tanh(x)


def gelu(x: Tensor, w: Weights) -> Tensor:
    """X Φ(x), with Φ the normal distribution; its slope is Φ(x) + x φ(x). No approximation."""
    del w
    z = x.data
    below = (0.5 * (1 + _erf(z / math.sqrt(2)))).astype(z.dtype)
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return Tensor(z * below, (x, lambda g: g * (below + z * density).astype(z.dtype)))


def flatten(x: Tensor, w: Weights) -> Tensor:
    """All axes but the records' as one, channels first."""
    del w
    return xp.reshape(x, (x.shape[0], -1))


def embedding(ids: Tensor, w: Weights) -> Tensor:
    """A row of the weights for each integer."""
    return Tensor(w["weight"].data[ids.data])


def layer_norm(x: Tensor, w: Weights) -> Tensor:
    """Mean 0 and variance 1 along the last axis, then scaled and moved."""
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    variance = xp.mean(centred * centred, axis=-1, keepdims=True)
    return centred / xp.sqrt(variance + 1e-5) * w["weight"] + w["bias"]


def batch_norm(x: Tensor, w: Weights) -> Tensor:
    """Normalisation per channel by stored means and variances, as at evaluation."""
    mean, variance, scale, shift = (
        xp.reshape(w[n], (1, -1, 1, 1)) for n in ("mean", "variance", "weight", "bias")
    )
    return (x - mean) / xp.sqrt(variance + 1e-5) * scale + shift


def conv(x: Tensor, w: Weights) -> Tensor:
    """Convolution with stride 1 and a border of zeros that keeps the size (odd kernels)."""
    kernel = w["weight"].data
    high, wide = kernel.shape[2:]
    border = ((0, 0), (0, 0), (high // 2, high // 2), (wide // 2, wide // 2))
    padded = np.pad(x.data, border)
    h, v = x.shape[2:]
    offsets = [(i, j) for i in range(high) for j in range(wide)]
    out = np.zeros((x.shape[0], kernel.shape[0], h, v), x.dtype)
    for i, j in offsets:
        window = padded[:, :, i : i + h, j : j + v]
        out += np.einsum("bchv,oc->bohv", window, kernel[:, :, i, j])

    def pull(g: Array) -> Array:
        whole = np.zeros_like(padded)
        for i, j in offsets:
            whole[:, :, i : i + h, j : j + v] += np.einsum("bohv,oc->bchv", g, kernel[:, :, i, j])
        return whole[:, :, high // 2 : high // 2 + h, wide // 2 : wide // 2 + v]

    return Tensor(out, (x, pull)) + xp.reshape(w["bias"], (1, -1, 1, 1))


def _quarters(x: Tensor) -> Tensor:
    """Windows of 2 × 2, as the last axis."""
    b, c, h, v = x.shape
    split = xp.reshape(x, (b, c, h // 2, 2, v // 2, 2))
    return xp.reshape(xp.permute_dims(split, (0, 1, 2, 4, 3, 5)), (b, c, h // 2, v // 2, 4))


def max_pool(x: Tensor, w: Weights) -> Tensor:
    """The largest of each window of 2 × 2, the first of equals row by row."""
    del w
    return xp.max(_quarters(x), axis=-1)


def avg_pool(x: Tensor, w: Weights) -> Tensor:
    """The mean of each window of 2 × 2."""
    del w
    return xp.mean(_quarters(x), axis=-1)


def rnn(x: Tensor, w: Weights) -> tuple[Tensor, Tensor]:
    """hₜ = tanh(W xₜ + U hₜ₋₁ + b) from h = 0; all states (records, time, units), and the last."""
    inner, outer = (xp.permute_dims(w[n], (1, 0)) for n in ("weight", "recurrent"))
    states: list[Tensor] = []
    for t in range(x.shape[1]):
        z = x[:, t] @ inner + w["bias"]
        states.append(xp.tanh(z + states[-1] @ outer if states else z))
    return xp.stack(states, axis=1), states[-1]


def total(a: Tensor, b: Tensor, w: Weights) -> Tensor:
    """The sum of two tensors."""
    del w
    return a + b


def relu_(x: Tensor, w: Weights) -> Tensor:
    """The same in place: `x` becomes it."""
    y = relu(Tensor(x.data.copy(), *x.sources), w)
    x.data[...] = y.data
    x.sources, x.depth = y.sources, y.depth
    return x


def same(x: Tensor, w: Weights) -> Tensor:
    """What dropout does at evaluation."""
    del w
    return x


def counting(x: Tensor, w: Weights) -> Tensor:
    """What it is given; the count is one more."""
    w["count"].data[...] += 1
    return x


def narrow(x: Tensor, w: Weights) -> Tensor:
    """A dense layer of float32."""
    return dense(xp.astype(x, xp.float32), w)


LAYERS: dict[str, Callable[..., Any]] = {
    "dense": dense,
    "relu": relu,
    "tanh": tanh,
    "gelu": gelu,
    "flatten": flatten,
    "embedding": embedding,
    "layer_norm": layer_norm,
    "batch_norm": batch_norm,
    "conv": conv,
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "rnn": rnn,
    "sum": total,
    "relu_": relu_,
    "dropout": same,
    "counting": counting,
    "narrow": narrow,
}


def softmax(x: Tensor, axis: int) -> Tensor:
    """exp(x) / Σ exp(x); the largest element is taken off first, as a constant."""
    largest = Tensor(np.max(x.data, axis=axis, keepdims=True))
    powers = xp.exp(x - largest)
    return powers / xp.sum(powers, axis=axis, keepdims=True)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(−x)), computed from exp(−|x|), which cannot overflow."""
    small = np.exp(-np.abs(x.data))
    y = np.where(x.data >= 0, 1 / (1 + small), small / (1 + small))
    return Tensor(y, (x, lambda g: g * y * (1 - y)))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v."""
    scores = q @ xp.permute_dims(k, (0, 2, 1)) / math.sqrt(q.shape[-1])
    return softmax(scores, axis=-1) @ v


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over time, (records, time, features), where the mask is 1."""
    weights = xp.expand_dims(mask, axis=2)
    return xp.sum(x * weights, axis=1) / xp.sum(weights, axis=1)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "concat": lambda *parts: xp.concat(parts, axis=1),
    "mean": lambda x: xp.mean(x, axis=1),
    "image_mean": lambda x: xp.mean(x, axis=(2, 3)),
    "masked_mean": masked_mean,
    "swap": lambda x: xp.permute_dims(x, (1, 0, 2)),
    "attend": attend,
    "first": lambda parts: parts[0],
    "softmax": lambda x: softmax(x, axis=1),
    "wide": lambda x: xp.astype(x, xp.float64),
}

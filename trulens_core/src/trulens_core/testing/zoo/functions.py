"""The zoo's layers and operations as functions, for frameworks that have no layers of their own.

They are written over array-API names alone, so that `xp` differentiates them. Images are
(records, channels, height, width).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from trulens_core.testing.zoo.architecture import Architecture

Function = Callable[..., Any]
"""Of tensors."""


def functions(
    architecture: Architecture, weights: Mapping[str, Any], xp: Any, erf: Function
) -> tuple[dict[str, Function], dict[str, Function]]:
    """The layers of a model, and the operations between them, by name, for `Architecture.run`.

    Args:
        architecture: of the model.
        weights: its weights as tensors, by the names that it gives them. A layer reads them when
            it is called; its `__name__` is its kind.
        xp: the framework's functions under array-API names; those that differentiate.
        erf: the error function, for which the standard has no name.
    """
    kinds = layers(xp, erf)

    def layer(name: str, kind: str) -> Function:
        own = [n for n in weights if n.partition(".")[0] == name]

        def evaluate(*operands: Any) -> Any:
            return kinds[kind](*(weights[n] for n in own), *operands)

        evaluate.__name__ = kind
        return evaluate

    named = {name: layer(name, kind) for name, (kind, *_) in architecture.layers.items()}
    return named, operations(xp)


def softmax(xp: Any, x: Any, axis: int) -> Any:
    """exp(x) / Σ exp(x), of numbers of the zoo's size."""
    powers = xp.exp(x)
    return powers / xp.sum(powers, axis=axis, keepdims=True)


def operations(xp: Any) -> dict[str, Function]:
    """The operations of `Architecture.steps` by name."""

    def masked_mean(x: Any, mask: Any) -> Any:
        weights = xp.expand_dims(mask, axis=2)
        return xp.sum(x * weights, axis=1) / xp.sum(weights, axis=1)

    def attend(q: Any, k: Any, v: Any) -> Any:
        scores = xp.matmul(q, xp.permute_dims(k, (0, 2, 1))) / math.sqrt(q.shape[-1])
        return xp.matmul(softmax(xp, scores, -1), v)

    return {
        "add": lambda a, b: a + b,
        "multiply": lambda a, b: a * b,
        "concat": lambda *parts: xp.concat(parts, axis=1),
        "mean": lambda x: xp.mean(x, axis=1),
        "image_mean": lambda x: xp.mean(x, axis=(2, 3)),
        "masked_mean": masked_mean,
        "swap": lambda x: xp.permute_dims(x, (1, 0, *range(2, len(x.shape)))),
        "attend": attend,
        "first": lambda parts: parts[0],
        "softmax": lambda x: softmax(xp, x, 1),
        "wide": lambda x: xp.astype(x, xp.float64),
    }


def layers(xp: Any, erf: Function) -> dict[str, Function]:
    """Functions of a layer's weights, in the order of `Architecture.weights()`, and operands."""

    def dense(w: Any, b: Any, x: Any) -> Any:
        return xp.matmul(x, xp.permute_dims(w, (1, 0))) + b

    def normalised(w: Any, b: Any, x: Any, mean: Any, variance: Any) -> Any:
        return (x - mean) / xp.sqrt(variance + 1e-5) * w + b

    def layer_norm(w: Any, b: Any, x: Any) -> Any:
        mean = xp.mean(x, axis=-1, keepdims=True)
        variance = xp.mean((x - mean) * (x - mean), axis=-1, keepdims=True)
        return normalised(w, b, x, mean, variance)

    def batch_norm(w: Any, b: Any, mean: Any, variance: Any, x: Any) -> Any:
        w, b, mean, variance = (xp.reshape(t, (1, -1, 1, 1)) for t in (w, b, mean, variance))
        return normalised(w, b, x, mean, variance)

    def embedding(w: Any, ids: Any) -> Any:
        rows = xp.take(w, xp.reshape(ids, (-1,)), axis=0)
        return xp.reshape(rows, (*ids.shape, w.shape[-1]))

    def rnn(w: Any, recurrent: Any, b: Any, x: Any) -> Any:
        inner, outer = xp.permute_dims(w, (1, 0)), xp.permute_dims(recurrent, (1, 0))
        states: list[Any] = []
        for t in range(x.shape[1]):
            z = xp.matmul(x[:, t], inner) + b
            states.append(xp.tanh(z + xp.matmul(states[-1], outer) if states else z))
        return xp.stack(states, axis=1), states[-1]

    return {
        "dense": dense,
        "narrow": lambda w, b, x: dense(*(xp.astype(t, xp.float32) for t in (w, b, x))),
        "layer_norm": layer_norm,
        "batch_norm": batch_norm,
        "embedding": embedding,
        "rnn": rnn,
        "conv": lambda w, b, x: _conv(xp, w, b, x),
        "max_pool": lambda x: _max_pool(xp, x),
        "avg_pool": lambda x: xp.mean(_windows(xp, x), axis=-1),
        "flatten": lambda x: xp.reshape(x, (x.shape[0], -1)),
        "relu": lambda x: _relu(xp, x),
        "relu_": lambda x: _relu(xp, x),
        "dropout": lambda x: x,
        "counting": lambda _, x: x,
        "tanh": xp.tanh,
        "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
        "sum": lambda a, b: a + b,
    }


def _relu(xp: Any, x: Any) -> Any:
    return xp.where(x > 0, x, xp.zeros_like(x))


def _conv(xp: Any, w: Any, b: Any, x: Any) -> Any:
    """A sum over the kernel's offsets, each a product of matrices over the channels."""
    high, wide = w.shape[2:]
    for axis, n in ((2, high // 2), (3, wide // 2)):
        border = xp.zeros_like(x[:, :, :n] if axis == 2 else x[:, :, :, :n])
        x = xp.concat([border, x, border], axis=axis)
    h, v = x.shape[2] - high + 1, x.shape[3] - wide + 1
    moved = xp.permute_dims(x, (0, 2, 3, 1))
    total = b
    for i in range(high):
        for j in range(wide):
            kernel = xp.permute_dims(w[:, :, i, j], (1, 0))
            total = total + xp.matmul(moved[:, i : i + h, j : j + v], kernel)
    return xp.permute_dims(total, (0, 3, 1, 2))


def _windows(xp: Any, x: Any) -> Any:
    """Windows of 2 × 2, as the last axis."""
    n, c, h, v = x.shape
    split = xp.reshape(x, (n, c, h // 2, 2, v // 2, 2))
    return xp.reshape(xp.permute_dims(split, (0, 1, 2, 4, 3, 5)), (n, c, h // 2, v // 2, 4))


def _max_pool(xp: Any, x: Any) -> Any:
    """The largest of each window; its gradient goes to the first of equals, row by row."""
    windows = _windows(xp, x)
    best = xp.expand_dims(xp.argmax(windows, axis=-1), axis=-1)
    return xp.squeeze(xp.take_along_axis(windows, best, axis=-1), axis=-1)

"""What the conformance suite must know of this backend."""

import math
from typing import ClassVar

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten

from trulens_core.testing import conformance
from trulens_core.testing.zoo.functions import layers, operations, softmax
from trulens_mlx.backend import XP
from trulens_mlx.models import SHADOWS

mx.set_default_device(mx.cpu)  # which alone has float64


class Function(nn.Module):
    """A layer without weights."""

    def __init__(self, function):
        super().__init__()
        self._function = function

    def __call__(self, *operands):
        return self._function(*operands)


class States(nn.RNN):
    """Gives all states and the last."""

    def __call__(self, x):
        states = super().__call__(x)
        return states, states[:, -1]


class Conv(nn.Module):
    """A convolution as a sum of products, exact in float64, as MLX's own is not."""

    def __init__(self, i, o, k):
        super().__init__()
        self.weight, self.bias = mx.zeros((o, k, k, i)), mx.zeros(o)

    def __call__(self, x):
        weight, x = (mx.moveaxis(t, -1, 1) for t in (self.weight, x))
        return mx.moveaxis(KINDS["conv"](weight, self.bias, x), 1, -1)


class LayerNorm(nn.Module):
    """A normalisation in float64, too."""

    def __init__(self, n):
        super().__init__()
        self.weight, self.bias = mx.ones(n), mx.zeros(n)

    def __call__(self, x):
        return KINDS["layer_norm"](self.weight, self.bias, x)


class MaxPool(nn.Module):
    """Whose gradient goes to the first of equals, where MLX's own is shared among them."""

    def __call__(self, x):
        return mx.moveaxis(KINDS["max_pool"](mx.moveaxis(x, -1, 1)), 1, -1)


@mx.custom_function
def erf(x):
    return mx.array(np.vectorize(math.erf, otypes=[float])(np.array(x)), x.dtype)


@erf.vjp
def _(x, g, _output):
    return g * (2 / math.sqrt(math.pi)) * XP.exp(-x * x)


KINDS = layers(XP, erf)


def flat(x):
    return mx.permute_dims(x, (0, 3, 1, 2)).reshape(len(x), -1)


def swapped(x):
    return mx.swapaxes(x, 0, 1)


LAYERS = {
    "dense": nn.Linear,
    "conv": Conv,
    "batch_norm": nn.BatchNorm,
    "layer_norm": LayerNorm,
    "embedding": nn.Embedding,
    "rnn": States,
    "max_pool": MaxPool,
    "avg_pool": lambda: nn.AvgPool2d(2),
    "flatten": lambda: Function(flat),
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": lambda: Function(KINDS["gelu"]),
    "sum": lambda: Function(mx.add),
}
OPERATIONS = {
    "add": mx.add,
    "multiply": mx.multiply,
    "mean": lambda x: mx.mean(x, 1),
    "image_mean": lambda x: mx.mean(x, (1, 2)),
    "masked_mean": lambda x, m: (x * m[:, :, None]).sum(1) / m.sum(1, keepdims=True),
    "swap": swapped,
    "attend": operations(XP)["attend"],
    "first": lambda parts: parts[0],
    "softmax": lambda x: softmax(XP, x, 1),
    "concat": lambda *parts: mx.concat(parts, 1),
}
NAMES = {
    "mean": "running_mean",
    "variance": "running_var",
    ("rnn", "weight"): "Wxh",
    ("rnn", "recurrent"): "Whh",
}


class Zoo(nn.Module):
    """A model of the zoo."""

    def __init__(self, architecture, dtype):
        super().__init__()
        self._architecture = architecture
        for name, (kind, *sizes) in architecture.layers.items():
            self[name] = LAYERS[kind](*sizes)
        for full, values in architecture.weights().items():
            name, _, weight = full.partition(".")
            weight = NAMES.get((architecture.layers[name][0], weight), NAMES.get(weight, weight))
            moved = np.moveaxis(values, 1, -1) if values.ndim == 4 else values
            self[name][weight] = mx.array(moved, dtype=getattr(mx, dtype))

    def evaluate(self, *args, **kwargs):
        def call(name, operands):
            return (self[name] if name in self else OPERATIONS[name])(*operands)

        return self._architecture.run(args, kwargs, call)


class Harness(conformance.Harness):
    """Its models, and all that a call must leave as it was."""

    backend_name = "mlx"
    channels_last = True
    expected_failures: ClassVar = {
        "test_no_gradient_is_given_through": "what is stopped is zero to vjp, and not None",
    }

    def build(self, architecture, dtype):
        def call(self, *args, **kwargs):
            return self.evaluate(*args, **kwargs)

        call.__signature__ = architecture.signature()
        kind = type(architecture.name, (Zoo,), {"__call__": call})
        return kind(architecture, dtype)  # in training mode, as MLX makes it

    def state(self, model):
        layers = SHADOWS.layers(model)
        modes = {f"{name} training": layer.training for name, layer in layers.items()}
        return {
            **{name: np.array(w) for name, w in tree_flatten(model.parameters())},
            **modes,
            "random": [np.array(s).tolist() for s in mx.random.state],
            "device": str(mx.default_device()),
        }

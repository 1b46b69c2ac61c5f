"""The models of the zoo in Keras, images with their channels last."""

import contextlib
import math

import keras
import numpy as np
from keras import layers, ops
from keras.src.backend.common import dtypes


@contextlib.contextmanager
def float64_is_kept():
    """Keras computes in float64 where a model asks for it.

    On PyTorch and JAX its rules of promotion make float32 of float64, whatever the layers' dtype
    is, so that models there are never more exact than that. What differs by 1e-7 may hide an
    error; hence the entry of its table that says so is out of force while tests compare.
    """
    before = dtypes.BIT64_TO_BIT32_DTYPE["float64"]
    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    try:
        yield
    finally:
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = before


class ChannelsFirst(layers.Layer):
    """Flattens images as if their channels came first."""

    def call(self, x):
        return ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, math.prod(x.shape[1:])))


class Sum(layers.Layer):
    def call(self, a, b):
        return a + b


class Counting(layers.Layer):
    """Counts its calls, in evaluation mode too."""

    def build(self, *_):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, x):
        self.count.assign(self.count + 1)
        return x


class Block(layers.Layer):
    """Layers inside of a layer; its last argument is given by keyword."""

    def __init__(self, name, architecture, dtype):
        super().__init__(name=name, dtype=dtype)
        self.architecture = architecture
        self.parts = parts(architecture, dtype)

    def call(self, z, **kwargs):
        return evaluated(self, [z], kwargs)


def recurrent(name, i, h, **options):
    return layers.SimpleRNN(h, return_sequences=True, return_state=True, name=name, **options)


LAYERS = {
    "dense": lambda name, i, o, **k: layers.Dense(o, name=name, **k),
    "conv": lambda name, i, o, size, **k: layers.Conv2D(o, size, padding="same", name=name, **k),
    "batch_norm": lambda name, c, **k: layers.BatchNormalization(epsilon=1e-5, name=name, **k),
    "layer_norm": lambda name, d, **k: layers.LayerNormalization(epsilon=1e-5, name=name, **k),
    "embedding": lambda name, n, d, **k: layers.Embedding(n, d, name=name, **k),
    "rnn": recurrent,
    "max_pool": lambda name, **k: layers.MaxPooling2D(2, name=name, **k),
    "avg_pool": lambda name, **k: layers.AveragePooling2D(2, name=name, **k),
    "flatten": lambda name, **k: ChannelsFirst(name=name, **k),
    "relu": lambda name, **k: layers.ReLU(name=name, **k),
    "tanh": lambda name, **k: layers.Activation("tanh", name=name, **k),
    "gelu": lambda name, **k: layers.Activation(exact_gelu, name=name, **k),
    "sum": lambda name, **k: Sum(name=name, **k),
    "relu_": lambda name, **k: layers.ReLU(name=name, **k),
    "dropout": lambda name, p, **k: layers.Dropout(p, name=name, **k),
    "counting": lambda name, **k: Counting(name=name, **k),
    "narrow": lambda name, i, o, **_: layers.Dense(o, name=name, dtype="float32"),
    "block": Block,
}
OPERATIONS = {
    "add": ops.add,
    "multiply": ops.multiply,
    "mean": lambda x: ops.mean(x, axis=1),
    "image_mean": lambda x: ops.mean(x, axis=(1, 2)),
    "masked_mean": lambda x, m: ops.sum(x * m[:, :, None], 1) / ops.sum(m, 1, keepdims=True),
    "swap": lambda x: ops.transpose(x, (1, 0, *range(2, len(x.shape)))),
    "attend": lambda q, k, v: ops.matmul(
        ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) / math.sqrt(q.shape[-1]), -1), v
    ),
    "first": lambda parts: parts[0],
    "softmax": lambda x: ops.softmax(x, axis=1),
    "wide": lambda x: ops.cast(x, "float64"),
}


def exact_gelu(x):
    """By its formula: TensorFlow's takes the root of 2 in float32, whatever x is."""
    return 0.5 * x * (1 + ops.erf(x / math.sqrt(2)))


def in_keras(kind, weight, values):
    """A weight of the zoo in Keras's layout."""
    if kind == "conv":
        return np.transpose(values, (2, 3, 1, 0)) if weight == "weight" else values
    return values.T if kind in ("dense", "rnn", "narrow") and values.ndim == 2 else values


def parts(architecture, dtype):
    """The layers by name."""
    return {
        name: LAYERS[kind](name, *sizes, dtype=dtype)
        for name, (kind, *sizes) in architecture.layers.items()
    }


def evaluated(owner, args, kwargs):
    """What an owner of an architecture and its parts gives."""

    def run(name, operands, **keywords):
        if name not in owner.parts:
            return OPERATIONS[name](*operands)
        return owner.parts[name](*operands, **keywords)

    return owner.architecture.run(args, kwargs, run)


def build(architecture, dtype="float64"):
    """The model, subclassed, built by a call."""

    class Zoo(keras.Model):
        def __init__(self):
            super().__init__(name=architecture.name, dtype=dtype)
            self.supports_masking = True  # an argument is called mask, which Keras looks at
            self.architecture, self.parts = architecture, parts(architecture, dtype)

        def evaluate(self, args, kwargs):
            return evaluated(self, args, kwargs)

    names = ", ".join(architecture.parameters)
    held = {}
    # Keras reads the names of the arguments from the signature of `call`
    exec(f"def call(self, {names}): return self.evaluate([{names}], {{}})", held)
    Zoo.call = held["call"]
    model = Zoo()
    args, kwargs = architecture.inputs(2, dtype)
    place = [_last(a) for a in args], {k: _last(v) for k, v in kwargs.items()}
    for name, (kind, *sizes) in architecture.layers.items():
        if kind == "dense" and not any(name == step[1] for step in architecture.steps):
            model.parts[name].build((None, sizes[0]))
    model(*place[0], **place[1])
    _fill(model, architecture, architecture.weights())
    return model


def _last(value):
    if isinstance(value, dict):
        return {k: _last(v) for k, v in value.items()}
    return np.moveaxis(value, 1, -1) if value.ndim == 4 else value


def _fill(owner, architecture, weights):
    by_layer = {}
    for full, values in weights.items():
        name, _, weight = full.partition(".")
        kind = architecture.layers[name][0]
        if kind == "block":
            by_layer.setdefault(name, {})[weight] = values
        else:
            by_layer.setdefault(name, []).append(in_keras(kind, weight, values))
    for name, values in by_layer.items():
        kind, *sizes = architecture.layers[name]
        if kind == "block":
            _fill(owner.parts[name], *sizes, values)
        else:
            owner.parts[name].set_weights(values)


def state(model):
    """All that a call must leave as it was."""
    every = [model, *model._flatten_layers(include_self=False)]
    return {
        **{v.path: np.array(v.numpy()) for v in model.variables},
        "attributes": [{k: id(v) for k, v in vars(layer).items()} for layer in every],
        "trainable": [layer.trainable for layer in every],
        "policy": str(keras.config.dtype_policy()),
    }

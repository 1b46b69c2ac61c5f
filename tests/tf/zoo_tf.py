"""The models of the zoo in plain TensorFlow, images with their channels last."""

import math

import numpy as np
import tensorflow as tf


class Layer(tf.Module):
    """A layer: a function of its weights and operands."""

    def __init__(self, function, weights, name):
        super().__init__(name=name)
        self.function = function
        counted = {n: n.endswith("count") for n in weights}
        self.held = [tf.Variable(w, name=n, trainable=not counted[n]) for n, w in weights.items()]

    def __call__(self, *operands):
        return self.function(*self.held, *operands)


def conv(w, b, x):
    return tf.nn.conv2d(x, tf.transpose(w, (2, 3, 1, 0)), 1, "SAME") + b


def batch_norm(w, b, mean, variance, x):
    return w * (x - mean) / tf.sqrt(variance + 1e-5) + b


def layer_norm(w, b, x):
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, b, w, 1e-5)


def counting(count, x):
    count.assign_add(1)
    return x


def narrow(w, b, x):
    return tf.linalg.matmul(tf.cast(x, tf.float32), w, transpose_b=True) + b


def rnn(w, recurrent, b, x):
    h, states = tf.zeros_like(x[:, 0, :1]) + tf.zeros_like(b), []
    for t in range(x.shape[1]):
        h = tf.tanh(x[:, t] @ tf.transpose(w) + b + h @ tf.transpose(recurrent))
        states.append(h)
    return tf.stack(states, axis=1), h


def flatten(x):
    return tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (-1, math.prod(x.shape[1:])))


LAYERS = {
    "dense": lambda w, b, x: (
        tf.linalg.matmul(x, w, transpose_b=True) + b
        if len(x.shape) == 2
        else tf.einsum("abi,oi->abo", x, w) + b
    ),
    "conv": conv,
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "embedding": tf.gather,
    "rnn": rnn,
    "max_pool": lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
    "avg_pool": lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"),
    "flatten": flatten,
    "relu": tf.nn.relu,
    "tanh": tf.tanh,
    "gelu": lambda x: 0.5 * x * (1 + tf.math.erf(x / math.sqrt(2))),  # its own is of float32
    "sum": lambda a, b: a + b,
    "relu_": tf.nn.relu,
    "dropout": tf.identity,
    "counting": counting,
    "narrow": narrow,
}
OPERATIONS = {
    "add": tf.add,
    "multiply": tf.multiply,
    "mean": lambda x: tf.reduce_mean(x, 1),
    "image_mean": lambda x: tf.reduce_mean(x, (1, 2)),
    "masked_mean": lambda x, m: (
        tf.reduce_sum(x * m[:, :, None], 1) / tf.reduce_sum(m, 1, keepdims=True)
    ),
    "swap": lambda x: tf.transpose(x, (1, 0, *range(2, len(x.shape)))),
    "attend": lambda q, k, v: (
        tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / math.sqrt(q.shape[-1])) @ v
    ),
    "first": lambda parts: parts[0],
    "softmax": lambda x: tf.nn.softmax(x, axis=1),
    "wide": lambda x: tf.cast(x, tf.float64),
}


# classes of their own, as a user's layers have
KINDS = {k: type(k.title().replace("_", ""), (Layer,), {}) for k in LAYERS}


class Zoo(tf.Module):
    """A model of the zoo; its layers are attributes, in order."""

    def __init__(self, architecture, dtype, weights=None):
        super().__init__(name=architecture.name)
        self.architecture = architecture
        weights = architecture.weights() if weights is None else weights
        for name, (kind, *sizes) in architecture.layers.items():
            own = {
                full.partition(".")[2]: np.asarray(w, "float32" if kind == "narrow" else dtype)
                for full, w in weights.items()
                if full.partition(".")[0] == name
            }
            named = {f"{name}.{weight}": w for weight, w in own.items()}
            block = kind == "block"
            layer = Block(*sizes, dtype, own) if block else KINDS[kind](LAYERS[kind], named, name)
            setattr(self, name, layer)

    def evaluate(self, args, kwargs):
        def run(name, operands, **keywords):
            layer = name in self.architecture.layers
            return (getattr(self, name) if layer else OPERATIONS[name])(*operands, **keywords)

        return self.architecture.run(args, kwargs, run)


class Block(Zoo):
    """Layers inside of a layer."""

    def __call__(self, *args, **kwargs):
        return self.evaluate(args, kwargs)


def build(architecture, dtype="float64"):
    """The model."""

    def call(self, *args, **kwargs):
        return self.evaluate(args, kwargs)

    call.__signature__ = architecture.signature()
    kind = type(Zoo)(architecture.name, (Zoo,), {"__call__": call})
    return kind(architecture, dtype)


def state(model):
    """All that a call must leave as it was."""
    every = [model, *model.submodules]
    return {
        **{v.name: v.numpy() for v in model.variables},
        "classes": [type(m) for m in every],
        "attributes": [{k: id(v) for k, v in vars(m).items()} for m in every],
    }

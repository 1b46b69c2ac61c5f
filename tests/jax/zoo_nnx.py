"""The models of the zoo in Flax NNX, images with their channels last."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Activation(nnx.Module):
    def __init__(self, function):
        self.function = function

    def __call__(self, *x):
        return self.function(*x)


class States(nnx.Module):
    """A recurrent layer with plain tanh units, whose rounds are a scan."""

    def __init__(self, i, h, rngs, param_dtype):
        cell = nnx.SimpleCell(i, h, dtype=param_dtype, param_dtype=param_dtype, rngs=rngs)
        self.rnn = nnx.RNN(cell)

    def __call__(self, x, *states):
        if not states:
            out = self.rnn(x)
            return out, out[:, -1]
        return self.rnn(x)


class Counting(nnx.Module):
    """Counts its calls, in evaluation mode too."""

    def __init__(self):
        self.count = nnx.BatchStat(jnp.zeros(()))

    def __call__(self, x):
        put(self.count, self.count[...] + 1)
        return x


class Flat(nnx.Module):
    def __call__(self, x):
        return jnp.moveaxis(x, -1, 1).reshape(len(x), -1)


def layer(kind, sizes, **options):
    simple = {
        "relu": jax.nn.relu,
        "relu_": jax.nn.relu,
        "tanh": jnp.tanh,
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "sum": jnp.add,
        "max_pool": lambda x: nnx.max_pool(x, (2, 2), (2, 2)),
        "avg_pool": lambda x: nnx.avg_pool(x, (2, 2), (2, 2)),
    }
    if kind in simple:
        return Activation(simple[kind])
    if kind == "block":
        return Block(*sizes, **options)
    if kind == "counting":
        return Counting()
    if kind == "dropout":
        return nnx.Dropout(*sizes, rngs=options["rngs"])
    if kind == "narrow":
        options = {**options, "param_dtype": jnp.float32, "dtype": jnp.float32}
    if kind == "conv":
        i, o, k = sizes
        return nnx.Conv(i, o, (k, k), **options)
    if kind == "layer_norm":
        return nnx.LayerNorm(*sizes, epsilon=1e-5, use_fast_variance=False, **options)
    made = {
        "dense": nnx.Linear,
        "narrow": nnx.Linear,
        "batch_norm": nnx.BatchNorm,
        "embedding": nnx.Embed,
        "rnn": States,
        "flatten": lambda **_: Flat(),
    }
    return made[kind](*sizes, **options)


OPERATIONS = {
    "add": jnp.add,
    "multiply": jnp.multiply,
    "mean": lambda x: x.mean(1),
    "image_mean": lambda x: x.mean((1, 2)),
    "masked_mean": lambda x, m: (x * m[:, :, None]).sum(1) / m.sum(1, keepdims=True),
    "swap": lambda x: x.swapaxes(0, 1),
    "attend": lambda q, k, v: jax.nn.softmax(q @ k.mT / np.sqrt(q.shape[-1]), -1) @ v,
    "first": lambda parts: parts[0],
    "softmax": lambda x: jax.nn.softmax(x, 1),
    "wide": lambda x: x.astype(jnp.float64),
    "concat": lambda *parts: jnp.concatenate(parts, 1),
}
PLACES = {
    ("dense", "weight"): ("kernel", lambda w: w.T),
    ("narrow", "weight"): ("kernel", lambda w: w.T),
    ("conv", "weight"): ("kernel", lambda w: w.transpose(2, 3, 1, 0)),
    ("embedding", "weight"): ("embedding", None),
    ("layer_norm", "weight"): ("scale", None),
    ("batch_norm", "weight"): ("scale", None),
    ("batch_norm", "variance"): ("var", None),
    ("rnn", "weight"): ("rnn.cell.dense_i.kernel", lambda w: w.T),
    ("rnn", "recurrent"): ("rnn.cell.dense_h.kernel", lambda w: w.T),
    ("rnn", "bias"): ("rnn.cell.dense_i.bias", None),
}


class Zoo(nnx.Module):
    """A model of the zoo."""

    def __init__(self, architecture, **options):
        self.architecture = architecture
        for name, (kind, *sizes) in architecture.layers.items():
            setattr(self, name, layer(kind, sizes, **options))

    def evaluate(self, *args, **kwargs):
        def call(name, operands, **keywords):
            mine = name in self.architecture.layers
            return (getattr(self, name) if mine else OPERATIONS[name])(*operands, **keywords)

        return self.architecture.run(args, kwargs, call)


class Block(Zoo):
    """Layers inside of a layer."""

    def __call__(self, *args, **kwargs):
        return self.evaluate(*args, **kwargs)


def build(architecture, dtype="float64"):
    """The model, in training mode, as a user may have left it."""

    def forward(self, *args, **kwargs):
        return self.evaluate(*args, **kwargs)

    forward.__signature__ = architecture.signature()
    kind = type(Zoo)(architecture.name, (Zoo,), {"__call__": forward})
    model = kind(architecture, rngs=nnx.Rngs(0), param_dtype=getattr(jnp, dtype))
    fill(model, architecture, architecture.weights(), dtype)
    model.train()
    return model


def fill(model, architecture, weights, dtype):
    """Put the weights in, also inside of layers."""
    for full, values in weights.items():
        name, _, weight = full.partition(".")
        kind, *sizes = architecture.layers[name]
        owner = getattr(model, name)
        if kind == "block":
            fill(owner, *sizes, {weight: values}, dtype)
            continue
        place, move = PLACES.get((kind, weight), (weight, None))
        *path, last = place.split(".")
        for step in path:
            owner = getattr(owner, step)
        own = "float32" if kind == "narrow" else dtype
        put(getattr(owner, last), jnp.asarray(values if move is None else move(values), own))


def put(variable, value):
    if hasattr(variable, "set_value"):
        variable.set_value(value)
    else:  # of older versions
        variable.value = value

"""Networks in Keras, as subclassed and as functional models, and its framework's autograd."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from networks import Abilities
from plain_runs import put_together, run

from trulens_core import get_model_wrapper

if keras.config.backend() != "tensorflow":
    raise SystemExit("the fuzzer differentiates Keras on TensorFlow; unset KERAS_BACKEND")

ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "tanh",
    "sigmoid",
    "log_sigmoid",
    "hard_tanh",
    "hard_sigmoid",
    "relu6",
    "tanh_shrink",
)


def _masked_mean(x, mask):
    m = ops.expand_dims(ops.cast(mask, x.dtype), -1)
    return ops.sum(x * m, 1) / (ops.sum(m, 1) + 1.0)


def _attend(q, k, v):
    scores = ops.matmul(q, ops.transpose(k, (0, 2, 1))) / float(q.shape[-1]) ** 0.5
    return ops.matmul(ops.softmax(scores, -1), v)


def _flat(x):
    return ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))


FUNCTIONS = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "gate": lambda a, b: a * ops.sigmoid(b),
    "concat": lambda a, b: ops.concatenate([a, b], -1),
    "attend": _attend,
    "first": lambda pair: pair,
    "swap": lambda x: x,
    "mean": lambda x: ops.mean(x, 1),
    "mean_img": lambda x: ops.mean(x, (1, 2)),
    "masked_mean": _masked_mean,
    "flatten": _flat,
    "centre": lambda x: x - ops.mean(x, 0, keepdims=True),
    "max_pool": lambda x: ops.max_pool(x, 2, 2),
    "avg_pool": lambda x: ops.average_pool(x, 2, 2),
    "max_pool1d": lambda x: ops.max_pool(x, 2, 2),
}
LAYERS = {
    "linear": lambda i, o, **k: layers.Dense(o, bias_initializer="random_normal", **k),
    "conv1d": lambda i, o, k, **more: layers.Conv1D(o, k, padding="same", **more),
    "conv2d": lambda i, o, k, stride=1, **more: layers.Conv2D(
        o, k, stride, padding="same", bias_initializer="random_normal", **more
    ),
    "batch_norm": lambda c, rank, groups, **k: layers.BatchNormalization(
        moving_mean_initializer="random_normal",
        beta_initializer="random_normal",
        moving_variance_initializer=keras.initializers.RandomUniform(0.5, 2.0),
        **k,
    ),
    "layer_norm": lambda c, rank, groups, **k: layers.LayerNormalization(
        beta_initializer="random_normal", **k
    ),
    "group_norm": lambda c, rank, groups, **k: layers.GroupNormalization(groups, **k),
    "dropout": lambda p, **k: layers.Dropout(p, **k),
    "embedding": lambda n, d, **k: layers.Embedding(
        n, d, embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0), **k
    ),
    "attention": lambda d, heads, **k: layers.MultiHeadAttention(heads, d // heads, **k),
    "gru": lambda i, h, **k: layers.GRU(h, return_sequences=True, **k),
    "lstm": lambda i, h, **k: layers.LSTM(h, return_sequences=True, **k),
    "flatten": lambda **k: layers.Flatten(**k),
    "max_pool": lambda **k: layers.MaxPooling2D(2, **k),
    "avg_pool": lambda **k: layers.AveragePooling2D(2, **k),
    "max_pool1d": lambda **k: layers.MaxPooling1D(2, **k),
    "act": lambda act, over, **k: layers.Activation(getattr(keras.activations, act), **k),
}


def function(node, args):
    if node.kind == "scale":
        return args[0] * node.sizes["by"]
    if node.kind == "act":
        return getattr(keras.activations, node.sizes["act"])(args[0])
    return FUNCTIONS[node.kind](*args)


class Block(layers.Layer):
    """A layer with layers inside."""

    def __init__(self, node, **options):
        super().__init__(**options)
        self.plan = Plan(node.body)
        for name, inner in layers_of(node.body, **options).items():
            setattr(self, name, inner)

    def call(self, x):
        env = {"x": x}
        for node in self.plan.nodes:
            args = [env[n] for n in node.inputs]
            inner = getattr(self, node.layer) if node.layer else None
            env[node.name] = inner(*args) if inner else function(node, args)
        return env[self.plan.nodes[-1].name]


class Plan:
    """Nodes, as one object that Keras need not track."""

    def __init__(self, nodes):
        self.nodes = nodes


def layers_of(nodes, **options):
    found = {}
    for node in nodes:
        if node.layer and node.layer not in found:
            mine = {**options, "name": node.layer}
            kind = Block(node, **mine) if node.kind == "block" else None
            found[node.layer] = kind or LAYERS[node.kind](**node.sizes, **mine)
    return found


class Keras:
    """The framework, for the fuzzer."""

    name, channels_last = "keras", True
    anchors = ("in", "out")
    abilities = Abilities(ACTIVATIONS, frozenset(LAYERS), few=True, all_by_place=True)
    jitter = None

    def __init__(self, network, rng, dtype):
        self.network, self.log, self.dtype = network, [], dtype
        keras.utils.set_random_seed(int(rng.integers(2**31)))
        self.layers = layers_of(network.nodes, dtype=dtype)
        made = self._functional if network.functional else self._subclassed
        self.model = made([a.name for a in network.arguments])
        self.names = {}
        for name, inner in self.layers.items():
            self._walk(name, inner)

    def _walk(self, path, inner):
        self.names[path] = inner
        for node in inner.plan.nodes if isinstance(inner, Block) else ():
            if node.layer:
                self._walk(f"{path}.{node.layer}", getattr(inner, node.layer))

    def _subclassed(self, names):
        outer = self

        def evaluate(model, **env):
            for node in outer.network.nodes:
                args = [env[n] for n in node.inputs]
                inner = model.parts[node.layer] if node.layer else None
                env[node.name] = inner(*args) if inner else function(node, args)
            return put_together(outer.network, env)

        held = {"evaluate": evaluate}
        given = ", ".join(f"{n}={n}" for n in names)
        exec(f"def call(self, {', '.join(names)}): return evaluate(self, {given})", held)
        kind = type("Net", (keras.Model,), {"call": held["call"]})
        model = kind(name="net", dtype=self.dtype)
        model.parts = self.layers
        blank = {a.name: self._blank(a) for a in self.network.arguments}
        first = [blank.pop(a.name) for a in self.network.arguments if not a.keyword]
        model(*first, **blank)
        return model

    def _blank(self, a):
        shape = a.shape if a.role == "shared" else (2, *a.shape)
        if len(a.shape) == 3:
            shape = (2, *a.shape[1:], a.shape[0])
        kinds = {"float": self.dtype, "shared": self.dtype, "mask": "bool"}
        return tf.zeros(shape, kinds.get(a.role, "int64"))

    def _functional(self, names):
        env = {}
        for a in self.network.arguments:
            shape = (*a.shape[1:], a.shape[0]) if len(a.shape) == 3 else a.shape
            kinds = {"float": self.dtype, "mask": "bool"}
            env[a.name] = keras.Input(shape, name=a.name, dtype=kinds.get(a.role, "int64"))
        inputs = dict(env)
        for node in self.network.nodes:
            args = [env[n] for n in node.inputs]
            inner = self.layers[node.layer] if node.layer else None
            if node.kind == "act" and not inner:  # some functions take no symbolic values
                inner = LAYERS["act"](**node.sizes, dtype=self.dtype)
            env[node.name] = inner(*args) if inner else function(node, args)
        listed = list(inputs.values())
        return keras.Model(
            listed[0] if len(listed) == 1 else listed, put_together(self.network, env)
        )

    def place(self, site):
        return site.name.replace(".", "/")

    def wrapped(self, options):
        return get_model_wrapper(self.model, **options)

    # -- the plain side ----------------------------------------------------------------------

    def call(self, node, path, args, kwargs):
        if node.layer is None:
            return function(node, args)
        return self.names[path + node.layer](*args, training=False)

    def run(self, args, kwargs, visit):
        return run(self.network, args, kwargs, self.call, visit)

    def prepared(self, function):
        """`function(eps, *arrays)` gives scalars; the result gives their values and gradients."""

        def graded(eps, *given):
            tensors = [self.tensor(e) for e in eps]
            with tf.GradientTape(persistent=True) as tape:
                for t in tensors:
                    tape.watch(t)
                values = function(tensors, *given)
            zero = tf.UnconnectedGradients.ZERO
            grads = [tape.gradient(v, tensors, unconnected_gradients=zero) for v in values]
            return [float(v) for v in values], [[self.numpy(g) for g in gs] for gs in grads]

        return graded

    def values(self, function, *given):
        return function(*given)

    @staticmethod
    def is_float(x):
        return tf.is_tensor(x) and x.dtype.is_floating

    def tensor(self, a):
        if tf.is_tensor(a):
            return a
        a = np.asarray(a)
        if a.dtype.kind != "f":
            return tf.constant(a)
        return tf.constant(self.jitter(a) if self.jitter else a, self.dtype)

    @staticmethod
    def numpy(t):
        return tf.convert_to_tensor(t).numpy().copy()

    numpy_of = staticmethod(np.asarray)

    def state(self):
        """All that a call must leave as it was."""
        every = [self.model, *self.model._flatten_layers(include_self=False)]
        return {
            "weights": {
                v.path + str(i): v.numpy().tobytes() for i, v in enumerate(self.model.variables)
            },
            "modules": {i: {k: id(v) for k, v in vars(x).items()} for i, x in enumerate(every)},
            "trainable": [x.trainable for x in every],
            "generator": tf.random.get_global_generator().state.numpy().tobytes(),
        }

    # -- functions of quantities -------------------------------------------------------------

    sum = staticmethod(lambda x, axis=None: ops.sum(x, axis))
    amax = staticmethod(ops.max)
    sqrt, exp, sigmoid = staticmethod(ops.sqrt), staticmethod(ops.exp), staticmethod(ops.sigmoid)
    sign = staticmethod(lambda x: ops.stop_gradient(ops.sign(x)))
    softmax = staticmethod(ops.softmax)
    logsumexp = staticmethod(lambda x, axis: ops.logsumexp(x, axis, keepdims=True))
    moveaxis = staticmethod(ops.moveaxis)
    reshape = staticmethod(ops.reshape)
    stack = staticmethod(lambda xs: ops.stack(xs, 1))

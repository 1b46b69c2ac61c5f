"""Networks in JAX, as Flax NNX modules and as plain functions, and its plain autograd."""

import copy
import os

# much is compiled and little run
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from networks import Abilities
from plain_runs import put_together, run

from trulens_core import get_model_wrapper
from trulens_jax import tap

jax.config.update("jax_enable_x64", True)

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "selu": jax.nn.selu,
    "celu": jax.nn.celu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "silu": jax.nn.silu,
    "mish": jax.nn.mish,
    "softplus": jax.nn.softplus,
    "softsign": jax.nn.soft_sign,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "logsigmoid": jax.nn.log_sigmoid,
    "hardtanh": jax.nn.hard_tanh,
    "hardswish": jax.nn.hard_swish,
    "hardsigmoid": jax.nn.hard_sigmoid,
    "relu6": jax.nn.relu6,
}


class Function(nnx.Module):
    """A function as a layer."""

    def __init__(self, function):
        self.function = function

    def __call__(self, x):
        return self.function(x)


def _masked_mean(x, mask):
    m = mask.astype(x.dtype)[..., None]
    return (x * m).sum(1) / (m.sum(1) + 1.0)


def _attend(q, k, v):
    return jax.nn.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v


def _first(pair):
    return pair[0] if isinstance(pair, tuple) else pair


FUNCTIONS = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "gate": lambda a, b: a * jax.nn.sigmoid(b),
    "concat": lambda a, b: jnp.concatenate([a, b], -1),
    "attend": _attend,
    "first": _first,
    "swap": lambda x: x,
    "mean": lambda x: x.mean(1),
    "mean_img": lambda x: x.mean((1, 2)),
    "masked_mean": _masked_mean,
    "flatten": lambda x: x.reshape(len(x), -1),
    "centre": lambda x: x - x.mean(0, keepdims=True),
    "max_pool": lambda x: nnx.max_pool(x, (2, 2), (2, 2)),
    "avg_pool": lambda x: nnx.avg_pool(x, (2, 2), (2, 2)),
    "max_pool1d": lambda x: nnx.max_pool(x, (2,), (2,)),
}
LAYERS = {
    "linear": lambda i, o, **k: nnx.Linear(i, o, **k),
    "conv1d": lambda i, o, k, **more: nnx.Conv(i, o, (k,), **more),
    "conv2d": lambda i, o, k, stride=1, **more: nnx.Conv(i, o, (k, k), stride, **more),
    "batch_norm": lambda c, rank, groups, **k: nnx.BatchNorm(c, **k),
    "layer_norm": lambda c, rank, groups, **k: nnx.LayerNorm(c, use_fast_variance=False, **k),
    "group_norm": lambda c, rank, groups, **k: nnx.GroupNorm(
        c, groups, use_fast_variance=False, **k
    ),
    "dropout": lambda p, rngs, **k: nnx.Dropout(p, rngs=rngs),
    "embedding": lambda n, d, **k: nnx.Embed(n, d, **k),
    "attention": lambda d, heads, **k: nnx.MultiHeadAttention(heads, d, decode=False, **k),
    "gru": lambda i, h, **k: nnx.RNN(nnx.GRUCell(i, h, **k)),
    "lstm": lambda i, h, **k: nnx.RNN(nnx.LSTMCell(i, h, **k)),
}


def function(node, args):
    if node.kind == "scale":
        return args[0] * node.sizes["by"]
    if node.kind == "act":
        return ACTIVATIONS[node.sizes["act"]](args[0])
    return FUNCTIONS[node.kind](*args)


def layer(node, **options):
    if node.kind == "block":
        return Nodes(node.body, **options)
    if node.kind in LAYERS:
        return LAYERS[node.kind](**node.sizes, **options)
    return Function(lambda *args: function(node, args))


class Plan:
    """Nodes, as one object that JAX need not look into."""

    def __init__(self, nodes, network=None):
        self.nodes, self.network = nodes, network


class Nodes(nnx.Module):
    """Nodes as a module: the network, or a block of it."""

    def __init__(self, nodes, network=None, **options):
        self.plan = Plan(nodes, network)
        for node in nodes:
            if node.layer and not hasattr(self, node.layer):
                setattr(self, node.layer, layer(node, **options))

    def through(self, env):
        for node in self.plan.nodes:
            args = [env[n] for n in node.inputs]
            inner = getattr(self, node.layer) if node.layer else None
            env[node.name] = inner(*args) if inner else function(node, args)
        return env

    def __call__(self, x):
        return self.through({"x": x})[self.plan.nodes[-1].name]

    def evaluate(self, **env):
        return put_together(self.plan.network, self.through(env))


def called(names, owner, call):
    """A function of these names that passes them on to `call`."""
    held = {"call": call}
    given = ", ".join(f"{n}={n}" for n in names)
    exec(f"def f({', '.join([owner, *names])}): return call({owner}, {given})", held)
    return held["f"]


class Jax:
    """The framework, for the fuzzer."""

    name, channels_last = "jax", True
    abilities = Abilities(tuple(ACTIVATIONS), frozenset(LAYERS), few=True)
    jitter = None

    def __init__(self, network, rng, dtype):
        self.network, self.log = network, []
        self.dtype = getattr(jnp, dtype)
        names = [a.name for a in network.arguments]
        forward = called(names, "self", lambda self, **env: self.evaluate(**env))
        kind = type(nnx.Module)("Net", (Nodes,), {"__call__": forward})
        seed = int(rng.integers(2**31))
        options = {"rngs": nnx.Rngs(seed), "param_dtype": self.dtype, "dtype": self.dtype}
        self.model = kind(network.nodes, network, **options)
        self._fill(rng)
        self.model.train()
        twin = copy.deepcopy(self.model)
        twin.eval()
        self.twin = nnx.split(twin)
        if network.functional:
            self.of_function = self._function(names)

    def _fill(self, rng):
        for _, module in nnx.iter_modules(self.model):
            if isinstance(module, nnx.BatchNorm | nnx.LayerNorm | nnx.GroupNorm):
                for name in ("scale", "bias", "mean", "var"):
                    held = getattr(module, name, None)
                    if held is not None:
                        new = held[...] + rng.uniform(0, 0.5, held[...].shape)
                        held.set_value(jnp.asarray(new, self.dtype))
        for _, module in nnx.iter_modules(self.model):
            if isinstance(module, nnx.Linear | nnx.Conv) and module.bias is not None:
                shape = module.bias[...].shape
                module.bias.set_value(jnp.asarray(rng.normal(size=shape) * 0.3, self.dtype))

    def _function(self, names):
        """The network as a function of weights and arguments, whose layers are tapped values."""
        plan, weights = self.twin

        def evaluate(state, **env):
            module = nnx.merge(plan, state)

            def visit(place, value):
                inner = place.anchor == "out" and not place.name.startswith("<")
                return tap(value, place.name) if inner else value

            args = [env[a.name] for a in self.network.arguments if not a.keyword]
            kwargs = {a.name: env[a.name] for a in self.network.arguments if a.keyword}
            return run(self.network, args, kwargs, caller(module), visit)

        return called(names, "state", evaluate), weights

    @property
    def anchors(self):
        return ("out",) if self.network.functional else ("in", "out")

    def place(self, site):
        return site.name

    def wrapped(self, options):
        if self.network.functional:
            f, weights = self.of_function
            return get_model_wrapper(f, backend="jax", params=weights, **options)
        return get_model_wrapper(self.model, **options)

    # -- the plain side ----------------------------------------------------------------------

    def run(self, args, kwargs, visit):
        # put together anew, since a module belongs to the trace that it is made in
        plan, weights = self.twin
        module = nnx.merge(plan, jax.tree.map(lambda x: x, weights))
        return run(self.network, args, kwargs, caller(module), visit)

    def prepared(self, function):
        """`function(eps, *arrays)` gives scalars; the result gives their values and gradients."""

        def stacked(eps, *given):
            return jnp.stack(function(eps, *given))

        both = jax.jit(lambda eps, *given: (stacked(eps, *given), jax.jacrev(stacked)(eps, *given)))

        def graded(eps, *given):
            eps, given = jax.tree.map(self.tensor, (list(eps), given))
            values, by_eps = both(eps, *given)
            grads = [[np.array(g[i]) for g in by_eps] for i in range(len(values))]
            return values.tolist(), grads

        return graded

    def values(self, function, *given):
        return function(*given)

    @staticmethod
    def is_float(x):
        return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jnp.floating)

    def tensor(self, a):
        if isinstance(a, jax.core.Tracer):
            return a
        if isinstance(a, jax.Array):
            return a
        a = np.asarray(a)
        if a.dtype.kind != "f":
            return jnp.asarray(a)
        return jnp.asarray(self.jitter(a) if self.jitter else a, self.dtype)

    @staticmethod
    def numpy(t):
        return np.array(t)

    numpy_of = staticmethod(np.asarray)

    def state(self):
        """All that a call must leave as it was."""
        _, weights = nnx.split(self.model)
        leaves = jax.tree.leaves(weights)
        keyed = [
            jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
            for x in leaves
        ]
        modules = {
            ".".join(map(str, path)): {k: id(v) for k, v in vars(m).items()}
            for path, m in nnx.iter_modules(self.model)
        }
        return {
            "weights": {i: (str(x.dtype), np.asarray(x).tobytes()) for i, x in enumerate(keyed)},
            "modules": modules,
            "classes": {i: type(m) for i, (_, m) in enumerate(nnx.iter_modules(self.model))},
            "x64": jax.config.jax_enable_x64,
        }

    # -- functions of quantities -------------------------------------------------------------

    sum = staticmethod(lambda x, axis=None: jnp.sum(x, axis))
    amax = staticmethod(jnp.max)
    sqrt, exp, sigmoid = staticmethod(jnp.sqrt), staticmethod(jnp.exp), staticmethod(jax.nn.sigmoid)
    sign = staticmethod(lambda x: jax.lax.stop_gradient(jnp.sign(x)))
    softmax = staticmethod(jax.nn.softmax)
    logsumexp = staticmethod(lambda x, axis: jax.nn.logsumexp(x, axis, keepdims=True))
    moveaxis = staticmethod(jnp.moveaxis)
    reshape = staticmethod(jnp.reshape)
    stack = staticmethod(lambda xs: jnp.stack(xs, 1))


def caller(module):
    """How the nodes of a plain loop are evaluated with a module's layers."""

    def call(node, path, args, kwargs):
        if node.layer is None:
            return function(node, args)
        held = module
        for step in (path + node.layer).split("."):
            held = getattr(held, step)
        return held(*args, **kwargs)

    return call

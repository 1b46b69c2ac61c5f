"""What a call costs on JAX where kernels are short: beside a jitted loop by hand, and in calls.

A residual network of Flax NNX of about a hundred leaves, and a small perceptron as a function. What
is aimed at is 1.10 times the loop by hand and 0.3 ms: 1.10 times that loop with 0.27 ms of waiting.
The number of Python's function calls, by cProfile, does not depend on the machine's load.
Attributions are given as NumPy arrays, by ours and by hand.

    python benchmarks/jax_calls.py [CASE ...] [--turns N]
"""

import cProfile
import pstats
import sys
import time

import jax
import jax.numpy as jnp
import measure
import numpy as np
from flax import nnx

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.testing import relative_error
from trulens_jax import tap

WAITING = "by hand, 0.27 ms"
CHANNELS, BLOCKS, CLASSES, POINTS, LATE = 8, 7, 10, 50, 5


class Block(nnx.Module):
    def __init__(self, rngs):
        conv = {"kernel_size": (3, 3), "rngs": rngs}
        self.conv1, self.conv2 = (nnx.Conv(CHANNELS, CHANNELS, **conv) for _ in range(2))
        self.norm1, self.norm2 = (nnx.BatchNorm(CHANNELS, rngs=rngs) for _ in range(2))

    def __call__(self, x):
        h = jax.nn.relu(self.norm1(self.conv1(x)))
        return jax.nn.relu(x + self.norm2(self.conv2(h)))


class ResNet(nnx.Module):
    def __init__(self, rngs):
        self.stem = nnx.Conv(3, CHANNELS, (3, 3), rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(BLOCKS)])
        self.logits = nnx.Linear(CHANNELS, CLASSES, rngs=rngs)

    def __call__(self, x):
        return self.after(self.before(x, BLOCKS), BLOCKS)

    def before(self, x, n):
        x = self.stem(x)
        for i in range(n):
            x = self.blocks[i](x)
        return x

    def after(self, h, n):
        for i in range(n, BLOCKS):
            h = self.blocks[i](h)
        return self.logits(h.mean((1, 2)))


def perceptron(w, x):
    for i, kernel in enumerate(w):
        x = tap(jnp.tanh(x @ kernel), f"layer{i}")
    return x


def drawn(*shape, scale=1.0):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("float32") / scale


def path(before, after):
    """Midpoints of the line from zeros by hand, in one compiled function of weights and input."""
    alphas = (np.arange(POINTS, dtype="float32") + 0.5) / POINTS

    @jax.jit
    def run(w, x):
        z = before(w, x)
        grad = jax.grad(lambda p: after(w, p).max(1).sum())
        return jax.vmap(lambda a: grad(a * z))(jnp.asarray(alphas)).mean(0) * z

    return run


def calls(function):
    """How many functions one call runs."""
    for _ in range(3):
        function()
    profile = cProfile.Profile()
    profile.runcall(function)
    return pstats.Stats(profile).total_calls


def waiting(function, seconds=0.3e-3 / 1.10):
    """The same and a wait that begins when it returns."""

    def run():
        found, start = function(), time.perf_counter()
        while time.perf_counter() - start < seconds:
            pass
        return found

    return run


def case(ours, by_hand, n=20, error=1e-4):
    ways = {"ours": ours, "by hand": by_hand, WAITING: waiting(by_hand)}
    found = relative_error(ours(), by_hand())
    assert found < error, found
    notes = {"function calls": calls(ours)}
    return measure.Case(ways, {WAITING: 1.10}, calls=n, memory=False, notes=notes)


def resnet():
    model = ResNet(nnx.Rngs(0))
    model.eval()
    return model, nnx.split(model), drawn(1, 32, 32, 3)


def resnet_saliency():
    model, (graph, state), x = resnet()
    ours = InputAttribution(get_model_wrapper(model), multiply_activation=False)
    grad = jax.jit(jax.grad(lambda x, s: nnx.merge(graph, s)(x).max(1).sum()))
    return case(lambda: ours.attributions(x), lambda: np.array(grad(x, state)), 2)


def resnet_ig():
    model, (graph, state), x = resnet()
    ours = IntegratedGradients(get_model_wrapper(model), resolution=POINTS)
    run = path(lambda _, x: x, lambda s, z: nnx.merge(graph, s)(z))
    return case(lambda: ours.attributions(x), lambda: np.array(run(state, x)), 2)


def resnet_layer():
    model, (graph, state), x = resnet()
    cut = f"blocks.{LATE}"
    doi = LinearDoi(resolution=POINTS, rule="midpoint", cut=cut)
    ours = InternalInfluence(get_model_wrapper(model), cut, "max", doi)
    run = path(
        lambda s, x: nnx.merge(graph, s).before(x, LATE + 1),
        lambda s, z: nnx.merge(graph, s).after(z, LATE + 1),
    )
    return case(lambda: ours.attributions(x), lambda: np.array(run(state, x)), 2)


def mlp():
    w, x = [jnp.asarray(drawn(64, 64, scale=8))] * 3, drawn(1, 64)
    return w, get_model_wrapper(perceptron, backend="jax", params=w), x


def mlp_saliency():
    w, model, x = mlp()
    ours = InputAttribution(model, multiply_activation=False)
    grad = jax.jit(jax.grad(lambda x, w: perceptron(w, x).max(1).sum()))
    return case(lambda: ours.attributions(x), lambda: np.array(grad(x, w)))


def mlp_ig():
    w, model, x = mlp()
    ours = IntegratedGradients(model, resolution=POINTS)
    run = path(lambda _, x: x, perceptron)
    return case(lambda: ours.attributions(x), lambda: np.array(run(w, x)))


CASES = {
    "NNX residual net, saliency": resnet_saliency,
    "NNX residual net, IG 50": resnet_ig,
    "NNX residual net, layer IG 50": resnet_layer,
    "perceptron, saliency": mlp_saliency,
    "perceptron, IG 50": mlp_ig,
}

if __name__ == "__main__":
    sys.exit(measure.main(CASES, turns=15))

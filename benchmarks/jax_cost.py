"""Attributions on JAX beside compiled loops written by hand.

A network of twelve convolutions, and a small perceptron, as plain functions. A loop by hand is
compiled and maps over the points of a block; its blocks are of the size at which it is fastest
here, or of as many rows as ours. At a late cut it knows the part of the network after the cut.
"""

import sys
import time

import jax
import jax.numpy as jnp
import measure
import numpy as np

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.testing import relative_error
from trulens_jax import tap

LAYERS, CHANNELS, CLASSES, RECORDS, POINTS = 12, 16, 10, 4, 24
LATE = LAYERS - 3


def draw(*shape, scale=1.0):
    return jnp.asarray(np.random.default_rng(len(shape)).normal(size=shape) / scale, "float32")


def weights():
    shapes = [(3, 3, 3, CHANNELS)] + [(3, 3, CHANNELS, CHANNELS)] * (LAYERS - 1)
    return {"conv": [draw(*s, scale=9) for s in shapes], "dense": draw(CHANNELS, CLASSES)}


def images():
    return draw(RECORDS, 24, 24, 3)


def conv(x, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)


def convolutions(w, x, first=0, last=LAYERS):
    for i in range(first, last):
        x = tap(jnp.tanh(conv(x, w["conv"][i])), f"conv{i}")
    return x


def net(w, x, first=0):
    return convolutions(w, x, first).mean((1, 2)) @ w["dense"]


def path(w, first, size, points=POINTS):
    """A loop by hand: midpoints from zeros, `size` of them a pass."""
    alphas = (np.arange(points, dtype="float32") + 0.5) / points
    grad = jax.grad(lambda w, z: net(w, z, first).max(1).sum(), argnums=1)

    @jax.jit
    def step(w, z, alphas):
        return jax.vmap(lambda a: grad(w, a * z))(alphas).sum(0) / points

    def run(z):
        total = 0
        for i in range(0, points, size):
            total = total + step(w, z, alphas[i : i + size])
        return np.asarray(total * z)

    return run


def fastest(w, z, first):
    """The size of blocks at which the loop by hand is fastest, and its loop."""
    loops = {size: path(w, first, size) for size in (1, 2, 4, 6, 8, 12, 24)}
    ways = {size: (lambda run=run: run(z)) for size, run in loops.items()}
    seconds = measure.in_turns(ways, 5)
    size = min(seconds, key=lambda s: measure.spread(seconds[s])[0])
    return size, loops[size]


def equal(ways, error=1e-4):
    def check():
        ours, *others = (np.asarray(run()) for run in ways.values())
        for other in others:
            found = relative_error(ours, other)
            assert found < error, found

    return check


def at_input():
    w, x = weights(), images()
    size, by_hand = fastest(w, x, 0)
    model = get_model_wrapper(net, backend="jax", params=w)
    ours = IntegratedGradients(model, resolution=POINTS, rebatch_size=size * RECORDS)
    free = IntegratedGradients(model, resolution=POINTS)
    ways = {
        "ours": lambda: np.asarray(ours.attributions(x)),
        "by hand": lambda: by_hand(x),
        "default": lambda: np.asarray(free.attributions(x)),
    }
    return measure.Case(ways, {"by hand": 1.05}, notes={"points": size}, check=equal(ways))


def late():
    """The loop by hand computes the value at the cut, too, and then the part after it."""
    w, x = weights(), images()
    prefix = jax.jit(lambda w, x: convolutions(w, x, last=LATE + 1))
    size, by_hand = fastest(w, prefix(w, x), LATE + 1)
    model = get_model_wrapper(net, backend="jax", params=w)
    cut = f"conv{LATE}"
    doi = LinearDoi(resolution=POINTS, rule="midpoint", cut=cut)
    ours = InternalInfluence(model, cut, "max", doi, rebatch_size=size * RECORDS)
    ways = {
        "ours": lambda: np.asarray(ours.attributions(x)),
        "by hand": lambda: by_hand(prefix(w, x)),
    }
    return measure.Case(ways, {"by hand": 1.2}, notes={"points": size}, check=equal(ways))


def perceptron(w, x):
    for i, kernel in enumerate(w):
        x = tap(jnp.tanh(x @ kernel), f"layer{i}")
    return x


def saliency():
    """What a call costs where there is nearly nothing to compute, and a further step."""
    w, x = [draw(64, 64, scale=8)] * 3, np.asarray(draw(8, 64))
    model = get_model_wrapper(perceptron, backend="jax", params=w)
    ours = InputAttribution(model, qoi=3, multiply_activation=False)
    grad = jax.jit(jax.grad(lambda x, w: perceptron(w, x)[:, 3].sum()))
    ways = {"ours": lambda: ours.attributions(x), "by hand": lambda: np.array(grad(x, w))}
    few, many = (
        IntegratedGradients(model, resolution=8 * n, qoi=3, rebatch_size=8) for n in (10, 110)
    )
    one = x[:1]
    spent = [python_time(lambda m=m: m.attributions(one)) for m in (few, many)]
    notes = {"ms of Python a step": 1e3 * (spent[1] - spent[0]) / 100}
    return measure.Case(ways, calls=50, memory=False, notes=notes, check=equal(ways))


def python_time(function, turns=15):
    """Seconds of the thread that calls, without those that it waits."""
    function()
    found = []
    for _ in range(turns):
        start = time.thread_time()
        function()
        found.append(time.thread_time() - start)
    return measure.spread(found)[0]


CASES = {"saliency, perceptron": saliency, "IG at the input": at_input, "path at a late cut": late}

if __name__ == "__main__":
    sys.exit(measure.main(CASES, turns=25))

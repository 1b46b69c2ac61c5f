"""What explanations of a JAX network cost beside loops written by hand; ratios, not seconds.

A convolutional network of twelve layers as a plain function. The ways take turns, so that other
load on the machine meets both alike; ratios are medians over the turns.

    python benchmarks/jax_cost.py [turns]
"""

import statistics
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from trulens_core import IntegratedGradients, InternalInfluence, LinearDoi, get_model_wrapper
from trulens_jax import tap

LAYERS, CHANNELS, CLASSES, RECORDS, POINTS, ROWS = 12, 16, 10, 4, 24, 32
LIMITS = {"integrated gradients at the input": 1.1, "a late cut against its suffix": 1.2}


def weights():
    rng = np.random.default_rng(0)
    kernels = [rng.normal(size=(3, 3, CHANNELS, CHANNELS)) / 12 for _ in range(LAYERS)]
    kernels[0] = rng.normal(size=(3, 3, 3, CHANNELS)) / 5
    dense = rng.normal(size=(CHANNELS, CLASSES))
    return jax.tree.map(lambda a: jnp.asarray(a, "float32"), {"conv": kernels, "dense": dense})


def conv(x, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)


def net(w, x, first=0):
    for i in range(first, LAYERS):
        x = tap(jnp.tanh(conv(x, w["conv"][i])), f"conv{i}")
    return x.mean((1, 2)) @ w["dense"]


def loop_by_hand(w, z, first):
    """Midpoints from zeros, as many per pass as the library takes."""
    per_pass = ROWS // RECORDS
    alphas = (np.arange(POINTS, dtype="float32") + 0.5) / POINTS
    grad = jax.grad(lambda w, z: net(w, z, first).max(1).sum(), argnums=1)

    @jax.jit
    def step(w, z, alphas):
        return jax.vmap(lambda a: grad(w, a * z))(alphas).sum(0) / POINTS

    def run():
        total = 0
        for i in range(0, POINTS, per_pass):
            total = total + step(w, z, alphas[i : i + per_pass])
        return np.asarray(total * z)

    return run


def pairs():
    w = weights()
    x = jnp.asarray(np.random.default_rng(1).normal(size=(RECORDS, 24, 24, 3)), "float32")
    model = get_model_wrapper(net, backend="jax", params=w)
    late = f"conv{LAYERS - 3}"
    z = model.fprop(x, to_cut=late)
    at_input = IntegratedGradients(model, resolution=POINTS)
    at_input.rebatch_size = ROWS
    doi = LinearDoi(resolution=POINTS, rule="midpoint", cut=late)
    at_late = InternalInfluence(model, late, "max", doi)
    at_late.rebatch_size = ROWS
    # the value at the cut must be computed by both
    prefix = jax.jit(lambda w, x: model_prefix(w, x, LAYERS - 2))
    by_hand = loop_by_hand(w, z, LAYERS - 2)

    def hand():
        jax.block_until_ready(prefix(w, x))
        return by_hand()

    return {
        "integrated gradients at the input": (
            lambda: np.asarray(at_input.attributions(x)),
            loop_by_hand(w, x, 0),
        ),
        "a late cut against its suffix": (lambda: np.asarray(at_late.attributions(x)), hand),
    }


def model_prefix(w, x, last):
    for i in range(last):
        x = jnp.tanh(conv(x, w["conv"][i]))
    return x


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main(turns):
    failed = False
    for name, (ours, hand) in pairs().items():
        np.testing.assert_allclose(ours(), hand(), rtol=1e-3, atol=1e-6)
        ratios = []
        for turn in range(turns):
            order = (ours, hand) if turn % 2 else (hand, ours)
            spent = {f: seconds(f) for f in order}
            ratios.append(spent[ours] / spent[hand])
        ratio, limit = statistics.median(ratios), LIMITS[name]
        failed |= ratio > limit
        verdict = "ok" if ratio <= limit else "OVER"
        print(f"{name:36} {ratio:5.2f} x the loop by hand (limit {limit}) {verdict}")
    return failed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9))

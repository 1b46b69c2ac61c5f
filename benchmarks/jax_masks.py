"""Methods without gradients on JAX beside jitted loops written by hand.

A loop by hand knows its masks, and makes the points of a block, evaluates the model and chooses the
quantity in one compiled function; blocks have the size that was found best for it.

    python benchmarks/jax_masks.py [CASE ...] [--turns N]
"""

import functools
import sys

import jax
import jax.numpy as jnp
import measure
import numpy as np

from trulens_core import Ablation, KernelSHAP, Segments, ShapleyValues, get_model_wrapper
from trulens_core.perturbation.kernel import Kernel
from trulens_core.segments import resolved
from trulens_core.testing import relative_error

BLOCKS = 64, 256, 1024, 4096, 8192
FEATURES, LIMITS = 20, {"by hand": 1.15}


def drawn(*shape, scale=1.0):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("float32") / scale


def perceptron(w, x):
    return jax.nn.relu(x @ w[0]) @ w[1]


def network(w, x):
    """Three convolutions of images, and a mean."""
    for kernel in w[:-1]:
        x = jax.nn.relu(
            jax.lax.conv_general_dilated(
                x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
        )
    return x.mean((1, 2)) @ w[-1]


def mlp():
    return perceptron, [jnp.asarray(drawn(FEATURES, 64, scale=5)), jnp.asarray(drawn(64, 3))]


def cnn():
    shapes = (3, 3, 3, 16), (3, 3, 16, 16), (3, 3, 16, 16), (16, 3)
    return network, [jnp.asarray(drawn(*s, scale=5)) for s in shapes]


def by_hand(model, at, masks, rows):
    """q of class 1 of records for masks (k, segments), (k, records); in blocks of as many rows."""
    function, w = model

    @jax.jit
    def block(w, x, m):
        kept = jnp.take(m, at.reshape(-1), axis=1).reshape(len(m), 1, *at.shape)
        points = jnp.where(kept, x[None], jnp.zeros((), x.dtype))
        y = function(w, points.reshape(-1, *x.shape[1:]))
        return y[:, 1].reshape(len(m), -1)

    def run(x):
        x = jnp.asarray(x)
        k = -(-len(masks) // -(-len(masks) // max(1, rows // len(x))))
        more = -len(masks) % k
        wide = np.concatenate([masks, np.repeat(masks[-1:], more, axis=0)])
        found = [block(w, x, wide[i : i + k]) for i in range(0, len(wide), k)]
        return np.concatenate([np.asarray(q) for q in found])[: len(masks)].astype("float64")

    return run


def best(model, at, masks, x):
    """The loop by hand with the rows a pass with which it is fastest."""
    ways = {b: by_hand(model, at, masks, b) for b in BLOCKS}
    runs = {str(b): functools.partial(run, x) for b, run in ways.items()}
    seconds = measure.in_turns(runs, 3)
    return ways[int(min(seconds, key=lambda b: min(seconds[b])))]


def regression(q, design):
    """Constrained least squares over the design's masks."""
    z = design(2, design.n).astype("float64")
    sampled = len(z) - len(design.fixed)
    w = np.concatenate([design.weights, np.full(sampled, design.mass / max(1, sampled))])
    a, y = (z * w[:, None]).T @ z, q[2:] - q[1]
    both = np.linalg.solve(a, np.concatenate([np.ones((len(a), 1)), (z * w[:, None]).T @ y], 1))
    one, phi = both[:, :1], both[:, 1:]
    return (phi - one * (phi.sum(0) - (q[0] - q[1])) / one.sum()).T


def errors(q, phi, design):
    """The standard errors of a regression over pairs, by the sandwich."""
    z = design.coalitions(0, design.pairs).astype("float64")
    start = len(q) - 2 * len(z)
    one = np.ones(z.shape[1])
    gram = (design.fixed * design.weights[:, None]).T.astype("float64") @ design.fixed
    gram += design.mass / (2 * len(z)) * (z.T @ z + (1 - z).T @ (1 - z))
    inverse = np.linalg.inv(gram)
    cz = z @ (inverse - np.outer(inverse @ one, one @ inverse) / (one @ inverse @ one))
    d = q[start::2] - q[start + 1 :: 2] + q[0] - q[1] - 2 * z @ phi.T
    d *= design.mass / 2
    squares = (cz**2).T @ d**2 - (cz.T @ d) ** 2 / len(z)
    return np.sqrt(squares / (len(z) * (len(z) - z.shape[1]))).T


def case(ours, hand, calls, error=1e-3):
    def check():
        found = np.asarray(ours())
        assert relative_error(found, np.broadcast_to(hand(), found.shape)) < error

    return measure.Case({"ours": ours, "by hand": hand}, LIMITS, calls, check=check, memory=False)


def ablation(records, calls):
    model, x = mlp(), drawn(records, FEATURES)
    ours = Ablation(get_model_wrapper(model[0], backend="jax", params=model[1]), qoi=1)
    masks = np.concatenate([np.ones((1, FEATURES), bool), ~np.eye(FEATURES, dtype=bool)])
    evaluated = best(model, np.arange(FEATURES), masks, x)

    def hand():
        q = evaluated(x)
        return (q[0] - q[1:]).T.astype("float32")

    return case(lambda: ours.attributions(x), hand, calls)


def kernel(model, x, labels, samples, calls=1, told=False):
    n = int(labels.max()) + 1
    segments = None if labels.ndim == 1 else Segments.of(labels[..., None])
    wrapper = get_model_wrapper(model[0], backend="jax", params=model[1])
    ours = KernelSHAP(wrapper, segments, samples=samples, qoi=1)
    design = Kernel(samples).masks(resolved(None, [np.zeros((1, n))])[0], drawn=False)
    at = labels if labels.ndim == 1 else np.repeat(labels[..., None], x.shape[-1], -1)
    evaluated = best(model, at, design(0, design.n), x)
    if told:

        def explained():
            found = ours.explain(x)
            return found.attributions, found.standard_error

        def hand():
            q = evaluated(x)
            phi = regression(q, design)
            return [a[:, at].astype("float32") for a in (phi, errors(q, phi, design))]

        return case(explained, hand, calls)
    return case(
        lambda: ours.attributions(x),
        lambda: regression(evaluated(x), design)[:, at].astype("float32"),
        calls,
    )


def shapley(records, samples, calls):
    model, x = mlp(), drawn(records, FEATURES)
    ours = ShapleyValues(
        get_model_wrapper(model[0], backend="jax", params=model[1]), samples=samples, qoi=1
    )
    design = ours.question().doi.design.masks(
        resolved(None, [np.zeros((1, FEATURES))])[0], drawn=False
    )
    evaluated = best(model, np.arange(FEATURES), design(0, design.n), x)

    def hand():
        q = evaluated(x)
        inner = q[2:].reshape(samples, FEATURES - 1, -1)
        ends = [np.broadcast_to(q[i], (samples, 1, len(x))) for i in (1, 0)]
        gains = np.diff(np.concatenate([ends[0], inner, ends[1]], axis=1), axis=1)
        ranks = design.ranks(0, samples // 2).reshape(samples, FEATURES)
        return np.take_along_axis(gains, ranks[..., None], axis=1).mean(0).T.astype("float32")

    return case(lambda: ours.attributions(x), hand, calls)


def squares(side, size):
    at = np.arange(side) // size
    return at[:, None] * (side // size) + at


CASES = {
    "ablation, perceptron, 1 record": lambda: ablation(1, 20),
    "ablation, perceptron, 1,000 records": lambda: ablation(1000, 5),
    "KernelSHAP 500, perceptron, 1 record": lambda: kernel(
        mlp(), drawn(1, FEATURES), np.arange(FEATURES), 500, 20
    ),
    "KernelSHAP 256, perceptron, 1,000 records": lambda: kernel(
        mlp(), drawn(1000, FEATURES), np.arange(FEATURES), 256
    ),
    "KernelSHAP 256, 1,000 records, with standard errors": lambda: kernel(
        mlp(), drawn(1000, FEATURES), np.arange(FEATURES), 256, told=True
    ),
    "Shapley values 50, perceptron, 10 records": lambda: shapley(10, 50, 5),
    "KernelSHAP 1,024, CNN, 64 segments": lambda: kernel(
        cnn(), drawn(1, 32, 32, 3), squares(32, 4), 1024
    ),
}

if __name__ == "__main__":
    sys.exit(measure.main(CASES))

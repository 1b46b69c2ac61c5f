"""What rules of the backward pass cost on JAX: compiling, and a call beside the plain gradient.

    python benchmarks/jax_rules.py

A network like VGG, eight images of 64 × 64, one thread: seconds of the first call of a method,
which traces and compiles, and the shortest of several calls, in turns, over that of input ×
gradient.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import time

import jax
import jax.numpy as jnp
import numpy as np

from trulens_core import LRP, AttnLRP, DeepLIFT, GuidedBackprop, InputAttribution, get_model_wrapper
from trulens_core.rules import Gradient, RuleSet, composites

ROUNDS = 7
WIDTHS = (16, 16, 32, 32, 64, 64)


def network():
    """Six convolutions and two linear layers."""
    random, kernels, width = np.random.default_rng(0), [], 3
    for wide in WIDTHS:
        scale = (2 / (9 * width)) ** 0.5
        kernels.append(random.standard_normal((3, 3, width, wide)).astype("float32") * scale)
        width = wide
    head = [
        random.standard_normal((i, o)).astype("float32") / i**0.5 for i, o in ((4096, 64), (64, 10))
    ]

    def run(p, x):
        kernels, (a, b) = p
        for i, w in enumerate(kernels):
            numbers = ("NHWC", "HWIO", "NHWC")
            x = jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=numbers)
            x = jax.nn.relu(x)
            if i % 2:
                window = (1, 2, 2, 1)
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
        return jax.nn.relu(x.reshape((len(x), -1)) @ a) @ b

    weights = jax.tree.map(jnp.asarray, (kernels, head))
    return get_model_wrapper(run, backend="jax", params=weights)


def main():
    """Print seconds of first calls, and the ratios of the others."""
    x = np.random.default_rng(1).standard_normal((8, 64, 64, 3)).astype("float32")
    model = network()
    methods = {
        "gradient": InputAttribution(model, qoi=0),
        "gradient by rules": InputAttribution(model, qoi=0, rules=RuleSet([("*", Gradient())])),
        "guided": GuidedBackprop(model, qoi=0),
        **{
            f"LRP {name}": LRP(model, name, qoi=0)
            for name in ("epsilon", "epsilon_plus", "epsilon_plus_flat", "alpha2_beta1")
        },
        "LRP epsilon_gamma_box": LRP(model, "epsilon_gamma_box", qoi=0, low=-3.0, high=3.0),
        "AttnLRP": AttnLRP(model, qoi=0),
        "DeepLIFT": DeepLIFT(model, qoi=0),
        "RevealCancel": DeepLIFT(model, qoi=0, rules=composites.reveal_cancel()),
    }
    model(x)  # JAX's own start
    took = {name: [] for name in methods}
    for _ in range(ROUNDS + 1):
        for name, method in methods.items():
            begin = time.perf_counter()
            jax.block_until_ready(method.attributions(jnp.asarray(x)))
            took[name].append(time.perf_counter() - begin)
    unit = min(took["gradient"][1:])
    print(f"gradient: {1000 * unit:.1f} ms")
    print("| method | first call, s | × gradient |\n| --- | --- | --- |")
    for name, (first, *others) in took.items():
        print(f"| {name} | {first:.2f} | {min(others) / unit:.2f} |")


if __name__ == "__main__":
    main()

"""Attributions of a model of keras.applications, on the framework of KERAS_BACKEND.

    python applications.py NAME FILE

Weights are drawn from a seed, so that they are the same on each framework; float64.
"""

import sys

import keras
import numpy as np

from trulens_core import (
    ClassQoI,
    GaussianDoi,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)

INNER = {"MobileNetV2": "block_6_project_BN", "ResNet50": "conv3_block1_out"}


def drawn(weight, name, rng):
    """Weights that keep the size of the values from layer to layer."""
    noise = rng.standard_normal(weight.shape)
    if name.endswith("variance"):
        return 0.5 + np.abs(noise)
    if name.endswith("gamma"):
        return 1 + 0.1 * noise
    if weight.ndim > 1:
        depthwise = weight.ndim == 4 and weight.shape[-1] == 1
        inputs = np.prod(weight.shape[:2] if depthwise else weight.shape[:-1])
        return noise * np.sqrt(2 / inputs)
    return 0.1 * noise


def main(name, file):
    keras.config.set_floatx("float64")
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None
    )
    rng = np.random.default_rng(0)
    model.set_weights(
        [drawn(w, v.name, rng) for w, v in zip(model.get_weights(), model.weights, strict=True)]
    )
    x = rng.uniform(-1, 1, (2, 64, 64, 3))
    wrapper, inner = get_model_wrapper(model), INNER[name]
    methods = {
        "input": InternalInfluence(wrapper, (0, None), "max", "point"),
        "path": IntegratedGradients(wrapper, baseline=0.1, resolution=4, qoi=ClassQoI(3)),
        "inner": InternalInfluence(wrapper, inner, (1, 2), LinearDoi(resolution=3, cut=inner)),
        "noise": InternalInfluence(wrapper, (inner, None), "predicted", GaussianDoi(0.01, 2)),
        "channel": InternalInfluence(wrapper, (0, inner), 5, "point"),
    }
    found = {k: m.attributions(x) for k, m in methods.items()}
    np.savez(file, output=wrapper(x), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Attributions of models of keras.applications, on the framework of KERAS_BACKEND.

    python applications.py FILE

Weights are drawn from a seed, so that they are the same on each framework; float64.
"""

import runpy
import sys
from pathlib import Path

import keras
import numpy as np

from trulens_core import (
    ClassQoI,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)

ZOO_KERAS = runpy.run_path(str(Path(__file__).parents[1] / "keras" / "zoo_keras.py"))
MODELS = {"MobileNetV2": ({"alpha": 0.35, "classifier_activation": None}, "block_6_project_BN")}


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


def attributions(name):
    """The output and the attributions of a model, by name."""
    options, inner = MODELS[name]
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3), **options)
    rng = np.random.default_rng(0)
    model.set_weights(
        [drawn(w, v.name, rng) for w, v in zip(model.get_weights(), model.weights, strict=True)]
    )
    x = rng.uniform(-1, 1, (2, 32, 32, 3))
    wrapper = get_model_wrapper(model)
    methods = {
        "path": IntegratedGradients(wrapper, baseline=0.1, resolution=4, qoi=ClassQoI(3)),
        "inner": InternalInfluence(wrapper, inner, (1, 2), LinearDoi(resolution=4, cut=inner)),
    }
    return {"output": wrapper(x), **{k: m.attributions(x) for k, m in methods.items()}}


def main(file):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # of layers, which the line above leaves as it is
    with ZOO_KERAS["float64_is_kept"]():
        found = {f"{m}: {k}": v for m in MODELS for k, v in attributions(m).items()}
    np.savez(file, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])

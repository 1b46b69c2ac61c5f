"""Every method's result of every framework: kept in a file, read again, and computed again.

A recipe is the same plain data whatever framework computes it; here that is asked of each.
"""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

import trulens_core as t
from trulens_core import get_model_wrapper, load_result
from trulens_jax import tap

R = np.random.default_rng(0)
KERNEL, W, V, X = (
    R.normal(size=shape).astype("float32")
    for shape in ((3, 3, 1, 2), (32, 4), (4, 3), (2, 6, 6, 1))
)


class Module(tf.Module):
    class Relu(tf.Module):
        def __call__(self, x):
            return tf.nn.relu(x)

    class Hidden(tf.Module):
        def __call__(self, x):
            return tf.tanh(x @ W)

    def __init__(self):
        super().__init__()
        self.relu, self.hidden = self.Relu(), self.Hidden()

    def __call__(self, x):
        z = self.relu(tf.nn.conv2d(x, KERNEL, 1, "VALID"))
        return self.hidden(tf.reshape(z, (-1, 32))) @ V


def network(p, x):
    dimensions = ("NHWC", "HWIO", "NHWC")
    z = jax.lax.conv_general_dilated(x, p[0], (1, 1), "VALID", dimension_numbers=dimensions)
    z = tap(jax.nn.relu(z), "relu")
    return tap(jnp.tanh(z.reshape(-1, 32) @ p[1]), "hidden") @ p[2]


def torch_model():
    parts = {
        "conv": torch.nn.Conv2d(1, 2, 3, bias=False),
        "relu": torch.nn.ReLU(),
        "flatten": torch.nn.Flatten(),
        "dense": torch.nn.Linear(32, 4, bias=False),
        "hidden": torch.nn.Tanh(),
        "scores": torch.nn.Linear(4, 3, bias=False),
    }
    model = torch.nn.Sequential()
    for name, part in parts.items():
        model.add_module(name, part)
    last_first = W.reshape(4, 4, 2, 4).transpose(2, 0, 1, 3).reshape(32, 4)
    with torch.no_grad():
        model.conv.weight.copy_(torch.tensor(KERNEL.transpose(3, 2, 0, 1)))
        model.dense.weight.copy_(torch.tensor(last_first.T))
        model.scores.weight.copy_(torch.tensor(V.T))
    return get_model_wrapper(model)


def keras_model():
    layers = [
        keras.layers.Input((6, 6, 1)),
        keras.layers.Conv2D(2, 3, use_bias=False),
        keras.layers.ReLU(name="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(4, "tanh", use_bias=False, name="hidden"),
        keras.layers.Dense(3, use_bias=False),
    ]
    model = keras.Sequential(layers)
    model.set_weights([KERNEL, W, V])
    return get_model_wrapper(model)


WRAPPERS = {
    "torch": torch_model,
    "jax": lambda: get_model_wrapper(
        network, backend="jax", params=tuple(map(jnp.asarray, (KERNEL, W, V)))
    ),
    "tensorflow": lambda: get_model_wrapper(Module()),
    "keras": keras_model,
}
PREDICTED = {"qoi": "predicted"}
FEW = {"samples": 16, **PREDICTED}


def axis(wrapper):
    """Plain functions do not say where channels are."""
    return {"channel_axis": 1 if wrapper.backend.name == "torch" else 3}


METHODS = {
    "InternalInfluence": lambda w, x, s: t.InternalInfluence(w, "hidden", "predicted", "point"),
    "InputAttribution": lambda w, x, s: t.InputAttribution(w, **PREDICTED),
    "IntegratedGradients": lambda w, x, s: t.IntegratedGradients(w, x[:1] - 1, 20, **PREDICTED),
    "Saliency": lambda w, x, s: t.Saliency(w, absolute=True, **PREDICTED),
    "SmoothGrad": lambda w, x, s: t.SmoothGrad(w, resolution=4, **PREDICTED),
    "VarGrad": lambda w, x, s: t.VarGrad(w, resolution=4, **PREDICTED),
    "ExpectedGradients": lambda w, x, s: t.ExpectedGradients(w, x, **FEW),
    "Conductance": lambda w, x, s: t.Conductance(w, "hidden", resolution=4, **PREDICTED),
    "NeuronConductance": lambda w, x, s: t.NeuronConductance(
        w, "hidden", 1, resolution=4, **PREDICTED
    ),
    "GradCAM": lambda w, x, s: t.GradCAM(w, "relu", "layercam", **axis(w), **PREDICTED),
    "GuidedBackprop": lambda w, x, s: t.GuidedBackprop(w, **PREDICTED),
    "Deconvolution": lambda w, x, s: t.Deconvolution(w, **PREDICTED),
    "LRP": lambda w, x, s: t.LRP(w, composite="epsilon", **PREDICTED),
    "AttnLRP": lambda w, x, s: t.AttnLRP(w, **PREDICTED),
    "DeepLIFT": lambda w, x, s: t.DeepLIFT(w, 0.5, **PREDICTED),
    "DeepSHAP": lambda w, x, s: t.DeepSHAP(w, x, **FEW),
    "Ablation": lambda w, x, s: t.Ablation(w, s, **PREDICTED),
    "Occlusion": lambda w, x, s: t.Occlusion(w, 3, **axis(w), **PREDICTED),
    "ShapleyValues": lambda w, x, s: t.ShapleyValues(w, s, **FEW),
    "KernelSHAP": lambda w, x, s: t.KernelSHAP(w, s, **FEW),
    "LIME": lambda w, x, s: t.LIME(w, s, **FEW),
    "RISE": lambda w, x, s: t.RISE(w, cells=2, **axis(w), **FEW),
    "Sobol": lambda w, x, s: t.Sobol(w, s, **FEW),
    "ScoreCAM": lambda w, x, s: t.ScoreCAM(w, "relu", **axis(w), **PREDICTED),
}
RULES = {"GuidedBackprop", "Deconvolution", "LRP", "AttnLRP", "DeepLIFT", "DeepSHAP"}
WITHOUT_RULES = ("tensorflow", "keras")  # Keras is on TensorFlow here
ABSTRACT = {"AttributionMethod", "Perturbation"}


@pytest.fixture(scope="module")
def wrappers():
    return {name: make() for name, make in WRAPPERS.items()}


def test_no_method_is_left_out():
    public = {n: getattr(t, n) for n in t.__all__}
    known = {
        n for n, c in public.items() if isinstance(c, type) and issubclass(c, t.AttributionMethod)
    }
    assert known - ABSTRACT == METHODS.keys()


@pytest.mark.filterwarnings("ignore:completeness fails")  # of few points
@pytest.mark.parametrize("framework", WRAPPERS)
@pytest.mark.parametrize("method", METHODS)
def test_a_file_holds_what_the_method_gave(method, framework, wrappers, tmp_path):
    if method in RULES and framework in WITHOUT_RULES:
        pytest.skip("TensorFlow has no rules")
    wrapper = wrappers[framework]
    # in C's order, as an array of a file is
    x = np.array(X.transpose(0, 3, 1, 2).tolist(), "float32") if framework == "torch" else X
    segments = t.Segments.grid(3, channel_axis=1 if framework == "torch" else 3)
    result = METHODS[method](wrapper, x, segments).explain(x)
    result.save(tmp_path / "x.safetensors", wrapper)
    found = load_result(tmp_path / "x.safetensors")
    assert found == result
    assert found.method["name"] == method
    assert repr(found) == repr(result)
    replay = found.replay(wrapper)
    assert replay.exact, replay
    assert not replay.differs

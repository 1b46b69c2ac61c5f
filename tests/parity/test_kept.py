"""Results of every framework in files: opened as they were, and computed again to the bit."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from trulens_core import IntegratedGradients, PredictedClassQoI, get_model_wrapper, load_result

R = np.random.default_rng(0)
W, X = (R.normal(size=shape).astype("float32") for shape in ((4, 3), (2, 4)))


class Module(tf.Module):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable(W)

    def __call__(self, x):
        return tf.tanh(x @ self.w)


def torch_model():
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh())
    with torch.no_grad():
        model[0].weight.copy_(torch.from_numpy(W.T))
        model[0].bias.zero_()
    return model, torch.from_numpy(X)


def jax_model():
    wrapper = get_model_wrapper(lambda p, x: jnp.tanh(x @ p), backend="jax", params=jnp.asarray(W))
    return wrapper, jax.device_put(X)


def keras_model():
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, "tanh")])
    model.set_weights([W, np.zeros(3)])
    return model, tf.constant(X)


MODELS = {
    "torch": torch_model,
    "jax": jax_model,
    "tensorflow": lambda: (Module(), tf.constant(X)),
    "keras": keras_model,
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """By framework the result, what its file gave, and the model."""
    found = {}
    for name, make in MODELS.items():
        model, x = make()
        result = IntegratedGradients(model, qoi=PredictedClassQoI(), resolution=5).explain(x)
        path = tmp_path_factory.mktemp("kept") / f"{name}.safetensors"
        result.save(path, model)
        found[name] = result, load_result(path), model
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_file_gives_the_result_and_the_same_again(name, loaded):
    result, found, model = loaded[name]
    assert not isinstance(result.attributions, np.ndarray)
    assert found == result.numpy()
    replay = found.replay(model)
    assert replay.exact, replay
    assert not replay.differs, replay
    sizes = {"torch": 2, "jax": 1, "tensorflow": 1, "keras": 2}
    assert len(found.fingerprints["weights"]) == sizes[name]


@pytest.mark.parametrize("name", [n for n in MODELS if n != "torch"])
def test_another_framework_computes_the_same(name, loaded):
    """The recipe of one framework's result, asked of another's model."""
    _, found, _ = loaded["torch"]
    replay = found.replay(loaded[name][2])
    assert replay.same, replay
    assert replay.change < 1e-5

"""Runs over data sets on every framework: the numbers of its own loop, and gone on with."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.utils.data import DataLoader, TensorDataset

from trulens_core import (
    Cut,
    IntegratedGradients,
    InternalInfluence,
    ResumeError,
    explain_dataset,
    get_model_wrapper,
    open_run,
)

R = np.random.default_rng(0)
W, X = (R.normal(size=shape).astype("float32") for shape in ((4, 3), (36, 4)))
Y = np.arange(36) % 3
SIZE = 8


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
    data = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return model, DataLoader(data, batch_size=SIZE, shuffle=False)


def jax_model():
    wrapper = get_model_wrapper(lambda p, x: jnp.tanh(x @ p), backend="jax", params=jnp.asarray(W))
    return wrapper, [(jax.device_put(X[i : i + SIZE]), Y[i : i + SIZE]) for i in range(0, 36, SIZE)]


def tf_data():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(SIZE)


def keras_model():
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, "tanh")])
    model.layers[0].set_weights([W, np.zeros(3, "float32")])
    return model, tf_data()


def tf_model():
    return Module(), tf_data()


MODELS = {"torch": torch_model, "jax": jax_model, "keras": keras_model, "tensorflow": tf_model}


def method(model):
    return IntegratedGradients(model, qoi="predicted", resolution=8, rule="gauss-legendre")


@pytest.mark.parametrize("framework", MODELS)
def test_its_data_loader(tmp_path, framework):
    model, data = MODELS[framework]()
    of, out = method(model), tmp_path / "run.zarr"
    options = {"inputs": lambda b: b[0], "labels": lambda b: b[1], "shard": SIZE}
    explain_dataset(of, data, out, rank=0, world_size=2, **options)
    assert open_run(out).done == 20
    run = explain_dataset(of, data, out, **options)
    assert run.complete
    wanted = [of.explain(b[0]).numpy() for b in data]
    for name in ("attributions", "quantity", "residual", "target"):
        values = np.concatenate([getattr(r, name) for r in wanted])
        assert np.array_equal(getattr(run[:], name), values)
    assert np.array_equal(run.marks("label"), Y)
    assert run[3].replay(model, X[3:4])


@pytest.mark.parametrize("framework", MODELS)
def test_numbers_are_those_of_numpy_rows(tmp_path, framework):
    model, _ = MODELS[framework]()
    run = explain_dataset(method(model), X, tmp_path / "run.zarr", batch_size=SIZE)
    wanted = method(torch_model()[0]).attributions(X)
    assert np.abs(run[:].attributions - wanted).max() < 1e-6


@pytest.mark.parametrize("framework", ["torch", "keras", "tensorflow"])
def test_other_weights_are_refused(tmp_path, framework):
    model, data = MODELS[framework]()
    out = tmp_path / "run.zarr"
    explain_dataset(method(model), data, out, inputs=lambda b: b[0])
    if framework == "torch":
        with torch.no_grad():
            model[0].weight[0, 0] += 1e-6
    else:
        weight = model.w if framework == "tensorflow" else model.layers[0].kernel
        weight.assign_add(np.eye(4, 3, dtype="float32") * 1e-6)
    with pytest.raises(ResumeError, match=r"1 of \d weights are others: "):
        explain_dataset(method(model), data, out, inputs=lambda b: b[0])


def test_a_loader_that_shuffles_is_refused(tmp_path):
    model, _ = torch_model()
    data = DataLoader(TensorDataset(torch.from_numpy(X)), batch_size=SIZE, shuffle=True)
    with pytest.raises(ValueError, match="this data loader shuffles"):
        explain_dataset(method(model), data, tmp_path / "run.zarr", inputs=lambda b: b[0])
    shuffled = tf_data().shuffle(100, seed=1)
    model, _ = tf_model()
    out = tmp_path / "tf.zarr"
    options = {"inputs": lambda b: b[0], "shard": SIZE}
    explain_dataset(method(model), shuffled, out, rank=0, world_size=2, **options)
    with pytest.raises(ResumeError, match="same data in the same order"):
        explain_dataset(method(model), shuffled, out, **options)


def test_time_major_layers_have_their_records_first_on_the_disk(tmp_path):
    class Steps(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = torch.nn.RNN(4, 5)

        def forward(self, x):
            return self.rnn(x.transpose(0, 1))[0][-1]

    torch.manual_seed(0)
    of = InternalInfluence(
        Steps(), Cut("rnn", batch_axis=1, accessor=lambda v: v[0]), "max", "point"
    )
    x = R.normal(size=(12, 6, 4)).astype("float32")
    run = explain_dataset(of, x, tmp_path / "run.zarr", batch_size=4)
    assert run.arrays["attributions"].shape == (12, 6, 5)
    whole = [of.attributions(x[i : i + 4]) for i in range(0, 12, 4)]
    assert np.array_equal(run[:].attributions, np.concatenate(whole, axis=1))

"""Models of several frameworks in one process and from many threads, as a toolkit has them."""

import concurrent.futures
import pickle
import random
import threading

import keras
import numpy as np
import pytest
import torch

from trulens_core import (
    ClassQoI,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)

X = np.random.default_rng(3).normal(size=(6, 5)).astype("float32")
THREADS, TASKS = 8, 48


def switches():
    """What is global in the frameworks."""
    return {
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "cuDNN": (torch.backends.cudnn.enabled, torch.backends.cudnn.deterministic),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "anomalies": torch.is_anomaly_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "dtype": (torch.get_default_dtype(), keras.config.floatx()),
        "torch's generator": bytes(torch.get_rng_state().tolist()),
        "NumPy's generator": repr(np.random.get_state(legacy=False)),  # noqa: NPY002
        "Python's generator": random.getstate(),
        "NumPy's errors": np.geterr(),
        "policy": keras.config.dtype_policy().name,
        "layout": keras.config.image_data_format(),
        "framework": keras.config.backend(),
        "traceback filtering": keras.config.is_traceback_filtering_enabled(),
        "threads": (torch.get_num_threads(), threading.active_count()),
    }


@pytest.fixture(scope="module")
def keras_model():
    keras.utils.set_random_seed(0)
    parts = [keras.layers.Dense(4, "tanh", name="hidden"), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((5,)), *parts, keras.layers.Dense(3, name="scores")])
    model(X)
    return model


@pytest.fixture(scope="module")
def models(keras_model):
    """Two of torch, in training mode, one with attention's fast path, and one of Keras."""
    torch.manual_seed(0)
    dense = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.Dropout(0.5), torch.nn.GELU(), torch.nn.Linear(8, 3)
    )

    class Attending(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.TransformerEncoderLayer(5, 1, 7, batch_first=True)
            self.head = torch.nn.Linear(5, 3)

        def forward(self, x):
            return self.head(self.layer(x[:, None])[:, 0])

    return {"dense": dense, "attending": Attending(), "keras": keras_model}


INNER = {"dense": "2", "attending": "layer", "keras": "hidden"}


def explained(wrappers, i):
    """One of several questions about one of the models."""
    name = list(wrappers)[i % 3]
    wrapper, qoi = wrappers[name], ClassQoI(i % 2)
    if i % 4 < 2:
        return IntegratedGradients(wrapper, resolution=5, qoi=qoi, rebatch_size=7).attributions(X)
    cut = INNER[name]
    return InternalInfluence(wrapper, cut, qoi, LinearDoi(0.1, 3, cut=cut)).attributions(X)


@pytest.mark.parametrize("sharing", ["one wrapper", "a wrapper each"])
def test_eight_threads_at_once(models, sharing):
    """They give the serial numbers, and leave every switch as it was."""
    wrappers = {name: get_model_wrapper(model) for name, model in models.items()}
    serial = [explained(wrappers, i) for i in range(12)]
    modes = [m.training for name in ("dense", "attending") for m in models[name].modules()]
    before, start = switches(), threading.Barrier(THREADS)

    def work(thread):
        own = wrappers
        if sharing == "a wrapper each":
            own = {name: get_model_wrapper(model) for name, model in models.items()}
        start.wait(60)
        return [(i, explained(own, i % 12)) for i in range(thread, TASKS, THREADS)]

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        found = [pair for pairs in pool.map(work, range(THREADS)) for pair in pairs]
    assert len(found) == TASKS
    for i, result in found:
        assert np.abs(result - serial[i % 12]).max() <= 1e-6 * np.abs(serial[i % 12]).max()
    assert switches() == before
    assert modes == [m.training for n in ("dense", "attending") for m in models[n].modules()]


@pytest.mark.parametrize("name", ["dense", "keras"])
def test_methods_and_results_are_pickled(models, name):
    """With the model, where the model is: as processes send them to one another."""
    method = IntegratedGradients(models[name], resolution=4, qoi=ClassQoI([0, 1, 2, 0, 1, 2]))
    result = method.explain(X)
    other = pickle.loads(pickle.dumps(method))
    assert (other.explain(X).attributions == result.attributions).all()
    again = pickle.loads(pickle.dumps(result))
    assert (again.attributions == result.attributions).all()
    assert (again.residual == result.residual).all()
    assert (again.n_points == result.n_points).all()

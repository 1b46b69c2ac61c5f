"""Weights and inputs on several devices, in a process whose CPU counts as two."""

import subprocess
import sys

CODE = """
import os
os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=2"
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from trulens_core import ClassQoI, GaussianDoi, IntegratedGradients, InternalInfluence
from trulens_core import LinearDoi, get_model_wrapper
from trulens_jax import tap

first, second = jax.devices()
mesh = Mesh(np.array(jax.devices()), ("devices",))
sharded = lambda *axes: NamedSharding(mesh, P(*axes))
weights = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
x = np.random.default_rng(1).normal(size=(4, 4)).astype("float32")

def answers(w, x):
    model = get_model_wrapper(
        lambda w, x: tap(jnp.tanh(x @ w), "h") ** 2, backend="jax", params=w
    )
    baseline = np.ones((1, 2), "float32")
    path = LinearDoi(baseline, 5, cut="h")
    yield IntegratedGradients(model, resolution=7).attributions(x)
    yield InternalInfluence(model, "h", ClassQoI([0, 1, 0, 1]), path).attributions(x)
    yield InternalInfluence(model, "h", lambda y: y[:, 0], GaussianDoi(0.1, 5)).attributions(x)

expected = list(answers(weights, x))
for at in (second, sharded(None, "devices"), sharded()):
    for given in (x, jax.device_put(x, first), jax.device_put(x, sharded("devices")), jnp.array(x)):
        for a, b in zip(answers(jax.device_put(weights, at), given), expected):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
            if isinstance(given, jax.Array):
                assert a.devices() == given.devices(), (at, given.sharding, a.sharding)

ids = jnp.array([0, 3, 1])  # no float among the inputs: results go where the ids are
words = get_model_wrapper(
    lambda w, ids: tap(w[ids], "h") ** 2, backend="jax", params=jax.device_put(weights, second)
)
for device in (first, second):
    found = InternalInfluence(words, "h", 0, "point").attributions(jax.device_put(ids, device))
    assert found.devices() == {device}, found.devices()
"""


def test_inputs_go_to_the_weights_and_results_come_back():
    subprocess.run([sys.executable, "-W", "error", "-c", CODE], check=True)

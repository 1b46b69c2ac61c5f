"""Without eager execution, where the weights of models are in a session."""

import os
import subprocess
import sys

import keras
import pytest

if keras.config.backend() != "tensorflow":
    pytest.skip("graphs are TensorFlow's", allow_module_level=True)
pytest.importorskip("tf_keras")

SWITCHED_OFF = """
import numpy as np, tensorflow as tf
v1 = tf.compat.v1
v1.disable_eager_execution()
from trulens_core import InternalInfluence, LinearDoi, UnsupportedModelError, get_model_wrapper
import keras as keras3
import tf_keras as keras

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
QUANTITIES = [(1, lambda y: y[:, 1]), ("max", lambda y: tf.reduce_max(y, 1))]
QUANTITIES.append((lambda y: y[:, 0] ** 2,) * 2)

def check(wrapper, x, y, session):
    for qoi, by_hand in QUANTITIES:
        found = InternalInfluence(wrapper, (0, None), qoi, "point", False).attributions(X)
        expected = session.run(v1.gradients(by_hand(y), x)[0], {x: X})
        assert found.shape == X.shape
        assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()

x = v1.placeholder(tf.float32, [None, 4], name="x")
w = v1.get_variable("w", initializer=X[:, :4].T[:, :3])
y = tf.tanh(x @ w)
with v1.Session() as session:
    session.run(v1.global_variables_initializer())
    graph = session.graph
    wrapper = get_model_wrapper(graph, input_tensors=x, output_tensors=y, session=session)
    check(wrapper, x, y, session)
print("plain graph")

def told(model, what):
    try:
        get_model_wrapper(model)
    except UnsupportedModelError as error:
        assert what in str(error), error
        print("told")

def built(keras):
    first = keras.layers.Dense(5, activation="tanh")
    return keras.Sequential(
        [keras.Input((4,)), first, keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    )

told(built(keras3), "build the model in eager mode")
model = built(keras)
told(model, "tf.compat.v1.keras.backend.get_session()")
session = v1.keras.backend.get_session()
wrapper = get_model_wrapper(
    session.graph, input_tensors=model.inputs, output_tensors=model.outputs, session=session
)
assert np.allclose(wrapper(X), model.predict(X, verbose=0), atol=1e-6)
check(wrapper, model.inputs[0], model.outputs[0], session)
print("tf_keras")
"""


def test_eager_execution_switched_off():
    """The graph as it is, tf_keras by what the message says; in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-c", SWITCHED_OFF],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1", "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split("\n")[:4] == ["plain graph", "told", "told", "tf_keras"]

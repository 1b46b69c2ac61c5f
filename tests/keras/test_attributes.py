"""Attributes of layers that change between calls: a traced model has read them once."""

import types

import keras
import numpy as np
import pytest

from trulens_core import IntegratedGradients, get_model_wrapper
from trulens_core.testing import relative_error

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


class Scaled(keras.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.gain, self.act = 1.0, keras.ops.tanh
        self.held, self.listed = types.SimpleNamespace(scale=1.0), [1.0]

    def call(self, x):
        return self.act(x) * self.gain * self.held.scale * self.listed[0]


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    h = keras.layers.LeakyReLU(0.3, name="leaky")(Scaled(name="scaled")(x))
    return keras.Model(x, keras.layers.Dense(2, activation="tanh", name="last")(h))


CHANGES = {
    "a number": ("scaled", lambda x: setattr(x, "gain", 2.0)),
    "a function": ("scaled", lambda x: setattr(x, "act", keras.ops.sin)),
    "what an object holds": ("scaled", lambda x: setattr(x.held, "scale", 2.0)),
    "a list": ("scaled", lambda x: x.listed.__setitem__(0, 2.0)),
    "a slope": ("leaky", lambda x: setattr(x, "negative_slope", 0.1)),
    "an activation": ("last", lambda x: setattr(x, "activation", keras.activations.linear)),
}


def test_what_has_changed_is_seen(net):
    method = IntegratedGradients(get_model_wrapper(net), resolution=3, qoi=1)
    before = method.attributions(X)
    assert (method.attributions(X) == before).all()
    for name, (layer, change) in CHANGES.items():
        change(net.get_layer(layer))
        found = method.attributions(X)
        fresh = IntegratedGradients(get_model_wrapper(net), resolution=3, qoi=1).attributions(X)
        assert relative_error(found, fresh) <= 1e-6, name
        assert relative_error(found, before) > 1e-3, name
        before = found


def test_what_training_sets_is_no_change(net):
    wrapper = get_model_wrapper(net)
    method = IntegratedGradients(wrapper, resolution=3, qoi=1)
    method.attributions(X)
    kept = wrapper.revision()
    net.compile("sgd", "mse")
    net.fit(X, np.zeros((3, 2)), verbose=0)
    net.evaluate(X, np.zeros((3, 2)), verbose=0)
    net.predict(X, verbose=0)
    method.attributions(X)
    assert wrapper.revision() == kept

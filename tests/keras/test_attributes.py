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
        self.held, self.listed, self._factor = types.SimpleNamespace(scale=1.0), [1.0], 1.0
        self.pair = (1.0, [1.0])

    def call(self, x):
        scale = self.gain * self.held.scale * self.listed[0] * self._factor * self.pair[1][0]
        return self.act(x) * scale


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
    "a list in a tuple": ("scaled", lambda x: x.pair[1].__setitem__(0, 0.5)),
    "a number of its own": ("scaled", lambda x: setattr(x, "_factor", 0.5)),
    "the types": ("last", lambda x: setattr(x, "dtype_policy", "mixed_bfloat16")),
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


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf_keras is of TensorFlow")
def test_what_has_changed_is_seen_by_tf_keras():
    tf_keras = pytest.importorskip("tf_keras")

    class Held(tf_keras.layers.Layer):
        def __init__(self):
            super().__init__(name="held")
            self.pair, self.named, self._factor = (1.0, [1.0]), {"a": 1.0}, 1.0

        def call(self, x):
            return x * self.pair[1][0] * self.named["a"] * self._factor

    net = tf_keras.Sequential([tf_keras.Input((4,)), Held(), tf_keras.layers.Dense(2, "tanh")])
    method = IntegratedGradients(get_model_wrapper(net), resolution=3, qoi=1)
    method.attributions(X)
    held = net.get_layer("held")
    for change in (
        lambda: held.pair[1].__setitem__(0, 2.0),
        lambda: held.named.__setitem__("a", 2.0),
        lambda: setattr(held, "_factor", 0.1),
    ):
        change()
        fresh = IntegratedGradients(get_model_wrapper(net), resolution=3, qoi=1).attributions(X)
        assert relative_error(method.attributions(X), fresh) <= 1e-6


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


def switched(kind, own):
    """A model of Keras or tf_keras whose rows see one another where a variable says so, and it."""
    import tensorflow as tf

    class Switched(kind.layers.Layer):
        def build(self, shape):
            weight = {"shape": (), "dtype": "bool", "initializer": "zeros", "trainable": False}
            self.on = self.add_weight(**weight) if own else tf.Variable(False, trainable=False)
            self.built = True

        def call(self, x):
            on = tf.convert_to_tensor(self.on)
            return tf.cond(on, lambda: x * tf.reduce_mean(x, 0, keepdims=True), lambda: x)

    kind.utils.set_random_seed(0)
    layer = Switched()
    return kind.Sequential([kind.Input((4,)), layer, kind.layers.Dense(2, "tanh")]), layer


@pytest.mark.filterwarnings("ignore:.*rows see one another")
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="switches of TensorFlow")
@pytest.mark.parametrize("own", [True, False], ids=["a weight", "a variable"])
@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_a_switch_in_a_variable_is_seen(name, own):
    import tensorflow as tf

    model, layer = switched(pytest.importorskip(name), own)
    method = IntegratedGradients(get_model_wrapper(model), resolution=3, qoi=1)
    for on in (False, False, False, True, False, True):
        layer.on.assign(on)
        expected = np.zeros_like(X)
        for i in range(3):  # a point a pass
            point = tf.constant(X * np.float32((i + 0.5) / 3))
            with tf.GradientTape() as tape:
                tape.watch(point)
                quantity = tf.reduce_sum(model(point)[:, 1])
            expected += X * tape.gradient(quantity, point) / 3
        assert relative_error(method.attributions(X), expected) <= 1e-6, on

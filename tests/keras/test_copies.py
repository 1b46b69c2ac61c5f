"""Copies of Keras models with other weights: the model that was given stays as it is."""

import keras
import numpy as np
import pytest

from trulens_core import ClassQoI, Randomization, Saliency, UnsupportedModelError, get_model_wrapper
from trulens_core.testing import relative_error


class Twice(keras.layers.Layer):
    """A layer of the user's, which is not registered."""

    def call(self, x):
        return 2.0 * x


class Subclassed(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.hidden, self.scores = keras.layers.Dense(4), keras.layers.Dense(3)

    def call(self, x):
        return self.scores(keras.ops.tanh(self.hidden(x)))


class OfAnObject(Subclassed):
    """What Keras cannot make again: its constructor takes an object."""

    def __init__(self, thing):
        super().__init__()
        self.thing = thing


def sequential():
    names = iter(("hidden", "scores"))
    dense = [keras.layers.Dense(n, "tanh", name=next(names)) for n in (4, 3)]
    return keras.Sequential([keras.Input((5,)), dense[0], Twice(), dense[1]])


@pytest.mark.parametrize("build", [sequential, Subclassed], ids=["sequential", "subclassed"])
def test_randomization_is_of_a_copy(build):
    keras.utils.set_random_seed(0)
    model, x = build(), np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    y = np.asarray(model(x))
    before = [np.array(w) for w in model.get_weights()]
    wrapper = get_model_wrapper(model, backend="keras")
    method = Saliency(wrapper, qoi=ClassQoI(1))
    score = Randomization().score(method, x)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert score.curve.values.shape == (3, 2)
    assert score.values.max() < 0.99
    again = wrapper.with_weights({name: 0 * np.asarray(w) for name, w in wrapper.weights().items()})
    assert np.abs(np.asarray(again(x))).max() == 0.0
    assert relative_error(np.asarray(wrapper(x)), y) < 1e-6


def test_what_keras_cannot_copy_says_so():
    model = OfAnObject(object())
    model(np.zeros((1, 5), "float32"))
    with pytest.raises(UnsupportedModelError, match="no copy of the model OfAnObject"):
        get_model_wrapper(model, backend="keras").with_weights({})

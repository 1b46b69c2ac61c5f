"""Metrics of Keras models: copies with other weights, and images with their channels last."""

import keras
import numpy as np
import pytest

from trulens_core import (
    ROAD,
    ClassQoI,
    Randomization,
    Saliency,
    UnsupportedModelError,
    evaluate,
    get_model_wrapper,
)
from trulens_core.metrics.road import filled_in
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
    y = keras.ops.convert_to_numpy(model(x))
    before = [np.array(w) for w in model.get_weights()]
    wrapper = get_model_wrapper(model, backend="keras")
    method = Saliency(wrapper, qoi=ClassQoI(1))
    score = Randomization().score(method, x)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert score.curve.values.shape == (3, 2)
    assert score.values.max() < 0.99
    numbers = {n: keras.ops.convert_to_numpy(w) for n, w in wrapper.weights().items()}
    again = wrapper.with_weights({n: 0 * w for n, w in numbers.items()})
    assert np.abs(keras.ops.convert_to_numpy(again(x))).max() == 0.0
    assert relative_error(keras.ops.convert_to_numpy(wrapper(x)), y) < 1e-6


def test_what_keras_cannot_copy_says_so():
    model = OfAnObject(object())
    model(np.zeros((1, 5), "float32"))
    with pytest.raises(UnsupportedModelError, match="no copy of the model OfAnObject"):
        get_model_wrapper(model, backend="keras").with_weights({})


def test_images_with_channels_last():
    """What is filled in are the pixels that matter most, of all channels."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((6, 5, 3)), *layers, keras.layers.Dense(3)])
    x = np.random.default_rng(0).random((2, 6, 5, 3)).astype("float32")
    wrapper = get_model_wrapper(model, backend="keras")
    maps = np.random.default_rng(1).normal(size=(2, 6, 5))
    found = ROAD(wrapper, shares=[0.2], noise=0.0, qoi=ClassQoI(1)).score(maps, x)
    for image, own, value in zip(x, maps, found.values, strict=True):
        removed = own >= np.sort(own, axis=None)[-6]
        new = filled_in(np.moveaxis(image, -1, 0), removed)
        expected = model(np.moveaxis(new, 0, -1)[np.newaxis].astype("float32"))
        assert abs(value - keras.ops.convert_to_numpy(expected)[0, 1]) < 1e-5
    said = evaluate({"maps": maps}, wrapper, x, [0, 1])
    assert set(said.scores) == {"maps", "random", "edges"}

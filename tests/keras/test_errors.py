"""Bad input: each row of the table of conditions raises by its documented name."""

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import (
    Cut,
    CutError,
    InternalInfluence,
    InterventionError,
    LayerNotReachedError,
    NotConnectedError,
    NotDifferentiableError,
    QoiError,
    UnknownLayerError,
    get_model_wrapper,
)


@pytest.fixture(scope="module")
def wrapper():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([layers.Input((4,)), layers.Dense(4, name="conv")], name="block")
    spare = keras.Sequential([layers.Input((4,)), layers.Dense(4, name="dead")], name="spare")

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.block, self.spare, self.head = inner, spare, layers.Dense(3, name="head")

        def call(self, x):
            return self.head(self.block(x))

    model = Model()
    model(np.zeros((1, 4), "float32"))
    return get_model_wrapper(model)


X = np.ones((2, 4), "float32")


def explain(wrapper, source, target=None, qoi=0):
    return InternalInfluence(wrapper, (source, target), qoi, "point").attributions(X)


def test_names(wrapper):
    with pytest.raises(UnknownLayerError, match="did you mean 'block/conv'"):
        explain(wrapper, "blok/conv")
    with pytest.raises(UnknownLayerError, match="no layer 7"):
        explain(wrapper, Cut(7))
    with pytest.raises(UnknownLayerError, match="is not a layer of"):
        explain(wrapper, layers.Dense(2))
    for name in (True, None, 1.5):
        with pytest.raises(CutError):
            explain(wrapper, Cut(name))


def test_what_is_not_reached_or_not_connected(wrapper):
    with pytest.raises(LayerNotReachedError, match="was not called"):
        explain(wrapper, "spare/dead")
    with pytest.raises(LayerNotReachedError, match="called 1 time"):
        explain(wrapper, Cut("head", call=4))
    with pytest.raises(NotConnectedError, match="does not depend"):
        explain(wrapper, "head", "block/conv")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.ones((2, 5), "float32"), "shape"),
        (np.ones((2, 4, 1), "float32"), "shape"),
        (np.ones((3, 4), "float32"), "multiple"),
        ([np.ones((2, 4), "float32")] * 2, "2 were given"),
        (object(), "is a builtins.object"),
    ],
)
def test_interventions(wrapper, value, text):
    with pytest.raises(InterventionError, match=text):
        wrapper.fprop(X, doi_cut="block/conv", intervention=value)
    with pytest.raises(InterventionError, match="no intervention was given"):
        wrapper.fprop(X, doi_cut="block/conv")


def test_an_unbatched_input():
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="add the axis of the records"):
        InternalInfluence(model, 0, 0, "point").attributions(X[0])


def test_a_tensor_of_another_framework(wrapper):
    class Tensor:
        shape, dtype = (2, 4), "float32"

    with pytest.raises(TypeError, match=r"keras\.config\.backend"):
        InternalInfluence(wrapper, 0, 0, "point").attributions(Tensor())


def test_the_framework_is_that_of_the_import(wrapper, monkeypatch):
    """The environment chooses it then; what is set later has no effect, for Keras and here."""
    before = explain(wrapper, "block/conv")
    others = {"tensorflow", "torch", "jax"} - {keras.config.backend()}
    for other in others:
        monkeypatch.setenv("KERAS_BACKEND", other)
        np.testing.assert_array_equal(explain(wrapper, "block/conv"), before)
        assert get_model_wrapper(wrapper.model).backend is wrapper.backend


@pytest.mark.parametrize(
    "function", [lambda y: None, lambda y: 3.0, lambda y: y[0], lambda y: y[:, :, None]]
)
def test_quantities(wrapper, function):
    with pytest.raises(QoiError, match="rows"):
        explain(wrapper, 0, qoi=function)


def test_kinds_of_input(wrapper):
    for kind in ("float64", "float32", "float16"):
        given = InternalInfluence(wrapper, 0, 0, "point").attributions(X.astype(kind))
        assert given.dtype == kind


def test_integers_for_a_model_of_floats(wrapper):
    """They have no gradient; further inside the type is the model's."""
    whole = np.ones((2, 4), "int32")
    with pytest.raises(NotDifferentiableError, match="int32"):
        InternalInfluence(wrapper, 0, 0, "point").attributions(whole)
    found = InternalInfluence(wrapper, "block/conv", 0, "point").attributions(whole)
    np.testing.assert_array_equal(found, explain(wrapper, "block/conv"))
    assert found.dtype == "float32"

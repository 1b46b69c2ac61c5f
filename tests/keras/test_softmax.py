"""Scores before the softmax, without a change of the model."""

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import (
    CutError,
    InputAttribution,
    InternalInfluence,
    LogitCut,
    TrulensWarning,
    get_model_wrapper,
)

ENDS = {
    "dense": lambda: [layers.Dense(3, activation="softmax", name="p")],
    "activation": lambda: [layers.Dense(3), layers.Activation("softmax", name="p")],
    "softmax": lambda: [layers.Dense(3), layers.Softmax(name="p")],
}


@pytest.fixture(params=ENDS)
def model(request):
    keras.utils.set_random_seed(0)
    parts = [layers.Input((4,)), layers.Dense(5, activation="tanh"), *ENDS[request.param]()]
    return keras.Sequential(parts)


@pytest.fixture
def scores(model):
    """The scores by hand."""

    def call(t):
        for layer in model.layers[:-1]:
            t = layer(t)
        if isinstance(model.layers[-1], layers.Dense):
            t = keras.ops.matmul(t, model.layers[-1].kernel) + model.layers[-1].bias
        return t

    return call


def test_logit_layer(model, scores, gradients, value, equal, draw):
    x = draw(3, 4)
    wrapper = get_model_wrapper(model, logit_layer="p")
    equal(wrapper.logits(x), value(scores, x))
    equal(wrapper(x), value(model, x))
    equal(wrapper.probits(x), value(model, x), 1e-5)
    method = InternalInfluence(wrapper, (0, LogitCut()), 1, "point", multiply_activation=False)
    equal(method.attributions(x), gradients(lambda t: scores(t)[:, 1], x)[0])


def test_replace_softmax(model, scores, gradients, value, equal, draw):
    x, before = draw(3, 4), value(model, draw(3, 4))
    for layer in ("p", -1, model.layers[-1]):
        wrapper = get_model_wrapper(model, replace_softmax=True, softmax_layer=layer)
        equal(wrapper(x), value(scores, x))
        equal(wrapper.logits(x), value(scores, x))
    method = InputAttribution(wrapper, qoi=2, multiply_activation=False)
    equal(method.attributions(x), gradients(lambda t: scores(t)[:, 2], x)[0])
    np.testing.assert_array_equal(value(model, x), before)


def test_a_layer_without_a_softmax(value, equal, draw):
    keras.utils.set_random_seed(0)
    parts = [layers.Input((4,)), layers.Dense(3, activation="relu", name="r"), layers.Flatten()]
    model, x = keras.Sequential(parts), draw(2, 4)
    with pytest.raises(ValueError, match=r"'flatten.*' .Flatten. has no activation"):
        get_model_wrapper(model, replace_softmax=True)
    with pytest.warns(TrulensWarning, match="is relu, neither a softmax nor"):
        wrapper = get_model_wrapper(model, replace_softmax=True, softmax_layer="r")
    dense = model.layers[0]
    equal(wrapper(x), value(lambda t: keras.ops.matmul(t, dense.kernel) + dense.bias, x))
    equal(get_model_wrapper(model, logit_layer="r").logits(x), value(dense, x))


def test_no_logit_layer(draw):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3, name="end")])
    wrapper = get_model_wrapper(model)
    with pytest.raises(CutError, match="logit_layer="):
        InternalInfluence(wrapper, (0, LogitCut()), 0, "point")
    x = draw(2, 4)
    np.testing.assert_array_equal(wrapper.logits(x), wrapper(x))
    with pytest.raises(ValueError, match=r"'ends'.*did you mean 'end'"):
        InternalInfluence(get_model_wrapper(model, logit_layer="ends"), (0, LogitCut()), 0, "point")


class Doubling(layers.Layer):
    def call(self, x):
        return 2 * x


def test_a_model_at_a_path(tmp_path, draw, equal):
    x, path = draw(2, 4), tmp_path / "model.keras"
    model = keras.Sequential([layers.Input((4,)), Doubling(), layers.Dense(3, name="d")])
    model.save(path)
    given = {"Doubling": Doubling}
    for where in (path, str(path)):
        wrapper = get_model_wrapper(where, custom_objects=given)
        equal(wrapper(x), get_model_wrapper(model)(x), 1e-6)
    with pytest.raises(TypeError, match="Doubling"):
        get_model_wrapper(path)
    with pytest.raises(ValueError, match="not found"):
        get_model_wrapper(tmp_path / "other.keras")


def test_code_in_a_saved_model_is_not_run(tmp_path):
    path = tmp_path / "model.keras"
    keras.Sequential([layers.Input((4,)), layers.Lambda(lambda t: 2 * t)]).save(path)
    with pytest.raises(ValueError, match="unsafe"):
        get_model_wrapper(path)

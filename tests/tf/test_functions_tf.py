"""Functions as models on TensorFlow: the modules that they use are found and cut at."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    UnknownLayerError,
    UnsupportedModelError,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3, 4))


class Dense(tf.Module):
    def __init__(self, i, o):
        super().__init__()
        self.w = tf.Variable(RNG.standard_normal((i, o)))

    def __call__(self, x):
        return tf.tanh(x @ self.w)


class Body(tf.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = Dense(4, 5), Dense(5, 3)

    def scores(self, x):
        return self.second(self.first(x))


BODY = Body()
HEAD = Dense(5, 2)


def by_hand(x, head, at):
    """Gradients of score 1 at the input, or at the first layer."""
    z = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(z)
        h = BODY.first(z)
        tape.watch(h)
        y = head(h)[:, 1]
    return tape.gradient(y, h if at == "first" else z).numpy()


def closure(head):
    return lambda x: head(BODY.first(x))


CASES = {
    "a bound method": (BODY.scores, BODY.second, "model.first"),
    "global names": (lambda x: HEAD(BODY.first(x)), HEAD, "BODY.first"),
    "a closure": (closure(HEAD), HEAD, "BODY.first"),
}


@pytest.mark.parametrize("case", CASES)
def test_gradients_at_the_input_and_at_a_layer(case):
    f, head, layer = CASES[case]
    wrapper = get_model_wrapper(f, backend="tensorflow")
    assert wrapper.parameters == ("x",)
    found = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(X)
    assert relative_error(found, by_hand(X, head, "input")) < 1e-12
    at = InternalInfluence(wrapper, layer, 1, "point", multiply_activation=False)
    assert relative_error(at.attributions(X), by_hand(X, head, "first")) < 1e-12


def test_a_function_without_modules_is_complete():
    w = tf.constant(RNG.standard_normal((4, 2)))
    wrapper = get_model_wrapper(lambda x: tf.sin(x @ w), backend="tf")
    result = IntegratedGradients(wrapper, qoi=0, resolution=300).explain(X)
    assert abs(result.residual).max() < 1e-3


def test_modules_by_name():
    inside = [[[[[[HEAD]]]]]]
    f = lambda x: inside[0][0][0][0][0][0](x[:, :4] @ np.eye(4, 5))
    wrapper = get_model_wrapper(f, backend="tensorflow", layers={"head": HEAD})
    assert wrapper.fprop(X, to_cut="head").shape == (3, 2)
    with pytest.raises(UnknownLayerError, match="head"):
        wrapper.fprop(X, to_cut="haed")
    with pytest.raises(UnsupportedModelError, match=r"layers= takes a Module.* found in it a int"):
        get_model_wrapper(f, backend="tensorflow", layers=[1])

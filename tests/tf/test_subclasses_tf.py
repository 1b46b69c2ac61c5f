"""Subclasses of standard parts in traced steps, against a tape; and gradients of zeros."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    ComparativeQoI,
    InputAttribution,
    InternalChannelQoI,
    LinearDoi,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5))


class Net(tf.Module):
    def __init__(self):
        super().__init__()
        self.w, self.v = (tf.Variable(RNG.normal(size=s)) for s in ((5, 8), (8, 3)))

    def __call__(self, x):
        return tf.tanh(x @ self.w) @ self.v


NET = Net()


def gradient(quantity, x=X):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(quantity(NET(x)))
    return tape.gradient(total, x).numpy()


@pytest.fixture(scope="module")
def wrapper():
    return get_model_wrapper(NET)


@pytest.mark.parametrize("power", [2, 3, 1])
@pytest.mark.parametrize("channel", [0, 2])
def test_quantities_of_one_kind_and_other_calls(wrapper, power, channel):
    """They differ in their class alone, which every key must tell apart."""

    class Power(InternalChannelQoI):
        def __call__(self, y):
            return super().__call__(y) ** power

    class Ratio(ComparativeQoI):
        def __call__(self, y):
            return y[:, channel] ** power / (1 + y[:, 1] ** 2) + 0.0 * super().__call__(y)

    def of(qoi):
        return InputAttribution(wrapper, qoi=qoi, multiply_activation=False).attributions(X)

    found = of(Power(channel))
    assert relative_error(found, gradient(lambda y: y[:, channel] ** power)) <= 1e-10
    found = of(Ratio(0, 1))
    expected = gradient(lambda y: y[:, channel] ** power / (1 + y[:, 1] ** 2))
    assert relative_error(found, expected) <= 1e-10
    assert relative_error(of(2 * Ratio(0, 1)), 2 * expected) <= 1e-10


def test_a_line_of_other_points(wrapper):
    class Shifted(LinearDoi):
        def __call__(self, z):
            return [p + 0.5 for p in super().__call__(z)]

    method = InputAttribution(wrapper, None, 1, None, Shifted(0.1, 3), False)
    points = [a * X + (1 - a) * 0.1 + 0.5 for a in (1.0, 0.5, 0.0)]
    expected = sum(gradient(lambda y: y[:, 1], p) for p in points) / 3
    assert relative_error(method.attributions(X), expected) <= 1e-10


def test_zeros_are_said(wrapper):
    with pytest.warns(TrulensWarning, match="zero everywhere"):
        InputAttribution(wrapper, qoi=lambda y: 0.0 * y[:, 0]).attributions(X)

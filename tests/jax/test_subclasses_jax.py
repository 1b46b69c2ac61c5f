"""Subclasses of standard parts in traced steps, against jax.grad; and gradients of zeros."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
W, V = (RNG.normal(size=s) / 2 for s in ((5, 8), (8, 3)))
X = RNG.normal(size=(4, 5))


def net(x):
    return jnp.tanh(x @ W) @ V


def gradient(quantity, x=X):
    return np.asarray(jax.grad(lambda z: quantity(net(z)).sum())(x))


@pytest.fixture
def wrapper(x64):
    return get_model_wrapper(net, backend="JAX")


@pytest.mark.parametrize("power", [2, 3, 1])
@pytest.mark.parametrize("channel", [0, 2])
def test_quantities_of_one_kind_and_other_calls(wrapper, power, channel):
    """They differ in their class alone, which every key must tell apart."""

    class Power(InternalChannelQoI):
        def __call__(self, y):
            return super().__call__(y) ** power

    class Ratio(ComparativeQoI):
        def __call__(self, y):
            return y[:, channel] ** power / (1 + y[:, 1] ** 2) + 0 * super().__call__(y)

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
        InputAttribution(wrapper, qoi=lambda y: 0 * y[:, 0]).attributions(X)
    off = get_model_wrapper(lambda x: jax.nn.relu(-1 - net(x) ** 2), backend="jax")
    with pytest.warns(TrulensWarning, match="zero everywhere"):
        InputAttribution(off, qoi=0).attributions(X)

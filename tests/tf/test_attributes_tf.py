"""Attributes of modules that change between calls: a traced model has read them once."""

import types
import warnings

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    TrulensWarning,
    get_model_wrapper,
)

X = np.random.default_rng(0).normal(size=(3, 4))


class Act(tf.Module):
    def __init__(self, slope=1.0):
        super().__init__()
        self._slope, self.listed = slope, [1.0]

    def __call__(self, x):
        return tf.tanh(self._slope * x) * self.listed[0]


class Net(tf.Module):
    def __init__(self):
        super().__init__()
        draw = np.random.default_rng(1)
        self.first = tf.Variable(draw.normal(size=(4, 5)))
        self.hidden = Act()
        self.second = tf.Variable(draw.normal(size=(5, 3)))
        self.held = types.SimpleNamespace(scale=1.0)
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return tf.tanh(self.hidden(x @ self.first) @ self.second) * self.held.scale


CHANGES = {
    "a variable": lambda net: setattr(net, "first", tf.Variable(2 * net.first)),
    "a module": lambda net: setattr(net, "hidden", Act(0.3)),
    "a private number": lambda net: setattr(net.hidden, "_slope", 0.3),
    "a list": lambda net: net.hidden.listed.__setitem__(0, 2.0),
    "what an object holds": lambda net: setattr(net.held, "scale", 2.0),
}


def methods(model):
    doi = LinearDoi(resolution=4, cut="hidden")
    ig = IntegratedGradients(model, resolution=4)
    return [ig, InternalInfluence(model, "hidden", "max", doi)]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_module_is_followed(change):
    net = Net()
    asked = methods(get_model_wrapper(net))
    before = [[m.attributions(X) for _ in range(4)][-1] for m in asked]
    CHANGES[change](net)
    found = [m.attributions(X) for m in asked]
    expected = [m.attributions(X) for m in methods(get_model_wrapper(net))]
    for was, now, fresh in zip(before, found, expected, strict=True):
        np.testing.assert_allclose(now, fresh, rtol=1e-12)
        assert np.abs(now - was).max() > 1e-3


def test_calls_change_nothing():
    wrapper = get_model_wrapper(Net())
    asked = methods(wrapper)
    for _ in range(4):
        [m.attributions(X) for m in asked]
    assert wrapper.revision() == 0


def unmixed(h):
    return h


def mixed(h):
    return h * tf.reduce_mean(h, 0, keepdims=True)


KINDS = {
    "a truth value": (False, True),
    "a vector of one": ([False], [True]),
    "a string": ("apart", "mixed"),
}


class Switched(tf.Module):
    """Rows see one another where a variable says so."""

    def __init__(self, off, on):
        super().__init__()
        self.weights = tf.Variable(np.linspace(-1, 1, 6).reshape(3, 2))
        self.switch, self.on = tf.Variable(off, trainable=False), on

    def __call__(self, x):
        on = tf.reduce_all(self.switch == tf.constant(self.on))
        h = tf.tanh(x)
        return tf.cond(on, lambda: mixed(h), lambda: unmixed(h)) @ self.weights


def graph(model):
    function = tf.function(model)
    return function.get_concrete_function(tf.TensorSpec([None, 3], tf.float64))


@pytest.mark.parametrize("wrapped", [get_model_wrapper, lambda m: get_model_wrapper(graph(m))])
@pytest.mark.parametrize("kind", KINDS)
def test_a_switch_in_a_variable_is_seen(kind, wrapped):
    values = KINDS[kind]
    model, x = Switched(*values), tf.constant(np.linspace(-1, 2, 6).reshape(2, 3))
    method = IntegratedGradients(wrapped(model), resolution=4, qoi=1)
    for on in (False, False, False, True, False, True):
        model.switch.assign(values[on])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrulensWarning)  # rows see one another
            found = method.attributions(x)
        expected = tf.zeros_like(x)
        for i in range(4):  # a point a pass
            point = x * (i + 0.5) / 4
            with tf.GradientTape() as tape:
                tape.watch(point)
                quantity = tf.reduce_sum(model(point)[:, 1])
            expected += x * tape.gradient(quantity, point) / 4
        np.testing.assert_allclose(found, expected, rtol=1e-10, err_msg=str(on))


def test_a_counter_that_a_model_writes_is_no_change():
    class Counting(Net):
        def __init__(self):
            super().__init__()
            self.count = tf.Variable(0, trainable=False)

        def __call__(self, x):
            self.count.assign_add(1)
            return super().__call__(x)

    wrapper = get_model_wrapper(Counting())
    asked = methods(wrapper)
    for _ in range(4):
        [m.attributions(X) for m in asked]
    assert wrapper.revision() == 0

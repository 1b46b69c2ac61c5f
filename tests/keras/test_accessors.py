"""An accessor of the target cut that computes is run outside of what is traced."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from trulens_core import (
    ClassQoI,
    Cut,
    InputAttribution,
    InternalInfluence,
    LinearDoi,
    OutputCut,
    get_model_wrapper,
)

LIMIT = 1e-5  # float32
SCALE = [1.0]


class Counting(layers.Layer):
    """Counts how often Python runs it: once in a plain call, once in a trace."""

    runs = 0

    def call(self, x):
        type(self).runs += 1
        return x


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    x = layers.Input((4,))
    h = layers.Dense(6, activation="tanh", name="h")(Counting()(x))
    first, second = layers.Dense(3, name="a")(h), layers.Dense(3, name="b")(h)
    model = keras.Model(x, {"a": first, "b": second, "best": ops.argmax(first, 1)})
    Counting.runs = 0
    return model


def chosen(c):
    """Twenty accessors of two heads and integers."""
    kinds = (
        lambda v: v["a"] * (c + 2.0) + v["b"],
        lambda v: ops.softmax(v["a"] * (c + 1.0), axis=1) * v["b"],
        lambda v: v["b"] * ops.expand_dims(ops.cast(v["best"], "float32"), 1) + v["a"] ** 2,
    )
    return kinds[c % 3]


@pytest.mark.parametrize("mine", [False, True])
def test_twenty_accessors_trace_the_model_once(model, draw, equal, gradients, framework, mine):
    q = (lambda y: ops.sum(y**3, 1)) if mine else ClassQoI(1)
    wrapper, x, runs, plain = get_model_wrapper(model), draw(3, 4), [], q if mine else _second
    for c in range(20):
        cut, line = OutputCut(accessor=chosen(c)), LinearDoi(resolution=2)
        found = InternalInfluence(wrapper, (0, cut), q, line, False).attributions(x)
        runs.append(Counting.runs)
        if c < 6:
            both = [
                gradients(lambda t, c=c: plain(chosen(c)(model(t))), np.float32(s) * x)[0]
                for s in (1, 0)
            ]
            equal(found, sum(both) / 2, LIMIT)
            Counting.runs = runs[-1]
    assert framework == "torch" or set(runs) == {2}


def _second(y):
    return y[:, 1]


def test_what_it_reads_elsewhere_traces_nothing(model, draw, equal, gradients, framework):
    """At the output of a layer, and between an inner layer and the model's output."""
    x = draw(3, 4)
    for source, target in ((0, "a"), ("h", "b")):
        wrapper, runs = get_model_wrapper(model), []
        cut = Cut(target, accessor=lambda y: ops.tanh(y * SCALE[0]))
        method = InternalInfluence(wrapper, (source, cut), 1, "point", False)
        rest = keras.Model(model.input, model.get_layer(target).output)
        for scale in (1.0, -2.0, 0.5):
            SCALE[0] = scale
            found = method.attributions(x)
            runs.append(Counting.runs)
            if source == 0:
                f = lambda t, s=scale, rest=rest: ops.tanh(rest(t) * s)[:, 1]
                expected = gradients(f, x)[0]
            else:
                h = ops.convert_to_numpy(model.get_layer("h")(x))
                f = lambda t, s=scale: ops.tanh(model.get_layer("b")(t) * s)[:, 1]
                expected = gradients(f, h)[0]
            equal(found, expected, LIMIT)
            Counting.runs = runs[-1]
        assert framework == "torch" or len(set(runs)) == 1


def test_end_points_of_a_path(model, draw, equal, value):
    wrapper, x = get_model_wrapper(model), draw(3, 4)
    cut = OutputCut(accessor=lambda v: v["a"] * 3.0 + v["b"])
    result = InputAttribution(wrapper, cut, 2, None, LinearDoi(resolution=50)).explain(x)
    f = lambda t: (model(t)["a"] * 3.0 + model(t)["b"])[:, 2]
    equal(result.quantity, value(f, x), LIMIT)
    equal(result.baseline_quantity, value(f, 0 * x), LIMIT)
    equal(wrapper.fprop(x, to_cut=cut), value(lambda t: model(t)["a"] * 3.0 + model(t)["b"], x))

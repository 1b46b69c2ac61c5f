"""tf.Module, tf.function, ConcreteFunction, SavedModel and frozen graphs, cut at inner places."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from trulens_core import (
    Cut,
    InputAttribution,
    InputCut,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    NotConnectedError,
    UnknownLayerError,
    UnsupportedModelError,
    get_model_wrapper,
)

RNG = np.random.default_rng(1)
W, V = (RNG.normal(size=s).astype("float32") for s in ((4, 5), (5, 3)))
SPEC = tf.TensorSpec([None, 4], tf.float32, name="x")


class Dense(tf.Module):
    def __init__(self, w, name=None):
        super().__init__(name)
        self.w = tf.Variable(w)

    def __call__(self, x):
        return x @ self.w


class Decorated(Dense):
    @tf.function
    def __call__(self, x):
        if tf.reduce_sum(x) > 1e9:
            return x @ self.w + 1.0
        return tf.tanh(x @ self.w)


class Inlined(Dense):
    @tf.function
    def __call__(self, x):
        return tf.tanh(x @ self.w)


class Net(tf.Module):
    def __init__(self, first=Decorated):
        super().__init__()
        self.blocks = [first(W), Dense(V)]
        self.calls = tf.Variable(0.0, trainable=False)

    @tf.function(input_signature=[SPEC])
    def __call__(self, x):
        self.calls.assign_add(1.0)
        self.last = self.blocks[0](x)
        return 2.0 * self.blocks[1](self.last)


class Aliased(tf.Module):
    """Attributes out of order, one layer at two of them, and a way back to the model."""

    def __init__(self):
        super().__init__()
        self.z = Inlined(W)
        self.a = Dense(V)
        self.b = self.z
        self.back = [self]

    def __call__(self, x):
        return 2.0 * self.a(self.b(x))


def hidden(x):
    return tf.tanh(x @ W, name="h")


def scores(h):
    return 2.0 * (h @ V)


@pytest.fixture
def net():
    return Net()


def concrete():
    @tf.function(input_signature=[SPEC])
    def f(x):
        return scores(hidden(x))

    return f.get_concrete_function()


def check_all(wrapper, inner, draw, gradients, equal):
    """At the input and at the hidden value: a point, a line there, a line at the input."""
    x = draw(3, 4)
    h = hidden(x).numpy()

    def by(cuts, doi):
        return InternalInfluence(wrapper, cuts, 1, doi, multiply_activation=False)

    [to_input] = gradients(lambda t: scores(hidden(t))[:, 1], x)
    equal(by((0, None), "point").attributions(x), to_input)
    equal(by((inner, None), "point").attributions(x), gradients(lambda t: scores(t)[:, 1], h)[0])
    on_line = by((inner, None), LinearDoi(resolution=2, cut=inner)).attributions(x)
    equal(on_line, gradients(lambda t: scores(t)[:, 1], h)[0])
    [to_hidden] = gradients(lambda t: hidden(t)[:, 2], x)
    found = InternalInfluence(wrapper, (0, inner), 2, "point", multiply_activation=False)
    equal(found.attributions(x), to_hidden)
    alphas = (np.arange(4) + 0.5) / 4
    steps = [gradients(lambda t: scores(hidden(t))[:, 0], np.float32(a) * x)[0] for a in alphas]
    ig = IntegratedGradients(wrapper, resolution=4, qoi=lambda y: y[:, 0])
    equal(ig.attributions(x), x * np.mean(steps, axis=0))


def test_a_module_at_two_attributes(draw, gradients, equal):
    wrapper = get_model_wrapper(Aliased())
    assert [layer.name for layer in wrapper.layers()] == ["z", "a"]
    for inner in ("z", "b", Cut(0), wrapper.model.b):
        check_all(wrapper, inner, draw, gradients, equal)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_channels_are_where_the_graph_has_them(layout, equal):
    kernel = RNG.normal(size=(2, 2, 3, 5)).astype("float32")
    shape = [None, 6, 6, 3] if layout == "NHWC" else [None, 3, 6, 6]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
    def f(x):
        h = tf.nn.conv2d(x, kernel, 1, "VALID", data_format=layout, name="conv")
        return tf.tanh(h, name="act")

    wrapper = get_model_wrapper(f.get_concrete_function())
    assert [wrapper.channel_axis(Cut(n)) for n in ("conv", "act")] == [
        -1 if layout == "NHWC" else 1
    ] * 2
    assert wrapper.channel_axis(InputCut()) == wrapper.channel_axis(Cut(["conv", "act"]))
    if layout == "NHWC":  # TensorFlow on CPUs computes the other one only for some operations
        x = RNG.normal(size=(2, 6, 6, 3)).astype("float32")
        explained = InternalInfluence(wrapper, (0, "conv"), 4, "point").explain(x)
        value = tf.nn.conv2d(x, kernel, 1, "VALID").numpy()
        equal(explained.quantity, value[..., 4].sum((1, 2)))


def test_module(net, draw, gradients, equal):
    wrapper = get_model_wrapper(net)
    assert [layer.name for layer in wrapper.layers()] == ["blocks.0", "blocks.1"]
    check_all(wrapper, "blocks.0", draw, gradients, equal)
    check_all(wrapper, net.blocks[0], draw, gradients, equal)
    check_all(wrapper, Cut("blocks.1", anchor="in"), draw, gradients, equal)


def test_a_module_is_as_it_was(net, draw):
    net(tf.constant(draw(1, 4)))
    kinds, attributes = [type(net), type(net.blocks[0])], dict(vars(net))
    InternalInfluence(net, "blocks.0", 0, "linear").explain(draw(2, 4))
    with pytest.raises(ZeroDivisionError):
        InternalInfluence(net, "blocks.0", lambda y: 1 / 0, "point").attributions(draw(2, 4))
    assert [type(net), type(net.blocks[0])] == kinds
    assert all(vars(net)[k] is v for k, v in attributes.items())
    assert float(net.calls) == 1.0


def test_a_module_that_cannot_be_called():
    with pytest.raises(UnsupportedModelError, match="__call__"):
        get_model_wrapper(tf.Module())


def test_concrete_function(draw, gradients, equal):
    check_all(get_model_wrapper(concrete()), "h", draw, gradients, equal)


def test_function_with_a_signature(draw, gradients, equal):
    function = tf.function(lambda x: scores(hidden(x)), input_signature=[SPEC])
    check_all(get_model_wrapper(function), "h", draw, gradients, equal)


def test_function_without_a_signature(draw, gradients, equal):
    wrapper = get_model_wrapper(tf.function(lambda x: scores(hidden(x))))
    x = draw(2, 4)
    found = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(x)
    equal(found, gradients(lambda t: scores(hidden(t))[:, 1], x)[0])
    with pytest.raises(UnsupportedModelError, match="get_concrete_function"):
        InternalInfluence(wrapper, "h", 0, "point")


def test_variables_are_read_when_it_runs(net, draw):
    wrapper = get_model_wrapper(net.__call__)
    x = draw(2, 4)
    before = wrapper(x)
    net.blocks[1].w.assign(2 * net.blocks[1].w)
    np.testing.assert_allclose(wrapper(x), 2 * before, rtol=1e-6)


@pytest.mark.parametrize("how", ["path", "loaded", "signature"])
def test_saved_model(tmp_path, how, draw, gradients, equal):
    tf.saved_model.save(Net(Inlined), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    given = {"path": tmp_path, "loaded": loaded, "signature": loaded.signatures["serving_default"]}
    wrapper = get_model_wrapper(given[how])
    tanh = next(layer.name for layer in wrapper.layers() if layer.kind == "Tanh")
    check_all(wrapper, tanh, draw, gradients, equal)
    x = draw(2, 4)
    by_name = InputAttribution(wrapper, qoi=0).attributions(x=x)["x"]
    equal(by_name, InputAttribution(wrapper, qoi=0).attributions(x))


@pytest.mark.parametrize("how", ["path", "object"])
def test_frozen_graph(tmp_path, how, draw, gradients, equal):
    graph_def = convert_variables_to_constants_v2(concrete()).graph.as_graph_def()
    path = tmp_path / "frozen.pb"
    path.write_bytes(graph_def.SerializeToString())
    given = path if how == "path" else graph_def
    wrapper = get_model_wrapper(given, input_tensors="x", output_tensors=["Identity:0"])
    check_all(wrapper, "h", draw, gradients, equal)
    check_all(wrapper, "h:0", draw, gradients, equal)


def test_anchor_in_changes_what_this_operation_sees_alone(draw, gradients, equal):
    function = tf.function(
        lambda x: tf.tanh(y := tf.identity(2.0 * x, name="y"), name="t") + y, input_signature=[SPEC]
    )
    wrapper, x = get_model_wrapper(function), draw(2, 4)
    [alone] = gradients(lambda t: tf.tanh(t)[:, 0], 2 * x)
    both = InternalInfluence(wrapper, "y", 0, "point", multiply_activation=False).attributions(x)
    found = InternalInfluence(
        wrapper, Cut("t", anchor="in"), 0, "point", multiply_activation=False
    ).attributions(x)
    equal(found, alone)
    assert np.allclose(both[:, 0], alone[:, 0] + 1)


def test_names_that_are_not_there():
    wrapper = get_model_wrapper(concrete())
    with pytest.raises(UnknownLayerError, match="did you mean"):
        InternalInfluence(wrapper, "hh", 0, "point")
    with pytest.raises(UnknownLayerError, match="no layer 99"):
        InternalInfluence(wrapper, Cut(99), 0, "point")
    with pytest.raises(NotConnectedError):
        InternalInfluence(wrapper, ("Identity", "h"), 0, "point").attributions(np.ones((1, 4)))


def test_what_is_no_model():
    with pytest.raises(UnsupportedModelError, match=r"tf\.Module, a tf\.function"):
        get_model_wrapper(tf.random.Generator.from_seed(1), backend="tf")
    with pytest.raises(TypeError, match="input_tensors belong to graphs"):
        get_model_wrapper(concrete(), input_tensors=["x"])

"""ConcreteFunctions without a signature: frozen, pruned, of a frozen graph."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from trulens_core import InternalInfluence, get_model_wrapper

v1 = tf.compat.v1
RNG = np.random.default_rng(3)
W, V = (RNG.normal(size=s) for s in ((4, 5), (5, 3)))
VARIABLE = tf.Variable(W)
X, Z = RNG.normal(size=(2, 4)), RNG.normal(size=(2, 5))


def model(x, z):
    return tf.matmul(tf.tanh(x @ W) * z, V)


def traced():
    specs = [tf.TensorSpec([None, n], tf.float64, name=name) for n, name in ((4, "x"), (5, "z"))]

    @tf.function(input_signature=specs)
    def f(x, z):
        h = tf.identity(tf.tanh(x @ VARIABLE) * z, name="h")
        return tf.matmul(h, V)

    return f.get_concrete_function()


def frozen():
    return convert_variables_to_constants_v2(traced())


def wrapped():
    def build():
        x = v1.placeholder(tf.float64, [None, 4], name="x")
        z = v1.placeholder(tf.float64, [None, 5], name="z")
        w = v1.get_variable("w", initializer=W, use_resource=True)
        h = tf.multiply(tf.tanh(x @ w), z, name="h")
        tf.matmul(h, V, name="y")

    return v1.wrap_function(build, [])


def of_frozen_graph():
    graph_def = frozen().graph.as_graph_def()
    whole = v1.wrap_function(lambda: tf.import_graph_def(graph_def, name=""), [])
    return whole.prune(["x:0", "z:0"], "Identity:0")


FUNCTIONS = {
    "frozen": frozen,
    "pruned": lambda: wrapped().prune(["x:0", "z:0"], ["y:0"]),
    "pruned by a dict": lambda: wrapped().prune({"a": "x:0", "b": "z:0"}, {"out": "y:0"}),
    "of a frozen graph": of_frozen_graph,
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_inputs_are_given_by_order_or_name(kind, gradients, equal):
    wrapper = get_model_wrapper(FUNCTIONS[kind]())
    equal(wrapper(X, Z), model(X, Z).numpy(), 1e-10)
    equal(wrapper(X, z=Z), model(X, Z).numpy(), 1e-10)
    method = InternalInfluence(wrapper, (0, None), 1, "point", multiply_activation=False)
    expected = gradients(lambda x, z: model(x, z)[:, 1], X, Z)
    for a, b in zip(method.attributions(X, Z), expected, strict=True):
        equal(a, b, 1e-10)
    named = method.attributions(z=Z, x=X)
    equal(named["x"], expected[0], 1e-10)
    equal(named["z"], expected[1], 1e-10)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_inner_cuts(kind, gradients, equal):
    wrapper = get_model_wrapper(FUNCTIONS[kind]())
    method = InternalInfluence(wrapper, ("h", None), "max", "point", multiply_activation=False)
    h = (tf.tanh(X @ W) * Z).numpy()
    [by_hand] = gradients(lambda h: tf.reduce_max(h @ V, 1), h)
    equal(method.attributions(X, Z), by_hand, 1e-10)


def test_pruned_at_an_inner_tensor(gradients, equal):
    """From a layer's value on, and by a variable that is read when it runs."""
    whole = wrapped()
    after = get_model_wrapper(whole.prune("h:0", "y:0"))
    found = InternalInfluence(after, (0, None), 2, "point", False).attributions(Z)
    equal(found, gradients(lambda h: (h @ V)[:, 2], Z)[0], 1e-10)
    before = get_model_wrapper(whole.prune(["x:0", "z:0"], "h:0"))
    whole.variables[0].assign(2 * W)
    found = InternalInfluence(before, (0, None), 2, "point", False).attributions(X, Z)
    [by_hand] = gradients(lambda x: (tf.tanh(x @ (2 * W)) * Z)[:, 2], X)
    equal(found[0], by_hand, 1e-10)


@pytest.mark.parametrize(
    ("args", "named"), [((X,), {}), ((X, Z, Z), {}), ((X,), {"zz": Z}), ((), {"z": Z})]
)
@pytest.mark.parametrize("kind", ["frozen", "pruned"])
def test_what_is_missing_or_too_much_is_told(kind, args, named):
    wrapper = get_model_wrapper(FUNCTIONS[kind]())
    with pytest.raises(TypeError, match="the function takes x, z, by order or name"):
        wrapper(*args, **named)


@pytest.mark.parametrize(("args", "named"), [((X,), {}), ((X, Z, Z), {}), ((X,), {"zz": Z})])
def test_so_with_a_signature(args, named):
    with pytest.raises(TypeError, match="the function takes x, z, by order or name"):
        get_model_wrapper(traced())(*args, **named)

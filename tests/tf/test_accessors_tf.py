"""An accessor of the target cut that computes is run outside of the graphs."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    ClassQoI,
    CutError,
    InputAttribution,
    InternalInfluence,
    LinearDoi,
    NotConnectedError,
    OutputCut,
    get_model_wrapper,
)

v1 = tf.compat.v1
RNG = np.random.default_rng(0)
W, V = (RNG.normal(size=s) / 2 for s in ((4, 5), (5, 3)))
X = RNG.normal(size=(3, 4))
SCALE = [1.0]


def heads(x, w=W, v=V):
    """Two heads, integers, and what has no row per record."""
    y = tf.tanh(x @ w) @ v
    best = tf.argmax(y, 1)
    value = {"a": y, "b": tf.sin(y), "best": best, "weights": tf.convert_to_tensor(V[0])}
    return {**value, "size": tf.sqrt(tf.reduce_sum(tf.reduce_max(tf.abs(y), 1) * 0 + 1.5))}


class Net(tf.Module):
    """Counts how often Python runs it: once in a trace."""

    runs = 0

    def __init__(self, more=()):
        super().__init__()
        self.more = dict(more)
        self.w, self.v = tf.Variable(W), tf.Variable(V)

    def __call__(self, x):
        type(self).runs += 1
        held = tf.constant(2.0, "float64")
        return {**heads(x, self.w, self.v), "variable": self.v, "held": held, **self.more}


def chosen(c):
    """Twenty accessors: of two heads, of integers, of what all records share."""
    kinds = (
        lambda v: v["a"] * (c + 2.0) + v["b"],
        lambda v: tf.nn.softmax(v["a"] * (c + 1.0), axis=1) * v["weights"],
        lambda v: v["b"] * tf.cast(v["best"], "float64")[:, None] + c * v["a"] ** 2,
        lambda v: v["a"] / v["weights"] + c * v["b"] * v["a"],
    )
    return kinds[c % 4]


SETS = ("a b", "a weights", "a b weights")


def by_hand(accessor, q, alphas=(1.0,), x=X):
    total = 0
    for t in alphas:
        with tf.GradientTape() as tape:
            tape.watch(given := tf.constant(t * x))
            y = q(accessor(heads(given)))
        total = total + tape.gradient(y, given).numpy() / len(alphas)
    return total


class Session:
    """The same in a graph of TensorFlow 1; it counts its operations."""

    def __init__(self):
        with tf.Graph().as_default() as self.graph:
            x = v1.placeholder(tf.float64, [None, 4], name="x")
            found = heads(x)
            names = list(found)
        self.session = v1.Session(graph=self.graph)
        self.wrapper = get_model_wrapper(
            self.graph, input_tensors=x, output_tensors=[*found.values()], session=self.session
        )
        self.named = lambda values: dict(zip(names, values, strict=True))

    @property
    def runs(self):
        return len(self.graph.get_operations())

    def cut(self, accessor):
        return OutputCut(accessor=lambda values: accessor(self.named(values)))


class Module:
    """Counts traces."""

    def __init__(self):
        self.net, Net.runs = Net(), 0
        self.wrapper = get_model_wrapper(self.net)

    @property
    def runs(self):
        return self.net.runs

    def cut(self, accessor):
        return OutputCut(accessor=accessor)


@pytest.mark.parametrize("mine", [False, True])
@pytest.mark.parametrize("kind", [Module, Session])
def test_twenty_accessors_trace_the_model_once(kind, mine, equal):
    """Each half: the second, once for each set of tensors that the accessors are functions of."""
    q = (lambda y: tf.reduce_sum(y**3, 1)) if mine else ClassQoI(1)
    model, runs, plain = kind(), [], q if mine else (lambda y: y[:, 1])
    for c in range(20):
        line = LinearDoi(resolution=3)
        method = InternalInfluence(model.wrapper, (0, model.cut(chosen(c))), q, line, False)
        equal(method.attributions(X), by_hand(chosen(c), plain, (1.0, 0.5, 0.0)), 1e-10)
        runs.append(model.runs)
    assert len(set(runs[3:])) == 1
    assert kind is Session or runs[3:] == [1 + len(SETS)] * 17


def test_what_it_reads_elsewhere_traces_nothing(equal):
    model = Module()
    cut = OutputCut(accessor=lambda v: v["a"] * SCALE[0] + v["b"])
    method = InputAttribution(model.wrapper, cut, 1, multiply_activation=False)
    for scale in (1.0, -2.0, 7.0):
        SCALE[0] = scale
        plain = by_hand(lambda v, s=scale: v["a"] * s + v["b"], lambda y: y[:, 1])
        equal(method.attributions(X), plain, 1e-10)
    assert model.runs == 2


def test_records_points_and_what_is_shown(equal):
    """Another number of records, end points of a path, the value itself."""
    model = Module()
    cut = OutputCut(accessor=lambda v: v["a"] * 3.0 + v["b"] * v["held"])
    y = lambda v: v["a"] * 3.0 + v["b"] * 2.0
    x, line = RNG.normal(size=(7, 4)), LinearDoi(resolution=4, rule="midpoint")
    best = np.argmax(y(heads(x)).numpy(), 1)
    pick = lambda value: tf.gather(value, best, axis=1, batch_dims=1)
    result = InternalInfluence(model.wrapper, (0, cut), "predicted", line).explain(x)
    mean = by_hand(y, pick, (np.arange(4) + 0.5) / 4, x)
    equal(result.attributions, x * mean, 1e-10)
    equal(result.quantity, pick(y(heads(x))), 1e-10)
    equal(result.baseline_quantity, pick(y(heads(0 * x))), 1e-10)
    runs = []
    for c in (2.0, 3.0):
        runs.append(model.runs)
        shown = model.wrapper.fprop(x, to_cut=OutputCut(accessor=lambda v, c=c: v["a"] * c))
        equal(shown, c * heads(x)["a"], 1e-10)
    assert model.runs == runs[1] == runs[0] + 1


def test_a_number_of_all_records_is_differentiated_through(equal):
    """As it is when the accessor is part of what is traced."""

    class Scaled(tf.Module):
        def __call__(self, x):
            return {"y": tf.tanh(x @ W), "norm": tf.sqrt(tf.reduce_sum(x**2))}

    wrapper = get_model_wrapper(Scaled())
    for c in (1.0, 2.0):
        accessor = lambda v, c=c: c * v["y"] / v["norm"]
        with tf.GradientTape() as tape:
            tape.watch(given := tf.constant(X))
            q = accessor(Scaled()(given))[:, 1]
        found = InputAttribution(wrapper, OutputCut(accessor=accessor), 1, None, "point", False)
        equal(found.attributions(X), tape.gradient(q, given), 1e-10)


def test_a_value_that_holds_more_than_tensors(equal):
    """What else it holds may be another at the next call: each call sees it."""
    net = Net({"epoch": 3.0})
    wrapper = get_model_wrapper(net)
    cut = OutputCut(accessor=lambda v: v["a"] * v["epoch"])
    method = InputAttribution(wrapper, cut, 0, multiply_activation=False)
    for epoch in (3.0, 4.0, 5.0):
        net.more["epoch"] = epoch
        expected = by_hand(lambda v, e=epoch: v["a"] * e, lambda y: y[:, 0])
        equal(method.attributions(X), expected, 1e-10)
        equal(wrapper.fprop(X, to_cut=cut), epoch * heads(X)["a"], 1e-10)


def test_a_model_that_draws(equal):
    """The accessor and the derivative are of one draw: they are traced together, at each call."""

    class Drawing(tf.Module):
        def __call__(self, x):
            u = tf.random.uniform((), 1.0, 2.0, tf.float64)
            return {"y": tf.tanh(x @ W) * u, "u": u}

    wrapper = get_model_wrapper(Drawing())
    for c in (2.0, 3.0):
        accessor = lambda v, c=c: c * v["y"] / v["u"]
        expected = c * _slope(1)
        found = InputAttribution(wrapper, OutputCut(accessor=accessor), 1, None, "point", False)
        equal(found.attributions(X), expected, 1e-10)


def _slope(i):
    return (1 - np.tanh(X @ W)[:, i : i + 1] ** 2) * W[:, i]


def test_errors_are_of_the_cut_as_it_was_given():
    wrapper = Module().wrapper
    scalar = OutputCut(accessor=lambda v: v["size"] * 2.0)
    with pytest.raises(CutError, match=r"OutputCut\(accessor=<function.*has shape \(\)"):
        InputAttribution(wrapper, scalar, 0).attributions(X)
    held = OutputCut(accessor=lambda v: tf.cast(v["best"], "float64")[:, None] * 1.0)
    with pytest.raises(NotConnectedError, match=r"quantity at OutputCut\(accessor=<function"):
        InputAttribution(wrapper, held, 0).attributions(X)
    other = InputAttribution(wrapper, OutputCut(accessor=lambda v: v["other"]), 0)
    with pytest.raises(KeyError, match="other"):
        other.attributions(X)

"""An accessor of the target cut that computes is run outside of what is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Cut,
    CutError,
    InputAttribution,
    InternalInfluence,
    LinearDoi,
    NotConnectedError,
    OutputCut,
    QoI,
    get_model_wrapper,
)
from trulens_jax import tap

SCALE = [1.0]
RNG = np.random.default_rng(0)


class Net:
    """An output of two tensors, integers and what has no row per record; it counts its traces."""

    def __init__(self, more=()):
        self.traces, self._more = 0, more

    def __call__(self, p, x):
        self.traces += 1
        h = tap(jnp.tanh(x @ p["in"]), "h")
        y = h @ p["out"]
        best = jnp.argmax(y, 1)
        value = {"a": y, "b": jnp.sin(y), "best": best, "size": jnp.sqrt(jnp.sum(y**2) + 1)}
        return tap({**value, "weights": p["out"][0], **dict(self._more)}, "heads")


@pytest.fixture
def params():
    return {"in": RNG.normal(size=(5, 4)) / 2, "out": RNG.normal(size=(4, 3)) / 2}


@pytest.fixture
def net():
    return Net()


@pytest.fixture
def wrapper(net, params, x64):
    return get_model_wrapper(net, backend="jax", params=params)


def chosen(c):
    """Twenty accessors: of two heads, of integers, of what all records share."""
    kinds = (
        lambda v: v["a"] * (c + 2.0) + v["b"],
        lambda v: jax.nn.softmax(v["a"] * (c + 1.0), axis=1) * v["weights"],
        lambda v: v["b"] * v["best"][:, None] + c * v["a"] ** 2,
        lambda v: v["a"] / v["size"] + c * v["b"],
    )
    return kinds[c % 4]


def by_hand(net, params, x, accessor, q, points=(1.0,)):
    """Σ over points of the input, one evaluation each."""

    def total(z):
        return q(accessor(net(params, z))).sum()

    return sum(jax.grad(total)(jnp.asarray(t * x)) for t in points) / len(points)


@pytest.mark.parametrize("mine", [False, True])
def test_twenty_accessors_trace_the_model_once(net, wrapper, params, compiled, close, mine):
    x, traces = RNG.normal(size=(3, 5)), []
    q = (lambda y: jnp.sum(y**3, 1)) if mine else ClassQoI(1)
    alphas = (1.0, 0.0)

    def explained(c):
        cut, line = OutputCut(accessor=chosen(c)), LinearDoi(resolution=2)
        return InternalInfluence(wrapper, (0, cut), q, line, False).attributions(x)

    for c in range(20):
        found = explained(c)
        traces.append(net.traces)
        plain = q if mine else (lambda y: y[:, 1])
        if c < 4:  # one of each kind
            close(found, by_hand(Net(), params, x, chosen(c), plain, alphas), 1e-10)
    assert set(traces) == {1}
    with compiled() as names:
        for c in (1, 2):
            explained(c)
    assert names == []


def test_what_it_reads_elsewhere_compiles_nothing(net, wrapper, params, compiled, close):
    x = RNG.normal(size=(3, 5))
    cut = Cut("heads", accessor=lambda v: v["a"] * SCALE[0] + v["b"])
    method = InputAttribution(wrapper, cut, 1, multiply_activation=False)
    for i, scale in enumerate((1.0, -2.0, 7.0)):
        SCALE[0] = scale
        with compiled() as names:
            found = method.attributions(x)
        assert (names == []) == (i > 0)
        q = by_hand(Net(), params, x, lambda v, s=scale: v["a"] * s + v["b"], lambda y: y[:, 1])
        close(found, q, 1e-10)
    assert net.traces == 1


def test_at_every_cut_and_with_all_that_is_given(net, wrapper, params, close):
    """Layer gradients, several tensors, quantities bound to records, end points, arrays."""
    x = RNG.normal(size=(4, 5))
    h = np.tanh(x @ params["in"])
    rest = lambda z: {"a": z @ params["out"], "b": jnp.sin(z @ params["out"])}
    both = OutputCut(accessor=lambda v: [v["a"] * 3.0, v["b"] ** 2])
    q = lambda y: y[0][:, 0] * y[1][:, 1]
    found = InternalInfluence(wrapper, ("h", both), q, "point", False).attributions(x)
    plain = lambda z: (3.0 * rest(z)["a"][:, 0] * rest(z)["b"][:, 1] ** 2).sum()
    close(found, jax.grad(plain)(h), 1e-10)

    cut = OutputCut(accessor=lambda v: v["a"] * 3.0 + v["b"])
    y = lambda z: rest(z)["a"] * 3.0 + rest(z)["b"]
    best = np.argmax(y(h), 1)
    line = LinearDoi(resolution=4, cut="h", rule="midpoint")
    result = InternalInfluence(wrapper, ("h", cut), "predicted", line).explain(x)
    alphas = (np.arange(4) + 0.5) / 4
    pick = lambda z: y(z)[jnp.arange(4), best]
    mean = sum(jax.grad(lambda z: pick(z).sum())(jnp.asarray(t * h)) for t in alphas) / 4
    close(result.attributions, h * mean, 1e-10)
    close(result.quantity, pick(h), 1e-10)
    close(result.baseline_quantity, pick(0 * h), 1e-10)

    class Scaled(QoI):
        arrays = ("scales",)
        scales = np.array([1.0, -2.0, 3.0, 0.5])

        def __call__(self, y):
            return y[:, 0] * self.scales

    found = InternalInfluence(wrapper, ("h", cut), Scaled(), line, False).attributions(x)
    plain = lambda z: (y(z)[:, 0] * Scaled.scales).sum()
    close(found, sum(jax.grad(plain)(jnp.asarray(t * h)) for t in alphas) / 4, 1e-10)
    assert net.traces == 1


def test_values_are_shown_without_compiling(net, wrapper, params, compiled, close):
    x = RNG.normal(size=(3, 5))
    for i, c in enumerate((2.0, 3.0, 4.0)):
        cut = OutputCut(accessor=lambda v, c=c: [v["a"] * c, v["size"]])
        with compiled() as names:
            found, size = wrapper.fprop(x, to_cut=cut)
        assert (names == []) == (i > 0)
        expected = Net()(params, x)
        close(found, c * expected["a"], 1e-10)
        close(size, expected["size"], 1e-10)


def test_a_value_that_holds_more_than_tensors(params, x64, close):
    """What else it holds may be another at the next call: the accessor is compiled each time."""
    net = Net({"epoch": 3})
    wrapper, x = get_model_wrapper(net, backend="jax", params=params), RNG.normal(size=(3, 5))
    for c in (2.0, 3.0):
        cut = OutputCut(accessor=lambda v, c=c: v["a"] * (c * v["epoch"]))
        found = InputAttribution(wrapper, cut, 0, multiply_activation=False).attributions(x)
        expected = by_hand(Net(), params, x, lambda v, c=c: v["a"] * 3.0 * c, lambda y: y[:, 0])
        close(found, expected, 1e-10)


def test_complex_numbers_are_differentiated_through(params, x64, close):
    def net(p, x):
        return {"z": jnp.fft.fft(x @ p["in"], axis=1), "y": x}

    wrapper, x = get_model_wrapper(net, backend="jax", params=params), RNG.normal(size=(3, 5))
    for c in (2.0, 3.0):
        accessor = lambda v, c=c: c * jnp.abs(v["z"]) ** 2 + v["y"][:, :4]
        method = InputAttribution(wrapper, OutputCut(accessor=accessor), 1, None, "point", False)
        expected = by_hand(net, params, x, accessor, lambda y: y[:, 1])
        close(method.attributions(x), expected, 1e-10)


def test_errors_are_of_the_cut_as_it_was_given(wrapper):
    x = RNG.normal(size=(3, 5))
    scalar = OutputCut(accessor=lambda v: v["size"] * 2.0)
    with pytest.raises(CutError, match=r"OutputCut\(accessor=<function.*has shape \(\)"):
        InputAttribution(wrapper, scalar, 0).attributions(x)
    held = OutputCut(accessor=lambda v: jnp.zeros_like(v["a"]) + v["best"][:, None])
    with pytest.raises(NotConnectedError, match=r"quantity at OutputCut\(accessor=<function"):
        InputAttribution(wrapper, held, 0).attributions(x)
    nothing = OutputCut(accessor=lambda v: 3)
    with pytest.raises(CutError, match="holds no tensor"):
        InputAttribution(wrapper, nothing, 0).attributions(x)
    with pytest.raises(KeyError, match="other"):
        InputAttribution(wrapper, OutputCut(accessor=lambda v: v["other"]), 0).attributions(x)

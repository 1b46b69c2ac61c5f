"""Which work is one compiled program, by distribution, statistic, option and kind of model.

A table that fails where one leaves its way, or comes to it, without a word.
"""

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from flax import linen as nn
from flax import nnx

from trulens_core import (
    Baselines,
    ClassQoI,
    Conductance,
    Cut,
    DataDoi,
    ExpectedGradients,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    PathDoi,
    PredictedClassQoI,
    get_model_wrapper,
)
from trulens_core.distributions.noise import RelativeGaussianDoi
from trulens_core.influence.collecting import Collected
from trulens_core.influence.programs import Program
from trulens_core.rules import composites
from trulens_core.testing import relative_error
from trulens_jax import tap

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5))
DATA = RNG.normal(size=(9, 5))
HIDDEN = RNG.normal(size=(9, 8))
W = {"h": RNG.normal(size=(5, 8)) / 2, "y": RNG.normal(size=(8, 4)) / 2}


def net(p, x):
    h = tap(x @ p["h"], "h")
    turned = tap(h.T, "turned")
    return tap(jnp.tanh(turned.T) @ p["y"], "y")


@pytest.fixture
def model(x64):
    del x64
    return built("float64")


def built(dtype):
    params = {k: jnp.asarray(v, dtype) for k, v in W.items()}
    return get_model_wrapper(net, backend="jax", params=params)


def at(cut, doi, qoi="max", **options):
    return lambda m: InternalInfluence(m, cut, qoi, doi, **options)


def data(**options):
    return lambda m: ExpectedGradients(m, DATA, samples=6, **options)


def explained(method, x):
    return method.explain(x).attributions


line, inner = LinearDoi(resolution=6), LinearDoi(resolution=6, cut="h")
whole = Cut("h", accessor=lambda h: h)
turned = LinearDoi(resolution=6, cut=Cut("turned", batch_axis=1))
WAYS = {
    # how a call like one before is evaluated: one program, one of each member or level, one for
    # each block, or blocks between compiled steps
    "point": (at(None, "point"), "one"),
    "point at a layer": (at("h", "point"), "one"),
    "line": (at(None, line), "one"),
    "line at a layer": (at("h", inner), "one"),
    "line at the input, layer": (at("h", line), "one"),
    "line from a number": (at(None, LinearDoi(0.5, 6)), "one"),
    "line from an array": (at(None, LinearDoi(X[0], 6)), "one"),
    "line from a function": (at(None, LinearDoi(lambda z: 0.5 * z, 6)), "one"),
    "lines from several": (at(None, LinearDoi(Baselines([0.0, 1.0]), 6)), "one each"),
    "noise": (at(None, GaussianDoi(0.1, 6)), "one"),
    "noise by range": (at(None, RelativeGaussianDoi(0.1, 6)), "one"),
    "noise at a layer": (at("h", GaussianDoi(0.1, 6, cut="h")), "one"),
    "data": (data(), "one"),
    "data of the framework": (lambda m: ExpectedGradients(m, jnp.asarray(DATA), 6), "one"),
    "data at a layer": (lambda m: ExpectedGradients(m, HIDDEN, 6, doi_cut="h"), "one"),
    "data, nothing multiplied": (data(multiply_activation=False), "one"),
    "data, a class per record": (data(qoi=ClassQoI(np.array([2, 0, 1]))), "one"),
    "data, contracted": (data(contract=-1), "one"),
    "data, in several blocks": (data(rebatch_size=12), "in blocks"),
    "data, in groups of records": (data(rebatch_size=2), "in blocks"),
    "data, the plain mean": (at(None, DataDoi(DATA, 6)), "one"),
    "data, explained": (data(), "one", explained),
    "second moment": (at(None, line, statistic="second_moment"), "one"),
    "variance": (at(None, line, statistic="variance"), "one"),
    "contracted": (at(None, line, contract=-1), "one"),
    "by rules": (at(None, "point", rules=composites.attn_lrp()), "one"),
    "a class per record": (at(None, line, ClassQoI(np.array([2, 0, 1]))), "one"),
    "the predicted class": (at(None, line, PredictedClassQoI()), "one"),
    "explained": (at(None, line), "one", explained),
    "rows on axis 1": (at(Cut("turned", batch_axis=1), turned), "one"),
    "part of a value": (at(whole, LinearDoi(resolution=6, cut=whole)), "one"),
    "groups, of which one is padded": (at(None, "point", rebatch_size=2), "one each"),
    "blocks, of which one is padded": (
        at(None, LinearDoi(resolution=7), rebatch_size=12),
        "in blocks",
    ),
    "several blocks": (at(None, line, rebatch_size=6), "in blocks"),
    "several blocks at a layer": (at("h", inner, rebatch_size=6), "in blocks"),
    "groups of records": (at(None, line, rebatch_size=2), "in blocks"),
    "several layers": (at(["h", "y"], line), "one"),
    "to a tolerance": (lambda m: IntegratedGradients(m, tolerance=0.2), "one each"),
    "conductance": (lambda m: Conductance(m, "h", resolution=6), "one"),
    "conductance of inputs": (at(None, line, statistic="path"), "one"),
    "conductance at a layer": (at("y", inner, statistic="path"), "one"),
    "conductance, contracted": (at("h", line, statistic="path", contract=-1), "one"),
    "conductance in blocks": (
        lambda m: Conductance(m, "h", resolution=6, rebatch_size=6),
        "in blocks",
    ),
    "conductance to a tolerance": (lambda m: Conductance(m, "h", tolerance=0.2), "one each"),
    # what stays, and is evaluated a block at a time between compiled steps
    "a curve of the caller's": (at(None, PathDoi(lambda z, t: t * z, 6)), "blocks"),
    "a quantity of the caller's": (at(None, line, lambda y: y[:, 0] ** 2), "blocks"),
    "data, a table": (lambda m: ExpectedGradients(m, pd.DataFrame(DATA), 6), "blocks"),
    "with gradients": (at(None, line, return_grads=True), "blocks", explained),
    "with points": (at(None, line, return_doi=True), "blocks", explained),
}


@pytest.fixture
def ran(monkeypatch):
    """Counts programs by how they are run, and sums that are made beside them."""
    count = dict.fromkeys(("one", "in blocks", "blocks"), 0)

    def counted(owner, name, key):
        old = getattr(owner, name)

        def run(self, *args, **kwargs):
            count[key] += 1
            return old(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, run)

    counted(Program, "__call__", "one")
    counted(Program, "in_blocks", "in blocks")
    counted(Collected, "finish", "blocks")
    return count


@pytest.mark.filterwarnings("ignore:completeness fails")
@pytest.mark.parametrize("name", WAYS)
def test_the_way_of_a_question(model, ran, name):
    make, way, *call = WAYS[name]
    called = call[0] if call else lambda method, x: method.attributions(x)
    method = make(model)
    first = called(method, X)
    ran.update(dict.fromkeys(ran, 0))
    again = called(method, X)
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True)
    assert all(relative_error(b, a) <= 1e-12 for a, b in pairs)
    found = {key: n for key, n in ran.items() if n}
    assert set(found) == {"one" if way == "one each" else way}, found
    if way in ("one", "one each"):
        assert found["one"] == (1 if way == "one" else 2)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["point", "line", "line at a layer", "data", "data at a layer"])
def test_in_half_precision_it_is_the_same_way(ran, name, dtype):
    """Beside the same numbers in float32."""
    method, exact = WAYS[name][0](built(dtype)), WAYS[name][0](built("float32"))
    x = jnp.asarray(X, dtype)
    expected = exact.attributions(np.asarray(x, "float32"))
    for _ in range(2):
        ran.update(dict.fromkeys(ran, 0))
        found = method.attributions(x)
        assert ran == {"one": 1, "in blocks": 0, "blocks": 0}
        assert relative_error(found, expected) <= (0.01 if dtype == "float16" else 0.05)


class Nnx(nnx.Module):
    def __init__(self):
        at = {"rngs": nnx.Rngs(0), "use_bias": False, "param_dtype": jnp.float64}
        self.h, self.y = nnx.Linear(5, 8, **at), nnx.Linear(8, 4, **at)
        self.h.kernel[...], self.y.kernel[...] = map(jnp.asarray, W.values())

    def __call__(self, x):
        return self.y(jnp.tanh(self.h(x)))


class Eqx(eqx.Module):
    h: eqx.nn.Linear
    y: eqx.nn.Linear

    def __call__(self, x):
        return self.y(jnp.tanh(self.h(x)))


def equinox():
    def layer(n, m, w):
        new = eqx.nn.Linear(n, m, use_bias=False, key=jax.random.key(0))
        return eqx.tree_at(lambda x: x.weight, new, jnp.asarray(w.T))

    return get_model_wrapper(Eqx(layer(5, 8, W["h"]), layer(8, 4, W["y"])))


class Linen(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(nn.Dense(8, use_bias=False, name="h", param_dtype=jnp.float64)(x))
        return nn.Dense(4, use_bias=False, name="y", param_dtype=jnp.float64)(x)


def linen():
    params = {k: {"kernel": jnp.asarray(v)} for k, v in W.items()}
    return get_model_wrapper(Linen(), params=params)


def haiku():
    def function(x):
        return hk.Linear(4, False, name="y")(jnp.tanh(hk.Linear(8, False, name="h")(x)))

    params = {k: {"w": jnp.asarray(v)} for k, v in W.items()}
    return get_model_wrapper(hk.without_apply_rng(hk.transform(function)), params=params)


@pytest.mark.parametrize("build", [lambda: get_model_wrapper(Nnx()), equinox, linen, haiku])
def test_every_kind_of_model_goes_the_same_way(model, ran, build):
    other = build()
    inner = LinearDoi(resolution=6, cut=Cut("h"))
    for make in (
        lambda m: InputAttribution(m, qoi=1),
        lambda m: IntegratedGradients(m, resolution=6, rebatch_size=7),
        lambda m: InternalInfluence(m, Cut("h"), ClassQoI(np.array([2, 0, 1])), inner),
        lambda m: ExpectedGradients(m, HIDDEN, 6, doi_cut=Cut("h")),
        lambda m: Conductance(m, Cut("h"), resolution=6, rebatch_size=7),
    ):
        function, method = make(model), make(other)
        expected, found = function.attributions(X), method.attributions(X)
        ran.update(dict.fromkeys(ran, 0))
        again = method.attributions(X)
        assert ran["one"] + ran["in blocks"] == 1
        assert not ran["blocks"]
        assert (again == found).all()
        assert relative_error(found, expected) <= 1e-12

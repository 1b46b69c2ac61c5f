"""Which work is one compiled program, by distribution, statistic, option and kind of model.

A table that fails where one leaves its way, or comes to it, without a word.
"""

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from trulens_core import (
    Baselines,
    ClassQoI,
    Conductance,
    Cut,
    CutError,
    ExpectedGradients,
    GaussianDoi,
    InputAttribution,
    InputCut,
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
W = {"h": RNG.normal(size=(5, 8)) / 2, "y": RNG.normal(size=(8, 4)) / 2}


def net(p, x):
    return tap(jnp.tanh(tap(x @ p["h"], "h")) @ p["y"], "y")


@pytest.fixture
def model(x64):
    del x64
    return get_model_wrapper(net, backend="jax", params={k: jnp.asarray(v) for k, v in W.items()})


def at(cut, doi, qoi="max", **options):
    return lambda m: InternalInfluence(m, cut, qoi, doi, **options)


line, inner = LinearDoi(resolution=6), LinearDoi(resolution=6, cut="h")
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
    "data": (lambda m: ExpectedGradients(m, DATA, samples=6), "one"),
    "second moment": (at(None, line, statistic="second_moment"), "one"),
    "variance": (at(None, line, statistic="variance"), "one"),
    "contracted": (at(None, line, contract=-1), "one"),
    "by rules": (at(None, "point", rules=composites.attn_lrp()), "one"),
    "a class per record": (at(None, line, ClassQoI(np.array([2, 0, 1]))), "one"),
    "the predicted class": (at(None, line, PredictedClassQoI()), "one"),
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
    make, way = WAYS[name]
    method = make(model)
    first = method.attributions(X)
    ran.update(dict.fromkeys(ran, 0))
    again = method.attributions(X)
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True)
    assert all(relative_error(b, a) <= 1e-12 for a, b in pairs)
    found = {key: n for key, n in ran.items() if n}
    assert set(found) == {"one" if way == "one each" else way}, found
    if way in ("one", "one each"):
        assert found["one"] == (1 if way == "one" else 2)


P = {"e": RNG.normal(size=(7, 8)), "h": W["h"], "g": RNG.normal(size=(6, 8)), "y": W["y"]}
IDS, Z = np.array([1, 2, 6]), RNG.normal(size=(3, 6))


def branches(p, x, z, ids):
    e, h = tap(p["e"][ids], "e"), tap(jnp.tanh(x @ p["h"]), "h")
    g, rest = tap((jnp.sin(z @ p["g"]), z), "g")
    return joined(p, h, e, g, rest)


def joined(p, h, e, g, rest):
    return jnp.tanh((h * e + g * e**2 + rest.mean(-1, keepdims=True)) / 8) @ p["y"]


def everything(value):
    return value


SEVERAL = {
    # where the points are, and what of the model follows them: of their tensors, and of the rest
    "layers": (Cut(["h", "e"]), lambda p, h, e: joined(p, h, e, jnp.sin(Z @ p["g"]), Z)),
    "a layer and an input": (
        Cut(["e", InputCut(names=["z"])]),
        lambda p, e, z: joined(p, jnp.tanh(X @ p["h"]), e, jnp.sin(z @ p["g"]), z),
    ),
    "a layer of several tensors": (
        Cut(["h", Cut("g", accessor=everything)]),
        lambda p, h, g, z: joined(p, h, p["e"][IDS], g, z),
    ),
}


@pytest.mark.parametrize("rows", [None, 6])
@pytest.mark.parametrize("name", SEVERAL)
def test_points_at_several_places_are_one_program(x64, ran, name, rows):
    del x64
    p = {k: jnp.asarray(v) for k, v in P.items()}
    cut, after = SEVERAL[name]
    e, h, g = p["e"][IDS], jnp.tanh(X @ p["h"]), jnp.sin(Z @ p["g"])
    values = {"h": [h], "e": [e], "g": [g, jnp.asarray(Z)], "<input>": [jnp.asarray(Z)]}
    at_cut = [t for part in cut.parts() for t in values[part.name]]
    grad = jax.grad(lambda *ts: after(p, *ts)[:, 1].sum(), argnums=tuple(range(len(at_cut))))
    alphas = (np.arange(6) + 0.5) / 6
    points = [[a * t + (1 - a) * 0.5 for t in at_cut] for a in alphas]
    means = [np.mean(gs, axis=0) for gs in zip(*(grad(*ts) for ts in points), strict=True)]
    expected = [(t - 0.5) * g for t, g in zip(at_cut, means, strict=True)]
    model = get_model_wrapper(branches, backend="jax", params=p)
    doi = LinearDoi(0.5, 6, cut=cut, rule="midpoint")
    method = InternalInfluence(model, cut, 1, doi, rebatch_size=rows)
    for _ in range(2):  # what an accessor selects is known once the model was traced
        ran.update(dict.fromkeys(ran, 0))
        found = jax.tree.leaves(method.attributions(X, Z, IDS))
        assert all(relative_error(a, b) <= 1e-12 for a, b in zip(found, expected, strict=True))
    assert {key: n for key, n in ran.items() if n} == {"one" if rows is None else "in blocks": 1}


def test_layers_of_which_one_makes_the_other_are_told(model):
    cut = Cut(["h", "y"])
    for doi in (LinearDoi(resolution=6, cut=cut), LinearDoi(0.5, 6, cut=cut)):
        with pytest.raises(CutError, match="is computed from that at 'h'"):
            InternalInfluence(model, cut, 0, doi).attributions(X)


@pytest.mark.parametrize("rows", [None, 6, 2])
@pytest.mark.parametrize("layer", ["h", None])
def test_sums_along_a_path_are_those_by_hand(model, ran, layer, rows):
    h = (lambda x: jnp.tanh(x @ W["h"])) if layer is None else (lambda x: x @ W["h"])
    before = (lambda x: x) if layer is None else h
    after = (lambda x: h(x) @ W["y"]) if layer is None else (lambda z: jnp.tanh(z) @ W["y"])
    classes = np.array([2, 0, 1])
    grad = jax.grad(lambda z: after(z)[np.arange(3), classes].sum())
    line = [a * X + (1 - a) * X[::-1] for a in np.linspace(1, 0, 15)]  # ends, and points between
    ends, points = line[::2], line[1::2]
    pairs = zip(points, ends[:-1], ends[1:], strict=True)
    expected = sum(grad(before(p)) * (before(a) - before(b)) for p, a, b in pairs)
    doi = LinearDoi(X[::-1], 7, rule="midpoint")
    method = InternalInfluence(
        model, layer, ClassQoI(classes), doi, statistic="path", rebatch_size=rows
    )
    for _ in range(2):
        assert relative_error(method.attributions(X), expected) <= 1e-12
    assert ran["one"] + ran["in blocks"] >= 2
    assert not ran["blocks"]


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
    ):
        function, method = make(model), make(other)
        expected, found = function.attributions(X), method.attributions(X)
        ran.update(dict.fromkeys(ran, 0))
        again = method.attributions(X)
        assert ran["one"] + ran["in blocks"] == 1
        assert not ran["blocks"]
        assert (again == found).all()
        assert relative_error(found, expected) <= 1e-12

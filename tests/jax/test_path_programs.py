"""Programs of points at several places, and of sums along a path, beside loops by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    BackendError,
    ClassQoI,
    Cut,
    CutError,
    InputCut,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.cache import StepCache
from trulens_core.influence.collecting import Collected
from trulens_core.influence.programs import Program
from trulens_core.testing import relative_error
from trulens_jax import tap

RNG = np.random.default_rng(0)
X, Z, IDS = RNG.normal(size=(3, 5)), RNG.normal(size=(3, 6)), np.array([1, 2, 6])
P = {
    "e": RNG.normal(size=(7, 8)),
    "h": RNG.normal(size=(5, 8)) / 2,
    "g": RNG.normal(size=(6, 8)),
    "y": RNG.normal(size=(8, 4)) / 2,
}


@pytest.fixture
def ran(monkeypatch):
    """The ways that groups of records went, one after the other."""
    names = []

    def noted(owner, name, way):
        old = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda self, *a, **k: names.append(way) or old(self, *a, **k)
        )

    noted(Program, "__call__", "one")
    noted(Program, "in_blocks", "in blocks")
    noted(Collected, "finish", "blocks")
    return names


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
        ran.clear()
        found = jax.tree.leaves(method.attributions(X, Z, IDS))
        assert all(relative_error(a, b) <= 1e-12 for a, b in zip(found, expected, strict=True))
    assert ran == ["one" if rows is None else "in blocks"]


def test_a_cut_of_several_layers_is_known_for_as_long_as_it_is_used(x64):
    del x64
    kept, others = 3, [["h", "e"], ["h", "g"], ["e", "g"], ["g", "h"]]
    model = get_model_wrapper(branches, backend="jax", params=P)
    model.sizes = StepCache(kept)
    cut = SEVERAL["a layer of several tensors"][0]
    used = InternalInfluence(model, cut, 1, "point")
    first = [jax.tree.leaves(used.attributions(X, Z, IDS)) for _ in range(3)][-1]
    for other in others:
        InternalInfluence(model, Cut(other), 1, "point").attributions(X, Z, IDS)
        found = jax.tree.leaves(used.attributions(X, Z, IDS))
        assert all(np.array_equal(a, b) for a, b in zip(found, first, strict=True))
    assert len(model.sizes) == kept
    model.sizes.clear()
    with pytest.raises(BackendError, match="is not known any more"):
        used.attributions(X, Z, IDS)


def net(p, x):
    return tap(jnp.tanh(tap(x @ p["h"], "h")) @ p["y"], "y")


@pytest.fixture
def model(x64):
    del x64
    p = {k: jnp.asarray(P[k]) for k in ("h", "y")}
    return get_model_wrapper(net, backend="jax", params=p)


def test_layers_of_which_one_makes_the_other_are_told(model):
    cut = Cut(["h", "y"])
    for doi in (LinearDoi(resolution=6, cut=cut), LinearDoi(0.5, 6, cut=cut)):
        with pytest.raises(CutError, match="is computed from that at 'h'"):
            InternalInfluence(model, cut, 0, doi).attributions(X)


@pytest.mark.parametrize("rows", [None, 6, 2])
@pytest.mark.parametrize("layer", ["h", None])
def test_sums_along_a_path_are_those_by_hand(model, ran, layer, rows):
    h = (lambda x: jnp.tanh(x @ P["h"])) if layer is None else (lambda x: x @ P["h"])
    before = (lambda x: x) if layer is None else h
    after = (lambda x: h(x) @ P["y"]) if layer is None else (lambda z: jnp.tanh(z) @ P["y"])
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
    assert set(ran) == {"one" if rows is None else "in blocks"}

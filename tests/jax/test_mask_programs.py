"""Quantities over a block of masks as one program: equal to blocks of steps, and never stale."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    RISE,
    Ablation,
    ClassQoI,
    KernelSHAP,
    Marginal,
    MaskDoi,
    Occlusion,
    Segments,
    ShapleyValues,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.influence.forward_programs import ForwardProgram, ForwardPrograms
from trulens_jax import tap

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 6)).astype("float32")
X[1, 2] = 0  # it is dropped by those that leave out what is not moved
ROWS = RNG.normal(size=(5, 6)).astype("float32")


def net(p, x):
    h = tap(jnp.tanh(x @ p["in"]), "h")
    return tap(h @ p["out"], "y")


@pytest.fixture(scope="module")
def model():
    shapes = {"in": (6, 8), "out": (8, 4)}
    p = {k: jnp.asarray(RNG.normal(size=s), "float32") for k, s in shapes.items()}
    return get_model_wrapper(net, backend="jax", params=p)


EACH = ClassQoI(np.array([2, 0, 1]))
CASES = {
    "ablation": (Ablation, {"qoi": 1}),
    "classes of their own": (Ablation, {"qoi": EACH, "rebatch_size": 8}),
    "predicted, at a layer": (Ablation, {"qoi": "predicted", "doi_cut": "h"}),
    "overlapping windows": (Occlusion, {"size": 3, "stride": 1, "qoi": 1}),
    "what is in no segment": (Ablation, {"segments": Segments.columns([[0, 2]]), "qoi": 1}),
    "a baseline of their own": (Ablation, {"baseline": 0.5 * X, "qoi": 1, "rebatch_size": 5}),
    "every row": (KernelSHAP, {"samples": 40, "baseline": Marginal(ROWS, every=True), "qoi": 1}),
    "drawn rows": (
        ShapleyValues,
        {"samples": 8, "baseline": Marginal(ROWS, every=False), "qoi": 1, "rebatch_size": 16},
    ),
    "soft": (RISE, {"samples": 33, "qoi": 1, "rebatch_size": 24}),
}


@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_steps_give(model, close, name, monkeypatch):
    kind, options = CASES[name]
    ran = []
    call = ForwardProgram.__call__
    monkeypatch.setattr(ForwardProgram, "__call__", lambda s, *a: ran.append(1) or call(s, *a))
    found = kind(model, **options).explain(X)
    assert ran
    monkeypatch.setattr(ForwardPrograms, "serve", staticmethod(lambda *_: False))
    count = len(ran)
    expected = kind(model, **options).explain(X)
    assert len(ran) == count
    for field in ("attributions", "quantity", "baseline_quantity", "residual"):
        now, then = getattr(found, field), getattr(expected, field)
        assert (now is None) == (then is None)
        if now is not None:
            close(1 + now, 1 + then, 1e-5)
    assert (found.n_evaluations == expected.n_evaluations).all()


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_asked_for_changes_nothing(model, name):
    kind, options = CASES[name]
    method = kind(model, **options)
    assert (method.attributions(X) == method.explain(X).attributions).all()


@pytest.mark.parametrize("far", [np.inf, np.nan, 3e38])
def test_what_is_not_finite_is_said_of_its_record(model, far):
    """Also a difference that single precision cannot hold."""

    def signed(y):
        return jnp.where(y[:, 0] > 5, far, jnp.where(y[:, 0] < -5, -far, y[:, 1]))

    def steep(_, x):
        return jnp.stack([9 * x[:, 0], x[:, 1]], axis=1)

    wrapper = get_model_wrapper(steep, backend="jax", params=())
    x = np.zeros((3, 6), "float32")
    x[1, 0], x[2, 1] = 1, 1
    base = np.zeros((3, 6))
    base[1, 0] = -1
    method = Ablation(wrapper, qoi=signed, baseline=base)
    with pytest.warns(TrulensWarning, match=r"record.* 1"):
        found = method.attributions(x)
    assert np.isfinite(found[[0, 2]]).all()
    assert not np.isfinite(found[1]).all()


def test_one_program_serves_every_number(model, compiled, close):
    def every(i):
        Ablation(model, qoi=ClassQoI(i)).attributions(i * X)
        KernelSHAP(model, samples=30, seed=i, qoi=ClassQoI(i), baseline=0.1 * i).attributions(X)

    every(1)
    with compiled() as names:
        every(2)
        every(3)
    assert names == []
    p = model._adapter._params
    ours = Ablation(model, qoi=0)
    before = ours.attributions(X)
    model.update({**p, "out": 2 * p["out"]})
    close(ours.attributions(X), 2 * before, 1e-5)
    model.update(p)
    with pytest.raises(IndexError, match="7"):
        Ablation(model, qoi=ClassQoI(7)).attributions(X)


def test_what_is_the_callers_runs_at_every_call(model):
    asked = []
    method = Ablation(model, qoi=lambda y: asked.append(1) or y[:, 0])
    for i in (1, 2, 3):
        method.attributions(X)
        assert len(asked) >= i


class Halved(MaskDoi):
    """Masks whose points are made into others."""

    def points(self, records, baseline):
        found = super().points(records, baseline)
        return found._replace(stack=lambda i, j: [0.5 * t for t in found.stack(i, j)])


class OfHalved(Ablation):
    """Ablation at the points of a subclass."""

    def _question(self):
        asked = super()._question()
        doi = Halved(asked.doi.design, asked.doi.segments, 0.0, cut=asked.doi_cut, drops=True)
        return dataclasses.replace(asked, doi=doi)


def test_points_of_a_subclass_are_those_that_it_makes(model, close):
    p = model._adapter._params
    y = np.asarray(net(p, 0.5 * X))[:, 1]  # the first point, of which nothing is removed
    without = [net(p, 0.5 * np.where(np.arange(6) == i, 0, X))[:, 1] for i in range(6)]
    expected = y[:, None] - np.stack(without, axis=1)
    found = OfHalved(model, qoi=1).attributions(X)
    kept = X != 0
    close(found * kept, expected * kept, 1e-5)

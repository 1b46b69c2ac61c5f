"""The work on a group of records as one program: equal to blocks, and never stale."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Cut,
    GaussianDoi,
    InputAttribution,
    InternalInfluence,
    LinearDoi,
    MaxClassQoI,
    PointDoi,
    PredictedClassQoI,
    QoI,
    ThresholdQoI,
    get_model_wrapper,
)
from trulens_core.distributions.noise import RelativeGaussianDoi
from trulens_core.influence.program_group import ProgramGroup
from trulens_core.influence.programs import Program
from trulens_core.influence.statistics import AbsoluteMean
from trulens_core.rules import composites
from trulens_jax import tap

RNG = np.random.default_rng(0)


def weights(seed=0):
    rng = np.random.default_rng(seed)
    return {"in": rng.normal(size=(5, 16)) / 2, "out": rng.normal(size=(16, 4)) / 2}


def net(p, x):
    h = tap(jnp.tanh(x @ p["in"]), "h")
    return tap(jnp.tanh(h) @ p["out"], "y")


@pytest.fixture
def model():
    p = {k: jnp.asarray(v, "float32") for k, v in weights().items()}
    return get_model_wrapper(net, backend="jax", params=p)


X = RNG.normal(size=(3, 5)).astype("float32")
ENDS = RNG.normal(size=(3, 16)).astype("float32")


class Flattened(LinearDoi):
    """A line whose points are the caller's."""

    def __call__(self, z, **_):
        return [z * 0.5, z * 0.25]


class Based(PointDoi):
    """The value itself, and a baseline in core's own form."""

    def baseline_values(self, records):
        return [0.5 * z for z in records.z]


class OtherPoints(LinearDoi):
    """A line of other points, in core's own form."""

    def points(self, records, baseline):
        del baseline
        other = self.at((0.5, 0.25), (0.5, 0.5))
        return LinearDoi.points(other, records, self.baseline_values(records))


class OtherNoise(GaussianDoi):
    """Noise of another size, by a part of the class that no formula knows."""

    def _deviations(self, z, backend):
        del backend
        return [1.5 for _ in z]


def cases():
    line = LinearDoi(resolution=7, rule="gauss-legendre")
    inner = LinearDoi(resolution=7, cut="h")
    noise = RelativeGaussianDoi(0.1, 5)
    last = LinearDoi(resolution=1, rule="endpoints")
    ended = LinearDoi(ENDS, 1, rule="endpoints", cut="h")
    yield "saliency", (None, None), {"doi": "point"}
    yield "layer saliency", ("h", None), {"doi": "point"}
    yield "layer saliency alone", ("h", "y"), {"doi": "point", "multiply_activation": False}
    yield "line", (None, None), {"doi": line}
    yield "line at a layer", ("h", None), {"doi": inner}
    yield "layer, line at the input", ("h", None), {"doi": line}
    yield "a number", (None, None), {"doi": LinearDoi(0.5, 6)}
    yield "an array", (None, None), {"doi": LinearDoi(RNG.normal(size=5), 6)}
    yield "a function", (None, None), {"doi": LinearDoi(lambda z: 0.3 * z[:, ::-1], 6)}
    yield "ends at a layer", ("h", None), {"doi": LinearDoi(ENDS, 6, cut="h")}
    yield "ends, layer after", ("y", None), {"doi": LinearDoi(ENDS, 6, cut="h")}
    yield "noise", (None, None), {"doi": GaussianDoi(0.1, 6)}
    yield "noise at a layer", ("h", None), {"doi": GaussianDoi(0.1, 6, cut="h")}
    yield "noise by range", (None, None), {"doi": RelativeGaussianDoi(0.1, 6)}
    yield "points of the caller's", (None, None), {"doi": Flattened(resolution=2)}
    yield "points of a subclass", (None, None), {"doi": OtherPoints(resolution=2)}
    yield "a point with a baseline", (None, None), {"doi": Based()}
    yield "noise of a subclass", (None, None), {"doi": OtherNoise(0.1, 6)}
    yield "absolute", (None, None), {"doi": line, "statistic": AbsoluteMean()}
    yield "variance", (None, None), {"doi": line, "statistic": "variance"}
    yield "squares of noise", (None, None), {"doi": noise, "statistic": "second_moment"}
    yield "variance of noise", ("h", None), {"doi": noise, "statistic": "variance"}
    yield "contracted", (None, None), {"doi": line, "contract": -1}
    yield "contracted at a layer", ("h", None), {"doi": inner, "contract": -1}
    yield "contracted at a layer, line at the input", ("h", None), {"doi": line, "contract": -1}
    yield "contracted saliency", ("h", None), {"doi": "point", "contract": 1}
    yield "by rules", (None, None), {"doi": "point", "rules": composites.attn_lrp()}
    yield "by rules that compare", (None, None), {"doi": last, "rules": composites.deep_lift()}
    yield "at a layer", ("h", None), {"doi": ended, "rules": composites.deep_lift()}


CASES = {name: rest for name, *rest in cases()}
BESIDE = {
    "points of the caller's",
    "points of a subclass",
    "a point with a baseline",
    "noise of a subclass",
}
"""Cases whose points no program makes."""
QUANTITIES = {
    "max": MaxClassQoI(),
    "predicted": PredictedClassQoI(),
    "each its own": ClassQoI(np.array([2, 0, 1])),
    "a sum": 2.0 * ClassQoI(0) - ClassQoI(1),
    "the caller's": lambda y: (y[:, 1] + 2) ** 2,
}


@pytest.mark.filterwarnings("ignore:completeness fails")
@pytest.mark.parametrize("i", range(len(CASES)), ids=CASES)
def test_it_gives_what_blocks_give(model, close, i, monkeypatch):
    name, (cut, options) = [*CASES.items()][i]
    for qoi in [*QUANTITIES.values()][i % 5 :: 3]:
        rows = (None, 1, 4)[
            i % 3
        ]  # all points in one block, or several, of which the last is short
        ours = InternalInfluence(model, cut, qoi, rebatch_size=rows, **options)
        with monkeypatch.context() as patch:
            patch.setattr(ProgramGroup, "_can_be_one", lambda _: False)
            expected = InternalInfluence(model, cut, qoi, rebatch_size=2, **options).explain(X)
        added = 0.0
        if "contract" in options:  # a sum is as exact as what is added up in it
            whole = InternalInfluence(model, cut, qoi, **{**options, "contract": None})
            added = np.abs(whole.attributions(X)).sum(-1)
        for _ in range(2):
            close(added + ours.attributions(X), added + expected.attributions, 1e-5)
        if not callable(qoi) or isinstance(qoi, QoI):
            assert bool(programs(model)) != (name in BESIDE)
        found = ours.explain(X)
        close(added + found.attributions, added + expected.attributions, 1e-5)
        close(found.quantity, expected.quantity, 1e-5)
        for field in ("baseline_quantity", "residual"):
            now, then = getattr(found, field), getattr(expected, field)
            assert (now is None) == (then is None)
            assert now is None or np.allclose(now, then, atol=1e-5)
        assert (found.n_points == expected.n_points).all()


def programs(model):
    return [s for s in model._steps._held.values() if isinstance(s, Program)]


def test_one_program_serves_every_number(model, compiled, close):
    def every(i):
        for rule in ("midpoint", "gauss-legendre"):
            doi = LinearDoi(resolution=6, rule=rule)
            InternalInfluence(model, None, ClassQoI(i), doi).attributions(i * X)
        for ends in (0.1 * i, i * ENDS[:, :5]):
            InternalInfluence(model, None, ClassQoI(i), LinearDoi(ends, 6)).attributions(X)
        noise = GaussianDoi(0.1 * i, 6, seed=i)
        InternalInfluence(model, None, ClassQoI(i), noise).attributions(X)

    every(1)
    assert len(programs(model)) == 2  # of lines, with or without an end of their own; of noise
    with compiled() as names:
        every(2)
        every(3)
    assert names == []
    assert len(programs(model)) == 2


def test_a_call_like_one_before_is_one_dispatch(model, monkeypatch):
    method = InternalInfluence(model, "h", "max", LinearDoi(resolution=6, cut="h"))
    method.attributions(X)
    before = method.attributions(X)
    ran = []
    call = Program.__call__
    monkeypatch.setattr(Program, "__call__", lambda self, *a: ran.append(1) or call(self, *a))
    monkeypatch.setattr(type(model), "forward", None)  # nothing is traced
    assert (method.attributions(X) == before).all()
    assert ran == [1]


def test_what_has_changed_is_seen_by_a_call_like_one_before(model, close):
    def grad(c, x, p):
        return jax.grad(lambda x: net(p, x)[:, c].sum())(x)

    def saliency(qoi):
        return InputAttribution(model, qoi=qoi, multiply_activation=False)

    p = model._adapter._params
    qoi = ClassQoI(np.array([0, 1, 2]))
    method, one = saliency(qoi), saliency(0)
    for _ in range(2):
        method.attributions(X)
        close(one.attributions(X), grad(0, X, p))
    qoi.cl[:] = 3
    close(method.attributions(X), grad(3, X, p))
    p["in"] = 2 * p["in"]
    close(method.attributions(X), grad(3, X, p))
    close(one.attributions(X), grad(0, X, p))
    model.update({k: 3 * v for k, v in p.items()})
    close(one.attributions(X), grad(0, X, {k: 3 * v for k, v in p.items()}))
    model.clear_cache()
    close(one.attributions(2 * X), grad(0, 2 * X, {k: 3 * v for k, v in p.items()}))
    assert one.attributions(X[:2]).shape == (2, 5)


class Base:
    """Where lines end, as a function of the caller's."""

    factor = 0.3

    def __call__(self, z):
        return self.factor * z[:, ::-1]


def dois(cut):
    ends = ENDS if cut else RNG.normal(size=5)
    based = Base()

    def shifted(_):
        ends[...] += 1.0

    def inward(_):
        based.factor = 0.6

    def baseline(value):
        return lambda doi: setattr(doi, "_baseline", value)

    def other(doi):
        doi.var, doi.seed = 0.4, 3

    yield LinearDoi(resolution=6, cut=cut), [baseline(0.5), baseline(ends), baseline(None)]
    yield LinearDoi(ends, 6, cut=cut), [shifted, baseline(None), baseline(2 * ends)]
    yield LinearDoi(based, 6, cut=cut), [inward, baseline(lambda z: 0.1 * z)]
    yield GaussianDoi(0.1, 6, cut=cut), [other, lambda doi: setattr(doi, "resolution", 3)]


@pytest.mark.parametrize(("cut", "rows"), [(None, None), ("h", 7)])
def test_points_that_have_changed_are_seen_by_a_call_like_one_before(model, close, cut, rows):
    def fresh(doi, x):
        other = get_model_wrapper(net, backend="jax", params=model._adapter._params)
        return InternalInfluence(other, cut, 1, copy.deepcopy(doi), rebatch_size=rows).attributions(
            x
        )

    for doi, changes in dois(cut):
        method = InternalInfluence(model, cut, 1, doi, rebatch_size=rows)
        for _ in range(2):
            method.attributions(X)
        for change in [lambda _: None, *changes]:
            change(doi)
            for x in (X, 2 * X):
                close(method.attributions(x), fresh(doi, x), 1e-5)


def test_a_call_like_one_before_divides_nothing(model, monkeypatch):
    for doi, _ in dois("h"):
        method = InternalInfluence(model, "h", "max", doi, rebatch_size=7)
        method.attributions(X)
        before = method.attributions(X)
        with monkeypatch.context() as patch:
            patch.setattr(ProgramGroup, "answer", None)
            assert (method.attributions(X) == before).all()


@pytest.mark.parametrize("rows", [None, 7])
@pytest.mark.parametrize("layer", ["h", None])
def test_nor_does_one_of_sums_along_a_path(model, close, rows, layer, monkeypatch):
    doi = LinearDoi(X[::-1], 6)
    method = InternalInfluence(model, layer, 0, doi, statistic="path", rebatch_size=rows)
    method.attributions(X)
    before = method.attributions(X)
    with monkeypatch.context() as patch:
        patch.setattr(ProgramGroup, "answer", None)
        assert (method.attributions(X) == before).all()
        doi._baseline = 0.5
        found = method.attributions(X)
    other = InternalInfluence(model, layer, 0, LinearDoi(0.5, 6), statistic="path")
    close(found, other.attributions(X), 1e-5)


def test_an_option_that_changes_is_seen_by_a_call_like_one_before(model):
    qoi = ThresholdQoI(0.1)
    method = InputAttribution(model, qoi=qoi, multiply_activation=False)
    method.attributions(X)
    before = method.attributions(X)
    for name, value in (("activation", "sigmoid"), ("low_minus_high", True)):
        if hasattr(qoi, name):
            object.__setattr__(qoi, name, value)
    fresh = InputAttribution(model, qoi=copy.copy(qoi), multiply_activation=False)
    assert (method.attributions(X) == fresh.attributions(X)).all()
    assert (method.attributions(X) != before).any()


def test_an_error_is_told_by_a_call_like_one_before(model):
    qoi = ClassQoI(np.array([0, 1, 2]))
    method = InputAttribution(model, qoi=qoi)
    for _ in range(2):
        method.attributions(X)
    qoi.cl[1] = 7
    with pytest.raises(IndexError, match="7"):
        method.attributions(X)


def test_a_class_is_looked_for_among_those_of_the_weights_at_hand(close):
    def wide(n):
        return {k: jnp.asarray(v[:, :n], "float32") for k, v in weights().items()} | {"in": narrow}

    def grad(c, p):
        return jax.grad(lambda x: net(p, x)[:, c].sum())(X)

    narrow = jnp.asarray(weights()["in"], "float32")
    small, large = wide(2), wide(4)
    model = get_model_wrapper(net, backend="jax", params=small)
    lines = LinearDoi(resolution=3), PointDoi()
    for doi in lines:
        first, third = (InternalInfluence(model, None, ClassQoI(c), doi) for c in (0, 2))
        for _ in range(2):
            model.update(small)
            first.attributions(X)
            model.update(large)
            first.attributions(X)
        other = model.with_params(small)
        with pytest.raises(IndexError, match="2"):
            InternalInfluence(other, None, ClassQoI(2), doi).attributions(X)
        model.update(small)
        with pytest.raises(IndexError, match="2"):
            third.attributions(X)
        model.update(large)
        third.attributions(X)  # there are as many classes as these weights have
    third = InternalInfluence(model, None, ClassQoI(2), PointDoi())
    close(third.attributions(X), X * np.asarray(grad(2, large)), 1e-5)


def test_records_that_are_not_finite_are_named(model):
    x = X.copy()
    x[1, 0] = np.nan
    method = InputAttribution(model, doi=LinearDoi(resolution=3))
    method.attributions(X)
    for _ in range(2):
        with pytest.warns(UserWarning, match="not finite for the records 1"):
            method.attributions(x)


def test_a_method_is_copied_and_pickled_after_calls(model, close):
    method = InputAttribution(model, doi=LinearDoi(resolution=3))
    before = method.attributions(X)
    for other in (copy.copy(method), copy.deepcopy(method), pickle.loads(pickle.dumps(method))):
        close(other.attributions(X), before)


def test_cuts_with_accessors_are_asked_at_every_call(model):
    asked = []
    cut = Cut("h", accessor=lambda v: asked.append(1) or v)
    method = InternalInfluence(model, cut, "max", LinearDoi(resolution=3, cut=cut))
    for _ in range(2):
        method.attributions(X)
    count = len(asked)
    method.attributions(X)
    assert len(asked) > count

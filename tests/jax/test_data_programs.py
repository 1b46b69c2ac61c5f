"""Expected gradients as one program: beside a loop by hand, and never stale."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    Cut,
    DataDoi,
    DoiError,
    ExpectedGradients,
    InputAttribution,
    InternalInfluence,
    get_model_wrapper,
)
from trulens_core.influence.collecting import Collected
from trulens_core.influence.program_group import ProgramGroup
from trulens_core.influence.statistics import SampleMean
from trulens_core.rules import composites
from trulens_core.testing import relative_error
from trulens_jax import tap

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5))
DATA = RNG.normal(size=(9, 5))
HIDDEN = RNG.normal(size=(9, 8))
W = {"h": RNG.normal(size=(5, 8)) / 2, "y": RNG.normal(size=(8, 4)) / 2}
CLASSES = np.array([2, 0, 1])
N = 7


def first(p, x):
    return x @ p["h"]


def second(p, h):
    return jnp.tanh(h) @ p["y"]


def net(p, x):
    return tap(second(p, tap(first(p, x), "h")), "y")


def pair(p, a, b):
    return second(p, first(p, a * jnp.tanh(b)))


@pytest.fixture
def params(x64):
    del x64
    return {k: jnp.asarray(v) for k, v in W.items()}


@pytest.fixture
def model(params):
    return get_model_wrapper(net, backend="jax", params=params)


def drawn(seed, i, rows):
    random = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 1, i]))
    return int(random.integers(rows)), float(random.random())


def by_hand(function, zs, data, seed=0, multiply=True):
    """Each sample's gradient of `function` times the step, [sample][tensor], a record at a time."""
    found = []
    for i in range(N):
        row, alpha = drawn(seed, i, len(data[0]))
        steps = [z - d[row] for z, d in zip(zs, data, strict=True)]
        at = [d[row] + alpha * s for d, s in zip(data, steps, strict=True)]
        places = tuple(range(len(zs)))
        gs = jax.grad(lambda *at: function(*at).sum(), argnums=places)(*map(jnp.asarray, at))
        found.append([g * s if multiply else g for g, s in zip(gs, steps, strict=True)])
    return found


def scored(y):
    return y[np.arange(3), CLASSES]


def mean(singles):
    return [np.mean(column, axis=0) for column in zip(*singles, strict=True)]


@pytest.fixture
def in_blocks(monkeypatch):
    """Counts sums that are made beside programs."""
    count = []
    old = Collected.finish
    monkeypatch.setattr(Collected, "finish", lambda self: count.append(1) or old(self))
    return count


OPTIONS = {
    "one block": {},
    "several blocks": {"rebatch_size": 12},
    "groups of records": {"rebatch_size": 2},
    "nothing multiplied": {"multiply_activation": False},
    "nothing multiplied, several blocks": {"multiply_activation": False, "rebatch_size": 12},
    "contracted": {"contract": -1},
    "contracted, several blocks": {"contract": -1, "rebatch_size": 12},
    "another seed": {"seed": 5},
}


@pytest.mark.parametrize("cut", [None, "h"], ids=["input", "layer"])
@pytest.mark.parametrize("name", OPTIONS)
def test_it_is_the_mean_of_gradients_by_hand(model, params, in_blocks, cut, name):
    options = OPTIONS[name]
    z, data = (X, DATA) if cut is None else (np.asarray(first(params, X)), HIDDEN)
    g = net if cut is None else second
    singles = by_hand(
        lambda t: scored(g(params, t)),
        [z],
        [data],
        options.get("seed", 0),
        options.get("multiply_activation", True),
    )
    if "contract" in options:
        singles = [[s.sum(-1) for s in each] for each in singles]
    (expected,) = mean(singles)
    error = np.std([s for (s,) in singles], axis=0, ddof=1) / np.sqrt(N)
    method = ExpectedGradients(model, data, N, qoi=ClassQoI(CLASSES), doi_cut=cut, **options)
    for _ in range(2):
        assert relative_error(method.attributions(X), expected) <= 1e-12
    result = method.explain(X)
    assert relative_error(result.attributions, expected) <= 1e-12
    assert relative_error(result.standard_error, error) <= 1e-12
    assert in_blocks == []
    ends = np.asarray([data[drawn(options.get("seed", 0), i, 9)[0]] for i in range(N)])
    at_ends = np.mean([scored(g(params, 0 * z + e)) for e in ends], axis=0)
    if result.baseline_quantity is not None:
        assert relative_error(result.baseline_quantity, at_ends) <= 1e-12
    assert (result.baseline_quantity is None) == ("multiply_activation" in options)


def test_of_several_tensors_each_has_its_rows(params, in_blocks):
    model = get_model_wrapper(pair, backend="jax", params=params)
    zs, data = [X, X[::-1].copy()], [DATA, 2 * DATA[::-1]]
    expected = mean(by_hand(lambda a, b: scored(pair(params, a, b)), zs, data))
    method = ExpectedGradients(model, data, N, qoi=ClassQoI(CLASSES))
    for _ in range(2):
        found = method.attributions(*zs)
        assert all(relative_error(f, e) <= 1e-12 for f, e in zip(found, expected, strict=True))
    once = mean(by_hand(lambda a, b: scored(pair(params, a, b)), zs, [DATA, DATA]))
    found = ExpectedGradients(model, DATA, N, qoi=ClassQoI(CLASSES)).attributions(*zs)
    assert all(relative_error(f, e) <= 1e-12 for f, e in zip(found, once, strict=True))
    assert in_blocks == []


def test_at_several_places_each_has_its_rows(params):
    def whole(p, a, b):
        return both(p, tap(first(p, a), "a"), tap(first(p, b), "b"))

    def both(p, a, b):
        return second(p, a * jnp.tanh(b))

    model = get_model_wrapper(whole, backend="jax", params=params)
    xs, data = [X, X[::-1].copy()], [HIDDEN, 2 * HIDDEN[::-1]]
    zs = [np.asarray(first(params, x)) for x in xs]
    expected = mean(by_hand(lambda a, b: scored(both(params, a, b)), zs, data))
    qoi, cut = ClassQoI(CLASSES), Cut(["a", "b"])
    method = ExpectedGradients(model, data, N, qoi=qoi, doi_cut=cut)
    for _ in range(2):
        found = method.attributions(*xs)
        assert all(relative_error(f, e) <= 1e-12 for f, e in zip(found, expected, strict=True))


STATISTICS = {
    "mean": lambda s: np.mean(s, axis=0),
    "second_moment": lambda s: np.mean(np.square(s), axis=0),
    "variance": lambda s: np.var(s, axis=0),
}


@pytest.mark.parametrize("rows", [None, 12])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_other_statistics_are_of_multiplied_gradients(model, params, in_blocks, statistic, rows):
    singles = by_hand(lambda t: scored(net(params, t)), [X], [DATA])
    expected = STATISTICS[statistic]([s for (s,) in singles])
    qoi, doi = ClassQoI(CLASSES), DataDoi(DATA, N)
    method = InternalInfluence(model, None, qoi, doi, statistic=statistic, rebatch_size=rows)
    assert relative_error(method.attributions(X), expected) <= 1e-12
    assert in_blocks == []


def test_rules_that_compare_are_given_each_point_s_row(model, in_blocks, monkeypatch):
    def found():
        rules, doi = composites.deep_lift(), DataDoi(DATA, N)
        return InputAttribution(model, None, 1, doi=doi, rules=rules).attributions(X)

    ours = [found(), found()][-1]
    assert in_blocks == []
    monkeypatch.setattr(ProgramGroup, "_can_be_one", lambda _: False)
    assert relative_error(ours, found()) <= 1e-12
    assert in_blocks == [1]


def test_what_is_drawn_and_from_what_is_data(model, compiled):
    data = DATA.copy()
    doi = DataDoi(data, N)
    method = InternalInfluence(model, None, 1, doi, statistic=SampleMean())

    def fresh():
        other = DataDoi(data.copy(), doi.samples, seed=doi.seed)
        return InternalInfluence(model, None, 1, other, statistic=SampleMean()).attributions(X)

    found = [method.attributions(X) for _ in range(2)]
    with compiled() as names:
        data *= 2
        found.append(method.attributions(X))
        assert (found[-1] == fresh()).all()
        doi.seed = 4
        found.append(method.attributions(X))
        assert (found[-1] == fresh()).all()
        ExpectedGradients(model, RNG.normal(size=(20, 5)), N, qoi=1).attributions(X)
    assert names == []
    assert (found[0] == found[1]).all()
    assert relative_error(found[2], found[1]) > 0.1
    assert relative_error(found[3], found[2]) > 0.1
    doi.samples = 4
    assert relative_error(method.attributions(X), fresh()) <= 1e-12


def test_programs_of_one_model_are_told_apart(model):
    def found(**options):
        method = ExpectedGradients(model, DATA, N, qoi=1, **options)
        return [np.asarray(method.attributions(X)) for _ in range(2)][-1]

    whole, alone = found(), found(multiply_activation=False)
    assert relative_error(found(contract=-1), whole.sum(-1)) <= 1e-12
    assert relative_error(found(contract=-1, multiply_activation=False), alone.sum(-1)) <= 1e-12
    result = ExpectedGradients(model, DATA, N, qoi=1, rebatch_size=12).explain(X)
    more = ExpectedGradients(model, DATA, N + 1, qoi=1, rebatch_size=12).explain(X)
    assert (np.asarray(more.standard_error) != np.asarray(result.standard_error)).any()
    again = ExpectedGradients(model, DATA, N, qoi=1).explain(X)
    assert relative_error(again.standard_error, result.standard_error) <= 1e-12


def test_steps_that_float16_cannot_hold_are_taken_in_float32(in_blocks):
    model = get_model_wrapper(
        lambda p, x: x @ p, backend="jax", params=jnp.full((5, 1), 1e-4, "f2")
    )
    x, data = jnp.full((1, 5), 4e4, "f2"), np.full((3, 5), -4e4)
    for _ in range(2):
        found = ExpectedGradients(model, data, N, qoi=0).attributions(x)
        assert relative_error(found, np.full((1, 5), 8.0)) <= 0.01
    assert in_blocks == []


@pytest.mark.parametrize("rows", [None, 6], ids=["whole", "blocks"])
@pytest.mark.parametrize("kind", [">f8", ">i4", "longdouble"])
def test_numbers_that_no_framework_holds_are_taken_as_float64(model, in_blocks, kind, rows):
    odd = np.round(8 * DATA).astype(kind)
    found, expected = (
        ExpectedGradients(model, d, N, qoi=1, rebatch_size=rows).attributions(X)
        for d in (odd, odd.astype("float64"))
    )
    assert (found == expected).all()
    assert in_blocks == []


class Halfway(DataDoi):
    """Other points than those of its class."""

    def points(self, records, baseline):
        found = super().points(records, baseline)
        return found._replace(stack=lambda i, j: [0.5 * t for t in found.stack(i, j)])


def test_points_of_a_subclass_are_its_own(model):
    plain, other = (InternalInfluence(model, None, 1, kind(DATA, N)) for kind in (DataDoi, Halfway))
    assert relative_error(other.attributions(X), plain.attributions(X)) > 0.01


def test_data_that_do_not_fit_are_told(model):
    for data, told in (
        (HIDDEN, "rows of data have shape"),
        (np.array([["a"] * 5]), "give a number"),
    ):
        with pytest.raises(DoiError, match=told):
            ExpectedGradients(model, data, N, qoi=1).attributions(X)
    integers = (10 * DATA).astype("int64")
    found, expected = (
        ExpectedGradients(model, d, N, qoi=1).attributions(X)
        for d in (integers, integers.astype("float64"))
    )
    assert (found == expected).all()
    with pytest.raises(DoiError, match="multipliers at"):
        InternalInfluence(model, "h", 1, DataDoi(DATA, N)).attributions(X)

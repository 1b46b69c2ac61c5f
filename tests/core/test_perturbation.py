"""Designs and solvers beside their definitions, on the reference backend and on functions."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest

from trulens_core import (
    LIME,
    RISE,
    Ablation,
    Baselines,
    Blurred,
    ChannelMean,
    IntegratedGradients,
    InternalInfluence,
    KernelSHAP,
    Marginal,
    Occlusion,
    Saliency,
    ScoreCAM,
    Segments,
    ShapleyValues,
    Sobol,
    get_backend,
    get_model_wrapper,
)
from trulens_core.errors import DoiError, NoBackendError, TrulensWarning, UnsupportedModelError
from trulens_core.perturbation.grids import Grids
from trulens_core.perturbation.kernel import Kernel
from trulens_core.perturbation.permutations import Permutations
from trulens_core.perturbation.sequences import Exchanges
from trulens_core.rules import Gradient, RuleSet
from trulens_core.segments import resolved
from trulens_core.testing import small_image_model, small_model

RNG = np.random.default_rng(5)
W = RNG.standard_normal((10, 6))
X = RNG.standard_normal((3, 10))
DATA = RNG.standard_normal((200, 10))


def network(x):
    return np.tanh(x @ W).sum(axis=1) + x[:, 0] * x[:, 1] * x[:, 2]


def function(f=network):
    return get_model_wrapper(f, backend="function")


def first(y):
    return y


def regions(n):
    return resolved(None, [np.zeros((1, n))])[0]


def game(x, baseline, f=network):
    """f for all coalitions, {frozenset: value}, each replaced by one baseline."""
    n = len(x)
    kept = np.array(list(itertools.product([False, True], repeat=n)))
    values = f(np.where(kept, x, baseline))
    return {frozenset(np.flatnonzero(k).tolist()): v for k, v in zip(kept, values, strict=True)}


def weighted(v, n, pick, weight):
    """Σ over coalitions T without `pick` of weight(|T|) · the difference of order |pick|."""
    rest = [s for s in range(n) if s not in pick]
    total = 0.0
    for size in range(len(rest) + 1):
        for t in itertools.combinations(rest, size):
            for r in range(len(pick) + 1):
                for some in itertools.combinations(pick, r):
                    sign = (-1) ** (len(pick) - r)
                    total += weight(size) * sign * v[frozenset(t) | frozenset(some)]
    return total


def shapley(v, n):
    def weight(t):
        return math.factorial(t) * math.factorial(n - t - 1) / math.factorial(n)

    return np.array([weighted(v, n, (s,), weight) for s in range(n)])


@pytest.fixture(scope="module")
def exact():
    return ShapleyValues(function(), qoi=first, baseline=0.2).explain(X)


# -- by definition -----------------------------------------------------------------------------


def test_exact_values_are_those_of_the_definition(exact):
    for x, found in zip(X, exact.attributions, strict=True):
        np.testing.assert_allclose(found, shapley(game(x, 0.2), 10), rtol=0, atol=1e-12)


def test_a_linear_function_has_its_terms():
    coefficients = np.arange(10.0)
    model = function(lambda x: x @ coefficients)
    for options in ({}, {"samples": 2}):
        found = ShapleyValues(model, qoi=first, baseline=Marginal(DATA[:20]), **options)
        expected = coefficients * (X - DATA[:20].mean(axis=0))
        np.testing.assert_allclose(found.attributions(X), expected, atol=1e-12)
    found = KernelSHAP(model, qoi=first, baseline=Marginal(DATA[:20]), samples=100).attributions(X)
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_interactions_are_those_of_the_definition():
    n, x = 6, X[0]
    model = function(lambda z: network(np.concatenate([z, np.tile(x[n:], (len(z), 1))], axis=1)))
    v = game(x[:n], 0.2, model.model)
    weights = {
        "sii": lambda t: math.factorial(t) * math.factorial(n - t - 2) / math.factorial(n - 1),
        "taylor": lambda t: 2 / (n * math.comb(n - 1, t)),
    }
    for index, weight in weights.items():
        result = ShapleyValues(model, qoi=first, baseline=0.2, interactions=index).explain(
            X[:1, :n]
        )
        found = result.attributions[0]
        for s, t in itertools.combinations(range(n), 2):
            expected = weighted(v, n, (s, t), weight)
            assert found[s, t] == found[t, s] == pytest.approx(expected, abs=1e-12)
        own = (
            shapley(v, n)
            if index == "sii"
            else [v[frozenset([s])] - v[frozenset()] for s in range(n)]
        )
        np.testing.assert_allclose(np.diag(found), own, atol=1e-12)
    assert abs(result.residual[0]) < 1e-12
    gained = result.quantity - result.baseline_quantity
    assert np.triu(found).sum() == pytest.approx(gained[0])


def test_the_regression_over_all_coalitions_is_exact(exact):
    found = KernelSHAP(function(), qoi=first, baseline=0.2).explain(X)
    np.testing.assert_allclose(found.attributions, exact.attributions, atol=1e-10)
    assert found.n_evaluations.tolist() == [1024] * 3
    assert not found.standard_error.any()


def test_a_regression_is_the_normal_equations(exact):
    """With the masks and weights of the design, solved by a Lagrange multiplier at once."""
    design = Kernel(300, seed=3).masks(regions(10), drawn=False)
    masks = design(2, design.n).astype(float)
    drawn = len(masks) - len(design.fixed)
    weights = np.concatenate([design.weights, np.full(drawn, design.mass / drawn)])
    assert weights.sum() == pytest.approx(1)
    for x, q, b, found in zip(
        X,
        exact.quantity,
        exact.baseline_quantity,
        KernelSHAP(function(), samples=300, seed=3, qoi=first, baseline=0.2).attributions(X),
        strict=True,
    ):
        y = network(np.where(masks > 0, x, 0.2)) - b
        a = np.ones((11, 11))
        a[:10, :10], a[10, 10] = masks.T @ (masks * weights[:, None]), 0
        right = np.append(masks.T @ (weights * y), q - b)
        np.testing.assert_allclose(found, np.linalg.solve(a, right)[:10], atol=1e-11)


def test_lime_is_a_weighted_ridge():
    linear_model = pytest.importorskip("sklearn.linear_model")
    points = LIME(function(), samples=300, qoi=first, return_doi=True).explain(X[:1])
    masks = (points.interventions[:, 0] != 0).astype(float)
    distance = 1 - masks.sum(axis=1) / np.sqrt(masks.sum(axis=1) * 10)
    ridge = linear_model.Ridge(alpha=1.0, fit_intercept=True)
    ridge.fit(
        masks,
        network(points.interventions[:, 0]),
        sample_weight=np.sqrt(np.exp(-(distance**2) / 0.25**2)),
    )
    np.testing.assert_allclose(points.attributions[0], ridge.coef_, atol=1e-9)


def test_rise_is_the_mean_where_a_place_is_kept():
    model, x = small_image_model()
    method = RISE(model, samples=60, cells=3, qoi=0, return_doi=True)
    result = method.explain(x)
    masks = Grids(60, 3, 0.5).masks(
        resolved(Segments.grid(1, channel_axis=1), [x])[0], drawn=False
    )(1, 61)
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_allclose(
        result.interventions[1:], masks.reshape(60, 1, 1, 8, 8) * x, rtol=1e-6
    )
    q = np.array([get_model_wrapper(model)(p)[:, 0] for p in result.interventions[1:]])
    wide = masks.astype(float)
    for r in range(2):
        expected = (q[:, r] @ wide / wide.sum(axis=0)).reshape(8, 8)
        np.testing.assert_allclose(result.attributions[r, 0], expected, rtol=1e-9)
    shifted = RISE(model, samples=60, cells=3, qoi=lambda y: y[:, 0] + 100.0).attributions(x)
    np.testing.assert_allclose(shifted, result.attributions + 100, rtol=1e-9)  # and no more leaks


def test_total_sobol_indices_of_ishigami():
    def ishigami(x):
        a = (2 * x - 1) * np.pi
        return np.sin(a[:, 0]) + 7 * np.sin(a[:, 1]) ** 2 + 0.1 * a[:, 2] ** 4 * np.sin(a[:, 0])

    true = np.array([0.5576, 0.4424, 0.2437])
    for options, error in (
        ({"samples": 1024}, 0.01),
        ({"samples": 1024, "sequence": "halton"}, 0.03),
    ):
        result = Sobol(function(ishigami), qoi=first, **options).explain(np.ones((1, 3)))
        np.testing.assert_allclose(result.attributions[0], true, atol=error)
        assert result.standard_error is None
    result = Sobol(function(ishigami), qoi=first, samples=1024, sequence="random").explain(
        np.ones((1, 3))
    )
    off = np.abs(result.attributions[0] - true) / result.standard_error[0]
    assert (off < 4).all()


def test_score_cam_by_hand():
    model, x = small_image_model()
    wrapper = get_model_wrapper(model)
    maps = wrapper.fprop(x, to_cut="relu2")
    found = ScoreCAM(model, "relu2", qoi=1).attributions(x)
    scores = []
    for c in range(maps.shape[1]):
        # the layer has half of the image's size: linear between the middles of its places
        at = np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3)
        low = np.floor(at).astype(int)
        part = at - low
        high = np.minimum(low + 1, 3)
        rows = maps[:, c][:, low] * (1 - part)[:, None] + maps[:, c][:, high] * part[:, None]
        wide = rows[:, :, low] * (1 - part) + rows[:, :, high] * part
        span = wide.max(axis=(1, 2), keepdims=True) - wide.min(axis=(1, 2), keepdims=True)
        mask = (wide - wide.min(axis=(1, 2), keepdims=True)) / np.where(span > 0, span, 1)
        scores.append(wrapper(x * mask[:, None])[:, 1] - wrapper(x * 0)[:, 1])
    e = np.exp(scores)
    expected = np.maximum(np.einsum("cr,rchw->rhw", e / e.sum(axis=0), maps), 0)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-10)


def test_overlapping_windows_give_the_mean_of_those_that_cover():
    model, x = small_image_model()
    found = Occlusion(model, 3, stride=2, qoi=0, baseline=0.5).attributions(x)
    wrapper = get_model_wrapper(model)
    total, count = np.zeros((2, 8, 8)), np.zeros((8, 8))
    for i, j in itertools.product([0, 2, 4, 6], repeat=2):
        y = x.copy()
        y[:, :, i : i + 3, j : j + 3] = 0.5
        total[:, i : i + 3, j : j + 3] += (wrapper(x) - wrapper(y))[:, 0, None, None]
        count[i : i + 3, j : j + 3] += 1
    np.testing.assert_allclose(found[:, 0], total / count, rtol=1e-10)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])


def test_one_at_a_time(exact):
    v = [game(x, 0.2) for x in X]
    everything = frozenset(range(10))
    out = Ablation(function(), qoi=first, baseline=0.2).explain(X)
    alone = Ablation(function(), qoi=first, baseline=0.2, kind="keep_one_in").explain(X)
    for r, s in itertools.product(range(3), range(10)):
        assert out.attributions[r, s] == pytest.approx(v[r][everything] - v[r][everything - {s}])
        assert alone.attributions[r, s] == pytest.approx(v[r][frozenset([s])] - v[r][frozenset()])
    assert out.residual is None
    assert out.baseline_quantity is None
    np.testing.assert_allclose(out.quantity, exact.quantity)


# -- designs -----------------------------------------------------------------------------------


def test_masks_are_drawn_by_philox_of_seed_and_number_alone():
    """The numbers themselves: explanations can be made again, in any version of NumPy."""
    orders = Permutations(4, seed=7).masks(regions(5), drawn=False)
    assert orders.ranks(0, 2)[:, 0].tolist() == [[1, 0, 2, 4, 3], [1, 0, 3, 2, 4]]
    kernel = Kernel(40, seed=7).masks(regions(8), drawn=False)
    first_two = kernel.coalitions(0, 2).astype(int)
    assert ["".join(map(str, row)) for row in first_two] == ["11111101", "10101010"]


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize(
    "design", [Permutations(7), Permutations(5, antithetic=False), Kernel(80), Kernel(600)], ids=str
)
def test_masks_do_not_depend_on_how_they_are_cut(design, drawn):
    masks = design.masks(regions(7), drawn)
    whole = masks(0, masks.n)
    assert len(whole) == masks.n
    assert whole[0].all()
    pieces = [masks(i, min(i + 13, masks.n)) for i in range(0, masks.n, 13)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    draws = masks.draws(0, masks.n)
    np.testing.assert_array_equal(draws[5:9], masks.draws(5, 9))


def test_a_pair_is_a_coalition_and_its_complement():
    masks = Kernel(200, seed=1).masks(regions(12), drawn=False)
    drawn = masks(masks.n - 2 * masks.pairs, masks.n)
    np.testing.assert_array_equal(drawn[::2], ~drawn[1::2])
    assert len(masks.fixed) == 24  # one, or all but one
    assert set(drawn.sum(axis=1)) <= set(range(2, 11))


def test_antithetic_orders_are_reversed():
    ranks = Permutations(6).masks(regions(5), drawn=False).ranks(0, 3)
    np.testing.assert_array_equal(ranks[:, 0] + ranks[:, 1], 4)


def test_a_shifted_sequence_fills_each_axis():
    masks = Exchanges(64, "sobol", seed=3).masks(regions(3), drawn=False)
    points = masks(1, masks.n).reshape(64, 4, 3)[:, 0]
    for axis in range(3):
        assert set((points[:, axis] * 64).astype(int)) == set(range(64))


def test_few_samples_are_refused():
    many = np.zeros((1, 64))
    model = function(lambda x: x.sum(axis=1))
    with pytest.raises(ValueError, match=r"give samples=320 or more"):
        KernelSHAP(model, samples=128, qoi=first).attributions(many + 1)
    with pytest.raises(ValueError, match=r"there are 64 segments.*give samples="):
        ShapleyValues(model, qoi=first).attributions(many)


def test_few_segments():
    """One segment, or none that differs from its baseline."""
    x = np.array([[0.0, 2.0], [0.0, 0.0]])
    model = function(lambda z: z.sum(axis=1) ** 2)
    for method in (KernelSHAP(model, qoi=first), ShapleyValues(model, samples=4, qoi=first)):
        result = method.explain(x)
        np.testing.assert_allclose(result.attributions, [[0, 4], [0, 0]])
        np.testing.assert_allclose(result.residual, 0)
    one = ShapleyValues(model, Segments.of(0), samples=4, qoi=first).explain(x)
    np.testing.assert_allclose(one.attributions, [[4, 4], [0, 0]])
    drawn = Marginal(np.arange(80.0).reshape(40, 2))
    for method in (KernelSHAP, ShapleyValues):
        found = method(model, Segments.of(0), samples=40, qoi=first, baseline=drawn).explain(x)
        gained = found.quantity - found.baseline_quantity
        np.testing.assert_allclose(found.attributions[:, 0], gained)
        assert (found.standard_error > 0).all()


# -- what takes a segment's place --------------------------------------------------------------


def test_every_row_of_few():
    data = DATA[:7]
    found = ShapleyValues(function(), qoi=first, baseline=Marginal(data)).explain(X)
    each = [ShapleyValues(function(), qoi=first, baseline=row).explain(X) for row in data]
    np.testing.assert_allclose(found.attributions, np.mean([r.attributions for r in each], axis=0))
    np.testing.assert_allclose(found.baseline_quantity, network(data).mean())
    assert found.n_evaluations.tolist() == [7 * 1024] * 3
    members = ShapleyValues(function(), qoi=first, baseline=Baselines(list(data))).explain(X)
    np.testing.assert_allclose(members.attributions, found.attributions)


def test_rows_are_drawn_anew_for_each_pair():
    baseline = Marginal(DATA)
    true = ShapleyValues(function(), qoi=first, baseline=Marginal(DATA, every=True)).explain(X)
    for method, samples in ((ShapleyValues, 400), (KernelSHAP, 2000)):
        found = method(function(), qoi=first, baseline=baseline, samples=samples).explain(X)
        off = np.abs(found.attributions - true.attributions) / found.standard_error
        assert (off < 4.5).all()
        assert 0.3 < np.sqrt((off**2).mean()) < 2
        np.testing.assert_allclose(found.residual, 0, atol=1e-12)
    with pytest.raises(DoiError, match="give fewer rows"):
        Ablation(function(), qoi=first, baseline=Marginal(DATA, every=False)).attributions(X)
    with pytest.raises(DoiError, match=r"give Marginal\(data\)"):
        Ablation(function(), qoi=first, baseline=Baselines.drawn(DATA, 3)).attributions(X)


def test_a_record_blurred_and_its_channels_means():
    model, x = small_image_model()
    at = np.arange(8)
    weights = np.exp(-((at[:, None] - at) ** 2) / (2 * 1.5**2))
    weights /= weights.sum(axis=1, keepdims=True)
    expected = np.einsum("ij,kl,bcjl->bcik", weights, weights, x)
    np.testing.assert_allclose(Blurred(1.5, 1)(x), expected, atol=1e-12)
    np.testing.assert_allclose(Blurred(2.0, 1)(np.ones_like(x)), 1)  # also at the edges
    means = ChannelMean(1)(x)
    np.testing.assert_allclose(means, np.broadcast_to(x.mean((2, 3), keepdims=True), x.shape))
    a = Ablation(model, Segments.grid(4), qoi=0, baseline=ChannelMean()).attributions(x)
    b = Ablation(model, Segments.grid(4), qoi=0, baseline=means).attributions(x)
    np.testing.assert_allclose(a, b, rtol=1e-12)
    line = IntegratedGradients(model, baseline=ChannelMean(), qoi=0).explain(x)
    assert np.abs(line.residual).max() < 0.05


# -- functions ---------------------------------------------------------------------------------


def test_a_function_has_no_gradients():
    for make in (Saliency, IntegratedGradients):
        with pytest.raises(UnsupportedModelError, match="ShapleyValues, KernelSHAP, LIME"):
            make(function(), qoi=first).attributions(X)
    with pytest.raises(UnsupportedModelError, match="give the method"):
        get_model_wrapper(W, backend="function")


def test_arrays_by_themselves_are_nobodys():
    with pytest.raises(NoBackendError):
        get_backend(np.zeros(3))
    assert get_backend(function()).name == "function"


def test_what_functions_return():
    """Numbers of one axis, integers, lists and truth values; the standard quantities take them."""
    for f, expected in (
        (lambda x: (x.sum(axis=1) > 0).astype(int), 1.0),
        (lambda x: [bool(r.sum() > 0) for r in x], 1.0),
    ):
        found = Ablation(function(f), qoi=first).explain(np.eye(3)[:1])
        np.testing.assert_array_equal(found.attributions, [[expected, 0, 0]])
    scores = function(lambda x: x @ W[:, :3])
    for qoi in ("max", "predicted", 1, (0, 2)):
        assert Ablation(scores, qoi=qoi).attributions(X).shape == X.shape
    with pytest.raises(UnsupportedModelError, match="predict_proba"):
        Ablation(function(lambda x: np.full(len(x), "a")), qoi=first).attributions(X)


def test_integers_are_masked_and_nothing_is_cast_to_them():
    counts = np.array([[3, 1, 0], [5, 0, 2]])
    seen = []

    def f(x):
        seen.append(x.dtype.kind)
        return x.sum(axis=1)

    found = Ablation(function(f), qoi=first).attributions(counts)
    np.testing.assert_array_equal(found, counts)
    assert set(seen) == {"i"}
    half = Ablation(function(f), qoi=first, baseline=0.5).attributions(counts)
    np.testing.assert_array_equal(half, counts - 0.5)


@pytest.mark.filterwarnings("error")
def test_data_frames_keep_their_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X[:, :3], columns=["a", "b", "c"])
    columns = []

    def f(table):
        columns.append(tuple(table.columns))
        return table["a"] * 2 + table["c"]

    found = Ablation(function(f), Segments.columns([["a", "b"]], list("abc")), qoi=first)
    values = found.attributions(frame)
    assert list(values.columns) == ["a", "b", "c"]
    np.testing.assert_allclose(values["a"], 2 * X[:, 0])
    np.testing.assert_allclose(values["c"], X[:, 2])
    assert set(columns) == {("a", "b", "c")}
    drawn = ShapleyValues(function(f), qoi=first, baseline=Marginal(frame)).explain(frame)
    assert np.abs(drawn.residual).max() < 1e-12
    assert drawn.names == {"features": ["a", "b", "c"]}
    assert "attributions: DataFrame (3, 3)" in repr(drawn)
    assert {s.name for s in drawn[0].top(3)[0]} <= {"a", "b", "c"}


def test_a_function_has_the_numbers_of_the_model_that_it_calls():
    model, x = small_model()
    wrapper = get_model_wrapper(model)
    same = function(wrapper)
    for make in (
        lambda m: Ablation(m, qoi=1),
        lambda m: ShapleyValues(m, samples=6, qoi="max"),
        lambda m: KernelSHAP(m, samples=26, qoi="predicted"),
        lambda m: LIME(m, samples=50, qoi=(0, 2)),
        lambda m: RISE(m, samples=20, cells=3, qoi=1),
        lambda m: Sobol(m, samples=8, qoi=1),
        lambda m: KernelSHAP(m, samples=60, qoi=1, baseline=Marginal(DATA[:, :5])),
    ):
        found, expected = make(same).attributions(x), make(wrapper).attributions(x)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


# -- options and errors ------------------------------------------------------------------------


def test_samples_are_doubled_to_a_stated_error():
    model, x = small_model()
    for method in (ShapleyValues, KernelSHAP):
        result = method(model, qoi=0, tolerance=0.01).explain(x)
        gained = np.abs(result.quantity - result.baseline_quantity)
        assert (result.standard_error.max(axis=1) <= 0.01 * gained).all()
        assert result.converged.all()
    with pytest.warns(TrulensWarning, match="raise max_samples="):
        few = ShapleyValues(model, qoi=0, tolerance=1e-6, max_samples=40).explain(x)
    assert not few.converged.any()
    assert few.n_points.tolist() == [2 + 40 * 4] * 2
    for bad in ({"tolerance": 2.0}, {"tolerance": 0.1, "samples": 3}):
        with pytest.raises(ValueError, match="tolerance"):
            ShapleyValues(model, **bad)


def test_a_value_of_several_tensors():
    """Numbers go on from tensor to tensor, and so do shares."""
    f = function(lambda a, b: (a.sum(axis=1) * b.sum(axis=(1, 2))) + a[:, 0])
    a, b = RNG.standard_normal((2, 3)), RNG.standard_normal((2, 2, 4))
    result = ShapleyValues(f, [None, Segments.of([[0], [1]])], qoi=first).explain(a, b)
    found = result.attributions
    assert [t.shape for t in found] == [a.shape, b.shape]
    total = found[0].sum(axis=1) + found[1][:, :, 0].sum(axis=1)
    np.testing.assert_allclose(total, result.quantity - result.baseline_quantity)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda m: Ablation(m, kind="both"), "leave_one_out"),
        (lambda m: ShapleyValues(m, interactions="other"), "taylor"),
        (lambda m: ShapleyValues(m, interactions="sii", samples=3), "leave samples="),
        (lambda m: LIME(m, distance="far"), "euclidean"),
        (lambda m: LIME(m, kernel_width=0), "kernel_width"),
        (lambda m: RISE(m, keep=1.5), "between 0 and 1"),
        (lambda m: Sobol(m, samples=33), "power of two"),
        (lambda m: Sobol(m, sequence="other"), "halton"),
        (lambda m: Ablation(m, return_grads=True), "no gradients"),
        (lambda m: ScoreCAM(m, "act", contract=-1), "no gradients"),
    ],
)
def test_options_that_cannot_be(make, match):
    with pytest.raises(ValueError, match=match):
        make(small_model()[0])


# -- honesty -----------------------------------------------------------------------------------

SEEDS = 200


def product(x):
    return np.tanh(x @ W).prod(axis=1) + network(x)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("10 pairs", lambda m, s: ShapleyValues(m, samples=20, seed=s, qoi=first)),
        ("6 masks a segment", lambda m, s: KernelSHAP(m, samples=60, seed=s, qoi=first)),
        (
            "rows with pairs of orders",
            lambda m, s: ShapleyValues(m, samples=20, seed=s, qoi=first, baseline=Marginal(DATA)),
        ),
        (
            "rows with pairs of masks",
            lambda m, s: KernelSHAP(m, samples=90, seed=s, qoi=first, baseline=Marginal(DATA)),
        ),
    ],
)
def test_standard_errors_are_honest(name, make):
    """The truth lies within 2 of them in 90 to 99 %, pooled over segments and records."""
    model = function(product)
    baseline = Marginal(DATA, every=True) if "rows" in name else None
    true = ShapleyValues(model, qoi=first, baseline=baseline).attributions(X)
    inside = []
    for seed in range(SEEDS):
        r = make(model, seed).explain(X)
        inside.append(np.abs(r.attributions - true) <= 2 * r.standard_error)
    assert 0.9 <= np.mean(inside) <= 0.99


def test_standard_errors_of_rise_are_honest():
    f = function(lambda x: np.sin(x.sum(axis=1)) + x[:, 3])
    x = np.linspace(0, 1, 12)[None]
    true = RISE(f, samples=40_000, cells=4, seed=9_999, qoi=first).attributions(x)
    inside = []
    for seed in range(SEEDS):
        r = RISE(f, samples=200, cells=4, seed=seed, qoi=first).explain(x)
        inside.append(np.abs(r.attributions - true) <= 2 * r.standard_error)
    assert 0.9 <= np.mean(inside) <= 0.99


def test_memory_does_not_grow_with_permutations():
    """Above what the masks of one block and the numbers that wait take."""
    model = function(lambda x: x.sum(axis=1))

    def peak(samples):
        tracemalloc.start()
        ShapleyValues(model, samples=samples, qoi=first).attributions(X)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)
    # a Python number for each point, its weight, is kept: 8 bytes of the 240 that its q would take
    assert peak(12_000) < 1.5 * peak(4_000)


@pytest.mark.parametrize(
    "option", [{"return_grads": True}, {"contract": -1}, {"rules": RuleSet([("*", Gradient())])}]
)
def test_options_of_gradients_are_refused(option):
    """Also for a statistic of one's own that takes none."""
    model, _ = small_model()
    (name,) = option
    with pytest.raises(ValueError, match=f"takes no gradients, so {name}= has none"):
        LIME(model, **option)
    statistic = LIME(model, samples=20).question().statistic
    with pytest.raises(ValueError, match=f"takes no gradients, so {name}= has none"):
        InternalInfluence(model, (None, None), 1, "point", statistic=statistic, **option)

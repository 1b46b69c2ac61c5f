"""Metrics of what is known: linear models, one pixel, chance, equals; and what is refused."""

import itertools
import math

import numpy as np
import pytest

from trulens_core import (
    ROAD,
    Ablation,
    Agreement,
    ClassQoI,
    Completeness,
    Complexity,
    DataRandomization,
    Deletion,
    FaithfulnessCorrelation,
    GradCAM,
    Infidelity,
    Insertion,
    IntegratedGradients,
    Localization,
    Metric,
    Monotonicity,
    PointingGame,
    Randomization,
    RelevanceMass,
    RelevanceRank,
    Saliency,
    Segments,
    Sensitivity,
    Sparseness,
    UnsupportedModelError,
    evaluate,
    get_model_wrapper,
)
from trulens_core.metrics import agreement
from trulens_core.metrics.road import filled_in
from trulens_core.testing import small_image_model, small_model

WEIGHTS = np.array([3.0, -1.0, 0.5, 0.0, 2.0])
SCORE = {"qoi": lambda y: y}


@pytest.fixture(scope="module")
def linear():
    """A model without a framework, and three records."""
    model = get_model_wrapper(lambda x: x @ WEIGHTS + 0.25, backend="function")
    return model, np.random.default_rng(0).normal(size=(3, 5))


def partial_sums(shares, order):
    """Q as the shares are taken away in this order, (records, n + 1)."""
    taken = np.cumsum(np.take_along_axis(shares, order, axis=1), axis=1)
    whole = shares.sum(axis=1, keepdims=True) + 0.25
    return np.concatenate([whole, whole - taken], axis=1)


def area(curve):
    return (curve[:, :-1] + curve[:, 1:]).mean(axis=1) / 2


def test_deletion_and_insertion_of_a_linear_model_in_closed_form(linear):
    model, x = linear
    shares = WEIGHTS * x
    order = np.argsort(-shares, axis=1)
    deleted = Deletion(model, **SCORE).score(shares, x)
    expected = partial_sums(shares, order)
    np.testing.assert_allclose(deleted.curve.values, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(deleted.values, area(expected), rtol=1e-12)
    inserted = Insertion(model, **SCORE).score(shares, x)
    kept = 0.25 + np.cumsum(np.take_along_axis(shares, order, axis=1), axis=1)
    np.testing.assert_allclose(inserted.curve.values[:, 1:], kept, rtol=1e-12, atol=1e-12)
    assert inserted.curve.values[:, 0].tolist() == [0.25] * 3
    for other in (-shares, np.abs(shares), x):  # no order does better
        assert (Deletion(model, **SCORE).score(other, x).values >= deleted.values - 1e-12).all()
        assert (Insertion(model, **SCORE).score(other, x).values <= inserted.values + 1e-12).all()


def test_steps_are_shares_of_the_segments(linear):
    model, x = linear
    halves = Segments.columns([[0, 1], [2, 3, 4]])
    curve = Deletion(model, halves, **SCORE).score(WEIGHTS * x, x).curve
    assert curve.at.tolist() == [0.0, 0.5, 1.0]
    two = Deletion(model, steps=(0.0, 0.4, 1.0), **SCORE).score(WEIGHTS * x, x).curve
    assert two.at.tolist() == [0.0, 0.4, 1.0]
    assert two.values.shape == (3, 3)
    with pytest.raises(ValueError, match="rise"):
        Deletion(model, steps=(0.5, 0.2))


def test_windows_that_overlap_and_records_with_segments_of_their_own(linear):
    model, x = linear
    shares = WEIGHTS * x
    windows = Segments.windows(3, stride=2)
    curve = Deletion(model, windows, **SCORE).score(shares, x).curve
    means = np.stack([shares[:, :3].mean(axis=1), shares[:, 2:].mean(axis=1)], axis=1)
    rest = np.where(means[:, 0] > means[:, 1], shares[:, 3:].sum(axis=1), shares[:, :2].sum(axis=1))
    np.testing.assert_allclose(curve.values[:, 1], rest + 0.25, rtol=1e-10)
    own = Segments.of(np.array([[0, 0, 1, 1, 2], [0, 1, 2, 3, 4], [0, 0, 0, 1, -1]]))
    together = Deletion(model, own, steps=1, **SCORE).score(shares, x)
    alone = [
        Deletion(model, Segments.of(labels), steps=1, **SCORE).score(shares[[i]], x[[i]]).values[0]
        for i, labels in enumerate(own.recipe.array)
    ]
    np.testing.assert_allclose(together.values, alone, rtol=1e-12)


def test_infidelity_of_a_linear_model_is_zero_for_its_gradient(linear):
    model, x = linear
    gradient, shares = np.broadcast_to(WEIGHTS, x.shape), WEIGHTS * x
    for how in ("noise", "removal", np.ones((4, 5))):
        slopes = Infidelity(model, perturbation=how, per_activation=True, **SCORE)
        assert slopes.score(gradient, x).values.max() < 1e-24
        in_units = Infidelity(model, perturbation=how, per_activation=False, **SCORE)
        assert in_units.score(shares, x).values.max() < 1e-24
        wrong = slopes.score(-gradient, x)
        assert wrong.values.min() > 1e-4
        scaled = Infidelity(
            model, perturbation=how, per_activation=True, scaled=True, **SCORE
        ).score(-7 * gradient, x)
        assert scaled.values.max() < 1e-24  # in other units, and no more
    still = x.copy()
    still[:, 0] = 0.0  # as the baseline: nothing is known of it, and nothing perturbed
    found = Infidelity(model, per_activation=False, **SCORE).score(WEIGHTS * still, still)
    assert found.values.max() < 1e-24


def test_what_adds_up(linear):
    model, x = linear
    shares = WEIGHTS * x
    complete = Completeness(model, **SCORE)
    assert complete.score(shares, x).values.max() < 1e-12
    np.testing.assert_allclose(complete.score(1.5 * shares, x).values, 0.5, rtol=1e-12)
    correlation = FaithfulnessCorrelation(model, size=2, **SCORE)
    np.testing.assert_allclose(correlation.score(shares, x).values, 1.0, rtol=1e-12)
    np.testing.assert_allclose(correlation.score(-shares, x).values, -1.0, rtol=1e-12)
    assert np.isnan(correlation.score(np.ones_like(x), x).values).all()  # it says nothing
    np.testing.assert_allclose(Monotonicity(model, **SCORE).score(shares, x).values, _rises(shares))


def _rises(shares):
    """The last steps bring what is not negative."""
    return (shares >= 0).mean(axis=1)


def test_values_of_segments_count_once(linear):
    """A method that gives each element its segment's whole number adds up over segments."""
    model, x = linear
    groups = Segments.columns([[0, 1], [2, 3, 4]])
    method = Ablation(model, groups, **SCORE)
    assert Completeness(model, **SCORE).score(method, x).values.max() < 1e-12
    assert Completeness(model, **SCORE).score(method.explain(x)).values.max() < 1e-12


def test_one_pixel():
    """A model of one pixel: an explanation that names it is perfect, a random one at chance."""
    n, size = 400, 8
    masks = np.zeros((n, 1, size, size), bool)
    masks[:, :, 2, 5] = True
    x = np.random.default_rng(0).uniform(0.5, 1, (n, 1, size, size))
    model = get_model_wrapper(lambda x: x[:, 0, 2, 5], backend="function")
    right, chance = masks.astype(float), np.random.default_rng(1).normal(size=x.shape)
    for metric in (PointingGame(masks), RelevanceMass(masks), RelevanceRank(masks)):
        assert metric.score(right).values.min() == 1.0
    assert Localization(masks).score(right).values.min() == 1.0
    wide = np.zeros_like(masks)
    wide[:, :, :4, :4] = True  # a quarter
    for metric in (PointingGame(wide), RelevanceMass(wide), RelevanceRank(wide)):
        score = metric.score(chance)
        assert abs(score.mean - 0.25) < 4 * score.standard_error
    score = Localization(wide).score(chance)
    assert abs(score.mean - 0.5) < 4 * score.standard_error
    score = Agreement(right[:, :, ::-1]).score(chance)
    assert abs(score.mean) < 4 * score.standard_error
    pixel = {"segments": Segments.grid(1), "qoi": lambda y: y}
    first = Deletion(model, steps=64, **pixel).score(right, x)
    np.testing.assert_allclose(first.values, x[:, 0, 2, 5] / 128, rtol=1e-12)
    random = Deletion(model, steps=8, **pixel).score(chance, x)
    assert abs(random.mean - x[:, 0, 2, 5].mean() / 2) < 4 * random.standard_error


def test_equals_are_judged_as_chance_is():
    """And not by where they stand."""
    n = 300
    x = np.ones((n, 20))
    model = get_model_wrapper(lambda x: x[:, 0], backend="function")
    seeds = [Deletion(model, seed=s, qoi=lambda y: y).score(0 * x[:1], x[:1]) for s in range(n)]
    areas = np.array([s.values[0] for s in seeds])
    assert abs(areas.mean() - 0.5) < 4 * areas.std() / math.sqrt(n)
    masks = np.zeros((1, 4), bool)
    masks[0, 0] = True
    for metric in (PointingGame(masks), RelevanceRank(masks)):
        assert metric.score(np.ones((1, 4))).values.tolist() == [0.25]
    assert Localization(masks).score(np.ones((1, 4))).values.tolist() == [0.5]
    alike = Agreement(np.ones((1, 4)), kind="top", k=2).score(np.ones((1, 4)))
    assert alike.values.tolist() == [1.0]  # but to say the same is to agree


def test_sizes():
    flat, one = np.ones((1, 8)), np.eye(8)[:1]
    assert Complexity().score(flat).values[0] == pytest.approx(math.log(8))
    assert Complexity().score(one).values[0] == 0.0
    assert Sparseness().score(flat).values[0] == 0.0
    assert Sparseness().score(one).values[0] == pytest.approx(7 / 8)
    assert np.isnan(Sparseness().score(0 * flat).values[0])


def test_standard_errors_are_honest(linear):
    """Of 200 seeds nearly all are within two of what very many samples give."""
    model, x = linear
    wrong = np.broadcast_to([1.0, 1.0, 1.0, 1.0, 1.0], x.shape)
    options = {"per_activation": True, "noise": 0.5, "qoi": lambda y: y}
    truth = Infidelity(model, samples=20_000, **options).score(wrong, x)
    exact = 0.25 * ((WEIGHTS - 1) ** 2).sum()  # of noise I, E (I · d)² = var ‖d‖²
    assert np.abs(truth.values - exact).max() < 4 * truth.sampling_error.max()
    found = [Infidelity(model, samples=200, seed=s, **options).score(wrong, x) for s in range(200)]
    off = np.array([np.abs(s.values - exact) < 2 * s.sampling_error for s in found])
    assert off.mean() > 0.9


def test_filling_in_is_the_mean_of_neighbours():
    """A plane is filled in as it is; an image that is all removed but a corner is that corner."""
    rows, columns = np.mgrid[:7, :9].astype(float)
    plane = (2 * rows + 3 * columns)[np.newaxis]
    inner = np.zeros((7, 9), bool)
    inner[2:5, 2:7] = True
    np.testing.assert_allclose(filled_in(plane, inner), plane, rtol=1e-12)
    all_but = np.ones((7, 9), bool)
    all_but[0, 0] = False
    np.testing.assert_allclose(filled_in(plane + 4, all_but), 4.0, rtol=1e-10)


def test_channels_of_a_layer_and_maps_of_another_size():
    model, x = small_image_model()
    qoi = ClassQoI(1)
    ablation = Ablation(model, Segments.channels(), qoi=qoi, doi_cut="relu2")
    score = Deletion(model, Segments.channels(), qoi=qoi, doi_cut="relu2").score(ablation, x)
    assert score.curve.values.shape[1] == 1 + ablation.attributions(x).shape[1]
    small = np.random.default_rng(0).normal(size=(len(x), 1, 3, 3))
    for metric in (Deletion(model, qoi=qoi), ROAD(model, qoi=qoi)):
        assert np.isfinite(metric.score(small, x).values).all()
        flat = metric.score(x.sum(axis=1), x)  # one number for all channels
        assert np.isfinite(flat.values).all()


def test_maps_of_another_size_are_explained_anew_too():
    model, x = small_image_model()
    method = GradCAM(model, "relu2", qoi=ClassQoI(1))
    metrics = [Sensitivity(samples=2), Randomization(), Sensitivity("average", samples=2)]
    found = evaluate({"cam": method}, model, x, [1, 1], metrics=metrics, baselines=False)
    assert list(found.scores["cam"]) == [m.name for m in metrics]
    own = found.scores["cam"]["Randomization"]
    assert own.curve.values.shape[0] == len(x)
    assert "Randomization ↓" in repr(found)


def test_batches_change_nothing():
    model, x = small_image_model()
    whole, one = (
        Deletion(model, qoi=ClassQoI(1), rebatch_size=rows).score(x, x).curve.values
        for rows in (None, 1)
    )
    np.testing.assert_allclose(whole, one, rtol=1e-12)
    alone = np.concatenate(
        [Deletion(model, qoi=ClassQoI(1)).score(x[[i]], x[[i]]).curve.values for i in range(len(x))]
    )
    np.testing.assert_allclose(whole, alone, rtol=1e-10)


# -- randomization -----------------------------------------------------------------------------


def test_randomization_leaves_the_model_and_depends_on_what_was_learnt():
    model, x = small_model()
    before = {name: w.copy() for name, w in model.weights.items()}
    method = Saliency(model, qoi=ClassQoI(0))
    score = Randomization(seed=1).score(method, x)
    assert all((before[name] == w).all() for name, w in model.weights.items())
    assert score.curve.steps == ("logits", "second", "hidden")
    assert score.mean < 0.9
    independent = Randomization("independent", layers=["hidden"], seed=1).score(method, x)
    assert independent.curve.values.shape == (2, 1)
    nothing = Randomization(layers={"none": []}).score(method, x)
    np.testing.assert_allclose(nothing.values, 1.0)
    np.testing.assert_allclose(DataRandomization(model).score(method, x).values, 1.0)


def test_what_randomization_refuses(linear):
    model, x = small_model()
    with pytest.raises(ValueError, match="give a method"):
        Randomization().score(np.ones((2, 5)), x)
    with pytest.raises(ValueError, match="no weights of their own"):
        Randomization(layers=["hiden"]).score(Saliency(model), x)
    function, rows = linear
    with pytest.raises(UnsupportedModelError, match="no copy"):
        function.with_weights({})
    with pytest.raises(ValueError, match="no weights"):
        Randomization().score(Ablation(function, **SCORE), rows)


# -- evaluate ----------------------------------------------------------------------------------


def test_evaluate_says_who_wins_by_how_much(linear):
    model, x = linear
    x = np.random.default_rng(2).normal(size=(40, 5))
    shares = WEIGHTS * x
    noisy = shares + np.random.default_rng(3).normal(size=x.shape)
    found = evaluate({"right": shares, "noisy": noisy}, model, x, qoi=lambda y: y)
    winner = found.winner("Deletion")
    assert (winner.name, winner.second) == ("right", "noisy")
    off = found.scores["noisy"]["Deletion"].values - found.scores["right"]["Deletion"].values
    assert winner.lead == pytest.approx(off.mean())
    assert winner.standard_error == pytest.approx(off.std(ddof=1) / math.sqrt(40))
    assert winner.share == pytest.approx(np.mean(off > 0) + np.mean(off == 0) / 2)
    assert winner.clear
    assert winner.knows
    assert "Deletion: right leads noisy by" in repr(found)
    assert "Sensitivity" not in found.scores["right"]
    frame = found.to_frame()
    assert list(frame.columns[:3]) == ["explanation", "metric", "mean"]
    assert set(frame.explanation) == {"right", "noisy", "random"}


def test_what_knows_nothing_is_told(linear):
    model, _ = linear
    x = np.random.default_rng(2).normal(size=(40, 5))
    guess = np.random.default_rng(5).normal(size=x.shape)
    found = evaluate(guess, model, x, qoi=lambda y: y)
    winner = found.winner("FaithfulnessCorrelation")
    assert winner.second == "random"
    assert not winner.knows
    assert "not clearly better than" in str(winner)


def test_evaluate_takes_what_there_is():
    model, x = small_image_model()
    masks = np.zeros(x.shape[:1] + x.shape[2:], bool)
    masks[:, 1:3, 1:3] = True
    named = [Saliency, lambda x: x, Saliency(model, qoi=ClassQoI([0, 1])).explain(x), Saliency]
    found = evaluate(named, model, x, [0, 1], masks=masks)
    names = ["Saliency", "<lambda>", "AttributionResult", "Saliency 2", "random", "edges"]
    assert list(found.scores) == names
    one, same = found.scores["Saliency"], found.scores["AttributionResult"]
    for metric in ("Deletion", "Insertion", "PointingGame", "Sparseness"):
        np.testing.assert_allclose(one[metric].values, same[metric].values, rtol=1e-10)
    names, means, _ = found.agreement
    assert names[0] == "Saliency"
    assert means[0, 2] == pytest.approx(1.0)
    figure = found.plot()
    titles = {axes.get_title() for axes in figure.axes}
    assert {"Deletion", "Deletion (lower is better)"} <= titles
    figure.canvas.draw()
    for axes in figure.axes:
        boxes = [t.get_window_extent() for t in axes.get_xticklabels() if t.get_text()]
        low, high = axes.bbox.x0 - 1, axes.bbox.x1 + 1
        inside = [b for b in boxes if low <= (b.x0 + b.x1) / 2 <= high]
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(inside)), axes.get_title()
    lines = [line for line in figure.axes[0].lines if line.get_label() in found.methods]
    assert len({line.get_linestyle() for line in lines}) == 4


def test_the_classes_may_be_those_predicted():
    model, x = small_model()
    metrics = [Deletion(model, qoi="predicted")]
    asked = evaluate(["ig"], model, x, "predicted", metrics=metrics, baselines=False)
    left = evaluate(["ig"], model, x, metrics=metrics, baselines=False)
    a, b = (found.scores["ig"]["Deletion"].values for found in (asked, left))
    assert np.array_equal(a, b)
    with pytest.raises(ValueError, match="qoi is 'dog'; it must be a QoI, 'max', 'predicted'"):
        evaluate(["ig"], model, x, "dog")


def test_evaluate_takes_names_as_explain_does():
    model, x = small_model()
    found = evaluate(["ig", "Saliency"], model, x, [0, 1], metrics=[Deletion(model, qoi=0)])
    assert list(found.scores) == ["ig", "Saliency", "random"]
    kinds = [IntegratedGradients, Saliency]
    same = evaluate(kinds, model, x, [0, 1], metrics=[Deletion(model, qoi=0)])
    for name, kind in zip(("ig", "Saliency"), kinds, strict=True):
        a, b = found.scores[name]["Deletion"], same.scores[kind.__name__]["Deletion"]
        assert np.array_equal(a.values, b.values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m, x: evaluate([], m, x), "nothing to judge"),
        (lambda m, x: evaluate({"random": x}, m, x), "choose others"),
        (lambda m, x: evaluate("salience", m, x), "it must be 'ig', .* or a class of a method"),
        (lambda m, x: evaluate(x, m, x, [0, 1], qoi=0), "not both"),
        (lambda m, x: evaluate(x, m, x, metrics=["Deletion"]), "such as"),
        (lambda m, x: Deletion(m).score(x), "give these too"),
        (lambda m, x: Deletion(m).score(x[:, :3], x), "do not fit"),
        (lambda m, x: Deletion(m).score(Saliency(m)), "give these too"),
        (lambda m, x: Sensitivity().score(x, x), "give a method"),
        (lambda m, x: Sensitivity("least"), "must be one of"),
        (lambda m, x: Infidelity(m, perturbation="removed"), "must be"),
        (lambda m, x: Infidelity(m, perturbation=x[:, :2]).score(Saliency(m), x), "do not fit"),
        (lambda m, x: Infidelity(m).score(x, x), "per_activation"),
        (lambda m, x: FaithfulnessCorrelation(m, samples=2), "three samples"),
        (lambda m, x: FaithfulnessCorrelation(m, size=9).score(x, x), "5 segments"),
        (
            lambda m, x: FaithfulnessCorrelation(m, samples=np.ones((4, 3), bool)).score(x, x),
            "masks are booleans",
        ),
        (lambda m, x: ROAD(m).score(x, x), "images"),
        (lambda m, x: ROAD(m, shares=[0.0]), "between 0 and 1"),
        (lambda m, x: PointingGame(x), "booleans"),
        (lambda m, x: PointingGame(np.zeros((2, 5), bool)).score(x), "are empty"),
        (lambda m, x: PointingGame(np.ones((2, 3), bool)).score(x), "do not fit"),
        (lambda m, x: Agreement(x, kind="cosine"), "must be one of"),
        (lambda m, x: Deletion(m, qoi=lambda y: y).score(x, x), "one number per record"),
    ],
)
def test_what_cannot_be_is_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make(*small_model())


def test_of_zeros_nothing_is_said():
    x = np.ones((2, 3))
    for metric in (Sensitivity(samples=2), Sensitivity("average", samples=2)):
        assert np.isnan(metric.score(lambda x: 0 * x, x).values).all()
    assert np.isnan(Complexity().score(0 * x).values).all()
    assert math.isnan(Complexity().score(0 * x).mean)


def test_a_metric_of_ones_own():
    class Spread(Metric):
        better = "lower"

        def _score(self, explained):
            return self._of(explained.values.std(axis=1))

    model, x = small_model()
    found = evaluate(Saliency, model, x, [0, 1], metrics=[Spread()])
    assert found.metrics == ("Spread",)
    assert len(found.scores["random"]["Spread"]) == 2


def test_agreement_of_several():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(30, 40))
    given = {"a": a, "twice": 2 * a + 1, "other": rng.normal(size=a.shape)}
    names, means, errors = agreement(given)
    assert names == list(given)
    assert means[0, 1] == pytest.approx(1.0)
    assert abs(means[0, 2]) < 4 * errors[0, 2]
    np.testing.assert_allclose(means, means.T)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_of_what_is_no_number_nothing_is_said(linear, broken):
    """Ranks have a place for nan, and would judge it."""
    model, x = linear
    values = x * WEIGHTS
    holed = values.copy()
    holed[1, 2] = broken
    masks = np.zeros(x.shape, bool)
    masks[:, :2] = True
    metrics = [Deletion(model, **SCORE), Insertion(model, **SCORE), Monotonicity(model, **SCORE)]
    metrics += [RelevanceRank(masks), Localization(masks), PointingGame(masks), Sparseness()]
    metrics += [Agreement(values, kind=kind) for kind in ("rank", "pearson", "top")]
    with np.errstate(invalid="ignore"):
        for metric in metrics:
            whole, found = metric.score(values, x).values, metric.score(holed, x).values
            assert np.isnan(found[1]), metric
            np.testing.assert_array_equal(found[[0, 2]], whole[[0, 2]])
        _, means, _ = agreement({"a": values, "b": holed}, kind="rank")
        assert means[0, 1] == means[1, 0] == 1
    for kind in ("rank", "pearson", "top"):
        assert np.isnan(Agreement(holed, kind=kind).score(values).values).tolist() == [0, 1, 0]


@pytest.mark.parametrize("size", [0.0, 1.5, True, float("nan")])
def test_sizes_that_are_no_share(linear, size):
    model, x = linear
    with pytest.raises(ValueError, match="size is"):
        FaithfulnessCorrelation(model, size=size, **SCORE).score(x * WEIGHTS, x)


def test_masks_below_zero_are_none():
    with pytest.raises(ValueError, match="masks are booleans"):
        PointingGame(np.array([[1, -1]]))


def test_classes_that_the_model_does_not_have():
    """A class beyond the last of one record was read from beside the scores."""
    model, x = small_model()
    for classes in ([0, 9], [0, -9]):
        with pytest.raises(IndexError, match="is out of range"):
            evaluate({"a": x}, model, x, classes)
        with pytest.raises(IndexError, match="is out of range"):
            Ablation(model, qoi=ClassQoI(np.array(classes))).attributions(x)

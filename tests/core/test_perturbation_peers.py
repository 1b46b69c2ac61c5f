"""Shapley values beside shap's, and LIME's solver beside lime's, on functions of arrays."""

import functools
import os

import numpy as np
import pytest

from trulens_core import KernelSHAP, Marginal, ShapleyValues, get_model_wrapper
from trulens_core.perturbation.lime import Nearness
from trulens_core.perturbation.regressions import Ridge

lime_base = pytest.importorskip("lime.lime_base")
shap = pytest.importorskip("shap")

RNG = np.random.default_rng(2)
W, X, DATA = (RNG.standard_normal(s) for s in ((7, 5), (4, 7), (12, 7)))
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


slow = pytest.mark.skipif(
    not os.environ.get("TRULENS_EVERY"), reason="shap compiles for 20 s: in make test-all"
)


def network(x):
    return np.tanh(np.asarray(x) @ W).sum(axis=1) + x[:, 0] * x[:, 1]


def method(kind, **options):
    model = get_model_wrapper(network, backend="function")
    return kind(model, qoi=lambda y: y, baseline=Marginal(DATA), **options)


@pytest.fixture(scope="module")
def exact():
    return method(ShapleyValues).explain(X)


@slow
def test_exact_values_are_shaps(exact):
    theirs = shap.ExactExplainer(network, shap.maskers.Independent(DATA, max_samples=100))(X)
    np.testing.assert_allclose(exact.attributions, theirs.values, atol=1e-10)
    np.testing.assert_allclose(exact.baseline_quantity, theirs.base_values, atol=1e-10)


def test_the_regression_over_all_coalitions_is_shaps(exact):
    theirs = shap.KernelExplainer(network, DATA).shap_values(
        X, nsamples=200, silent=True, l1_reg="num_features(7)"
    )
    ours = method(KernelSHAP, samples=200).attributions(X)
    np.testing.assert_allclose(ours, exact.attributions, atol=1e-10)
    np.testing.assert_allclose(theirs, exact.attributions, atol=1e-7)


@slow
def test_permutations_are_near_shaps(exact):
    explainer = shap.PermutationExplainer(
        network, shap.maskers.Independent(DATA, max_samples=100), seed=0
    )
    theirs = explainer(X, max_evals=10 * (2 * 7 + 1), silent=True).values
    ours = method(ShapleyValues, samples=20).explain(X)
    error = np.maximum(ours.standard_error, 1e-12)
    for found in (theirs, ours.attributions):
        off = np.abs(found - exact.attributions) / error
        assert np.sqrt((off**2).mean()) < 2
        assert off.max() < 6


class _Given:
    """Masks that are there."""

    def __init__(self, masks):
        self._masks, (self.n, self.n_segments) = masks, masks.shape

    def __call__(self, i, j):
        return self._masks[i:j]


@pytest.mark.parametrize(
    ("width", "distance"), [(0.25, "cosine"), (0.75 * np.sqrt(9), "euclidean")]
)
def test_the_ridge_is_limes(width, distance):
    """On its own masks, distances and labels; how its tabular explainer draws is another question:
    it perturbs bins of training data, and has no baseline."""
    masks = RNG.integers(2, size=(60, 9)).astype(float)
    masks[0], masks[:, 0] = 1, 1  # the distance from none is not a number
    labels = RNG.standard_normal((60, 2))
    if distance == "cosine":
        far = 1 - masks.sum(axis=1) / np.sqrt(masks.sum(axis=1) * 9)
    else:
        far = np.linalg.norm(masks - 1, axis=1)
    kernel = functools.partial(lambda d, w: np.sqrt(np.exp(-(d**2) / w**2)), w=width)
    solver = Ridge(_Given(masks), 2, kernel=Nearness(width, distance), alpha=1.0)
    solver.add(0, labels)
    found = solver.finish().values
    for column in range(2):
        _, terms, *_ = lime_base.LimeBase(kernel, random_state=0).explain_instance_with_data(
            masks, labels, far, column, 9, feature_selection="none"
        )
        np.testing.assert_allclose(found[column], [v for _, v in sorted(terms)], atol=1e-10)

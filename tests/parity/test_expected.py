"""Expected gradients: their standard errors mean what they say, and shap computes the same mean."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from trulens_core import AttributionResult, ClassQoI, ExpectedGradients

DRAWS = 200
SAMPLES = 40


@pytest.fixture(scope="module")
def case():
    """A network, a record, data, and the exact expectation by quadrature over all rows."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3)).double().eval()
    rng = np.random.default_rng(0)
    x, data = torch.from_numpy(rng.standard_normal((1, 6))), rng.standard_normal((30, 6))
    alphas, weights = np.polynomial.legendre.leggauss(30)
    truth = 0
    for row in torch.from_numpy(data):
        for a, w in zip((alphas + 1) / 2, weights / 2, strict=True):
            z = (row + a * (x - row)).requires_grad_()
            truth = truth + w * (x - row) * torch.autograd.grad(model(z)[0, 1], z)[0]
    return model, x, torch.from_numpy(data), (truth / len(data)).numpy()


def test_the_truth_lies_within_two_standard_errors(case):
    """In 92 to 98 % of draws: 95 % would be those of a normal distribution."""
    model, x, data, truth = case
    within = []
    for seed in range(DRAWS):
        method = ExpectedGradients(model, data, SAMPLES, qoi=ClassQoI(1), seed=seed)
        found = method.explain(x)
        off = np.abs(found.attributions.numpy() - truth)
        within.append(off <= 2 * found.standard_error.numpy())
    assert 0.92 <= np.mean(within) <= 0.98


def test_the_error_falls_with_the_root_of_the_samples(case):
    model, x, data, truth = case

    def rms(samples):
        found = [
            ExpectedGradients(model, data, samples, qoi=ClassQoI(1), seed=seed).attributions(x)
            for seed in range(40)
        ]
        return np.sqrt(np.mean((torch.stack(found).numpy() - truth) ** 2))

    assert rms(20) / rms(320) == pytest.approx(4, rel=0.25)


def test_residual_is_what_the_sample_misses(case):
    model, x, data, _ = case
    found = ExpectedGradients(model, data, SAMPLES, qoi=ClassQoI(1)).explain(x)
    gap = found.quantity - found.baseline_quantity - found.attributions.sum(1)
    assert torch.allclose(found.residual, gap, atol=1e-12)


def test_shap_has_the_same_expectation(case):
    """shap's GradientExplainer draws from NumPy's global generator, so means are compared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap imports what is deprecated
        import shap
    model, x, data, truth = case
    samples = 4000
    explainer = shap.GradientExplainer(copy.deepcopy(model).float(), [data.float()])
    theirs = np.asarray(explainer.shap_values([x.float()], nsamples=samples, rseed=3)[0])[..., 1]
    ours = ExpectedGradients(model, data, samples, qoi=ClassQoI(1)).explain(x)
    error = ours.standard_error.numpy()
    assert (np.abs(ours.attributions.numpy() - truth) <= 4 * error).all()
    assert (np.abs(theirs - truth) <= 4 * error).all()


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # shap asks matplotlib
def test_a_result_as_shap_s_own_object(case):
    model, x, data, _ = case
    result = ExpectedGradients(model, data, 8, qoi=ClassQoI(1)).explain(x)
    result = result.named(features=list("abcdef"))
    given = result.to_shap()
    np.testing.assert_array_equal(given.values, result.attributions)
    np.testing.assert_array_equal(given.base_values, result.baseline_quantity)
    np.testing.assert_array_equal(given.data, x)
    assert given.feature_names == list("abcdef")
    with pytest.raises(ValueError, match="one array, and there are 2"):
        AttributionResult([np.ones((1, 2))] * 2).to_shap()

"""Metrics beside Captum's and Quantus's, at equal perturbations."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.metrics import infidelity, sensitivity_max
from torch import nn

from trulens_core import (
    ClassQoI,
    Deletion,
    Infidelity,
    InputAttribution,
    IntegratedGradients,
    Randomization,
    Segments,
    Sensitivity,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

SCRIPT = Path(__file__).with_name("judged_by_quantus.py")
ROWS, SAMPLES = 5, 12


@pytest.fixture(scope="module")
def case():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)).double().eval()
    x = torch.randn(ROWS, 6, dtype=torch.float64)
    return model, x, torch.tensor([0, 2, 1, 0, 1])


def gradients(model, x, y):
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        model(x).gather(1, y[:, None]).sum().backward()
    return x.grad


def first(inputs):
    return inputs[0] if isinstance(inputs, tuple) else inputs


def perturbing(draws, sign, both):
    """A function as Captum asks for it, that hands out draws (records, samples, …) in order."""

    def function(inputs):
        moved = draws.reshape(-1, *draws.shape[2:])
        x = first(inputs)
        return (moved, x - moved) if both else x + sign * moved

    return function


@pytest.mark.parametrize("scaled", [False, True])
def test_infidelity_is_that_of_captum(case, scaled):
    model, x, y = case
    draws = torch.randn(ROWS, SAMPLES, 6, dtype=torch.float64) * 0.3
    a = torch.randn(ROWS, 6, dtype=torch.float64)
    expected = infidelity(
        model,
        perturbing(draws, -1, both=True),
        x,
        a,
        target=y,
        n_perturb_samples=SAMPLES,
        normalize=scaled,
    )
    metric = Infidelity(
        get_model_wrapper(model),
        qoi=ClassQoI(y),
        perturbation=draws.movedim(1, 0).numpy(),
        scaled=scaled,
        per_activation=True,
    )
    found = metric.score(a, x)
    assert relative_error(found.values, expected.numpy()) <= 1e-10
    gradient = InputAttribution(model, qoi=ClassQoI(y), multiply_activation=False)
    assert metric.score(gradient, x).mean < found.mean


def test_sensitivity_is_that_of_captum(case):
    model, x, y = case
    draws = (torch.rand(ROWS, SAMPLES, 6, dtype=torch.float64) - 0.5) * 0.1
    expected = sensitivity_max(
        lambda inputs, target: (gradients(model, first(inputs), target),),
        x,
        perturbing(draws, 1, both=False),
        n_perturb_samples=SAMPLES,
        target=y,
    )
    method = InputAttribution(model, qoi=ClassQoI(y), multiply_activation=False)
    found = Sensitivity(perturbation=draws.movedim(1, 0).numpy()).score(method, x)
    assert relative_error(found.values, expected.numpy()) <= 1e-10


def test_shares_of_integrated_gradients_are_divided_by_the_way_from_the_baseline(case):
    """Captum's advice for attributions in units of the quantity, done by hand."""
    model, x, y = case
    x = x.clone()
    x[:, 2] = 0.5  # as the baseline has it: nothing is known of it, and it is not perturbed
    base = torch.full((6,), 0.5, dtype=torch.float64)
    method = IntegratedGradients(model, base, 20, qoi=ClassQoI(y))
    shares = method.attributions(x)
    draws = torch.randn(SAMPLES, 6, dtype=torch.float64) * 0.2
    gap = x - base
    slopes = torch.where(gap == 0, 0.0, shares / torch.where(gap == 0, 1.0, gap))
    foretold = [(slopes * d).sum(1) for d in draws]
    with torch.no_grad():
        moved = [model(x - d * (gap != 0)).gather(1, y[:, None])[:, 0] for d in draws]
        q = model(x).gather(1, y[:, None])[:, 0]
    off = torch.stack([(f - (q - m)) ** 2 for f, m in zip(foretold, moved, strict=True)])
    metric = Infidelity(model, qoi=ClassQoI(y), perturbation=draws.numpy(), baseline=0.5)
    for given in (method, method.explain(x)):
        assert relative_error(metric.score(given, x).values, off.mean(0).numpy()) <= 1e-9
    with pytest.raises(ValueError, match="per_activation"):
        metric.score(shares, x)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.scores = nn.Embedding(30, 6), nn.Linear(6, 3)

    def encoded(self, z):
        return self.scores(torch.tanh(z).mean(1))

    def forward(self, ids):
        return self.encoded(self.embedding(ids))


def test_tokens_are_removed_at_the_embedding():
    """By hand: rows of the embedding become zeros, those of the greatest sum first."""
    torch.manual_seed(0)
    model, ids = Words().double().eval(), torch.randint(0, 30, (4, 7))
    at = {"qoi": 1, "doi_cut": "embedding"}
    tokens = Segments.of(np.arange(7)[:, np.newaxis])
    metric = Deletion(model, tokens, **at)
    whole = IntegratedGradients(model, **at)
    per_token = IntegratedGradients(model, contract=-1, **at)
    curve = metric.score(whole, ids).curve
    assert relative_error(metric.score(per_token, ids).curve.values, curve.values) <= 1e-10
    sums = whole.attributions(ids).sum(-1)
    with torch.no_grad():
        for record, order in enumerate(sums.argsort(dim=1, descending=True)):
            z = model.embedding(ids[record : record + 1]).clone()
            expected = [model.encoded(z)[0, 1]]
            for token in order:
                z[0, token] = 0.0
                expected.append(model.encoded(z)[0, 1])
            expected = torch.stack(expected).numpy()
            assert relative_error(curve.values[record], expected) <= 1e-10


def test_the_model_is_as_it_was_after_it_has_forgotten():
    torch.manual_seed(0)
    model, ids = Words().train(), torch.randint(0, 30, (4, 7))
    before = {name: w.clone() for name, w in model.state_dict().items()}
    method = IntegratedGradients(model, qoi=1, doi_cut="embedding", resolution=4)
    score = Randomization(layers=["scores", "embedding"]).score(method, ids)
    assert score.curve.steps == ("scores", "embedding")
    assert score.values.max() < 0.99
    assert all((w == before[name]).all() for name, w in model.state_dict().items())
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())


class Hidden(nn.Module):
    """Computes with a weight that a function holds, which no copy of the module has."""

    def __init__(self):
        super().__init__()
        self.scores = nn.Linear(6, 3)
        weight = self.scores.weight
        self.function = lambda x: x @ weight.T

    def forward(self, x):
        return self.function(torch.tanh(x))


def test_a_copy_that_is_none_is_told():
    x = torch.randn(4, 6)
    with pytest.warns(TrulensWarning, match=r"the output stayed the same.*\['scores'\]"):
        Randomization().score(InputAttribution(Hidden(), qoi=1), x)


def test_quantus_says_the_same():
    """By a process of its own: it imports every framework that is installed."""
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    deviations = found["deviations"]
    assert len(deviations) == 14
    # correlations are of differences of float32 scores, which lose digits
    assert deviations.pop("faithfulness correlation") <= 5e-6
    assert max(deviations.values()) <= 1e-6, deviations
    if "seconds" in found:  # where explanations take the time, nobody is much faster
        ratios = {name: theirs / ours for name, (theirs, ours) in found["seconds"].items()}
        assert ratios["faithfulness correlation"] >= 2, ratios
        assert ratios["pixel flipping"] >= 2, ratios

"""The parts on the page "of your own" run on JAX as they are, and give PyTorch's numbers."""

import runpy
from pathlib import Path

import jax
import numpy as np
import pytest
import torch

from trulens_core import InputAttribution, InternalInfluence, get_model_wrapper
from trulens_core.testing import relative_error

pages = runpy.run_path(str(Path(__file__).with_name("pages.py")))
EXACT = 1e-10


@pytest.fixture(scope="module")
def page():
    return pages["run"](pages["ROOT"] / "docs" / "how-to" / "own-parts.md", print=lambda *_: None)


@pytest.fixture(scope="module")
def weights():
    random = np.random.default_rng(0)
    return random.standard_normal((4, 8)), random.standard_normal((8, 3))


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).standard_normal((5, 4))


@pytest.fixture(scope="module")
def on_torch(weights):
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8, bias=False), torch.nn.Tanh(), torch.nn.Linear(8, 3, bias=False)
    ).double()
    for layer, w in zip((model[0], model[2]), weights, strict=True):
        layer.weight.data = torch.from_numpy(w.T.copy())
    return get_model_wrapper(model)


@pytest.fixture(scope="module")
def on_jax(weights):
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with enable(True):
        first, last = map(jax.numpy.asarray, weights)
        yield get_model_wrapper(lambda x: jax.numpy.tanh(x @ first) @ last, backend="jax")


def gradients_under_noise(weights, x, doi):
    """Of the score 1, by hand: (points, records, 4)."""
    first, last = weights
    points = np.stack([np.asarray(p) for p in doi(x)])
    slopes = 1 - np.tanh(points @ first) ** 2
    return (slopes * last[:, 1]) @ first.T


def test_a_statistic(page, on_torch, on_jax, weights, x):
    statistic, doi = page["MedianOfMeans"](), page["noise"]
    options = {"statistic": statistic, "rebatch_size": 11}
    there, here = (
        InternalInfluence(w, None, 1, doi, False, **options).attributions(x)
        for w in (on_torch, on_jax)
    )
    assert relative_error(here, there) <= EXACT
    groups = gradients_under_noise(weights, x, doi).reshape(-1, 3, *x.shape).mean(0)
    assert relative_error(here, np.median(groups, 0)) <= EXACT


def test_a_distribution_with_multipliers(page, on_torch, on_jax, weights, x):
    references = x[:3] + 1
    doi = page["BetweenRecords"](references)
    there, here = (InputAttribution(w, qoi=1, doi=doi).attributions(x) for w in (on_torch, on_jax))
    assert relative_error(here, there) <= EXACT
    first, last = weights
    by_hand = [
        (x - r) * (((1 - np.tanh((x + r) / 2 @ first) ** 2) * last[:, 1]) @ first.T)
        for r in references
    ]
    assert relative_error(here, np.mean(by_hand, 0)) <= EXACT


def test_both_together(page, on_torch, on_jax, weights, x):
    """The median of one multiplied point each is that of its three."""
    doi, statistic = page["BetweenRecords"](x[:3] + 1), page["MedianOfMeans"]()
    there, here = (
        InputAttribution(w, qoi=1, doi=doi, statistic=statistic).attributions(x)
        for w in (on_torch, on_jax)
    )
    assert relative_error(here, there) <= EXACT
    single = [
        InputAttribution(on_jax, qoi=1, doi=page["BetweenRecords"](r[None])).attributions(x)
        for r in x[:3] + 1
    ]
    assert relative_error(here, np.median(single, 0)) <= EXACT


def test_a_method(page, on_torch, on_jax, weights, x):
    there, here = (
        page["SteadyGradient"](w, noise=0.3, samples=6, qoi=1).attributions(x)
        for w in (on_torch, on_jax)
    )
    assert relative_error(here, there) <= EXACT
    doi = page["GaussianDoi"](0.09, 6)
    groups = gradients_under_noise(weights, x, doi).reshape(2, 3, *x.shape).mean(0)
    assert relative_error(here, np.median(groups, 0)) <= EXACT

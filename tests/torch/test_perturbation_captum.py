"""Ablation, occlusion, Shapley values and KernelSHAP beside Captum's."""

import numpy as np
import pytest
import torch
from captum.attr import (
    FeatureAblation,
    KernelShap,
    LayerFeatureAblation,
    ShapleyValueSampling,
)
from captum.attr import Occlusion as CaptumOcclusion
from torch import nn

from trulens_core import Ablation, KernelSHAP, Occlusion, Segments, ShapleyValues

LIMIT = 1e-10


@pytest.fixture(scope="module")
def cnn():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 3)
    ).double()


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=LIMIT, atol=LIMIT)


def test_feature_ablation(cnn, x):
    mask = torch.arange(36).reshape(6, 6)[None, None] // 3
    expected = FeatureAblation(cnn).attribute(x, baselines=0.3, target=1, feature_mask=mask)
    close(
        Ablation(cnn, Segments.of(mask[0].numpy()), baseline=0.3, qoi=1).attributions(x), expected
    )
    expected = FeatureAblation(cnn).attribute(x, target=1)
    close(Ablation(cnn, qoi=1, rebatch_size=50).attributions(x), expected)


def test_layer_ablation(cnn, x):
    expected = LayerFeatureAblation(cnn, cnn[1]).attribute(x, layer_baselines=0.2, target=2)
    close(Ablation(cnn, qoi=2, baseline=0.2, doi_cut="1").attributions(x), expected)


@pytest.mark.parametrize("stride", [2, 3])
def test_occlusion(cnn, x, stride):
    windows = {"sliding_window_shapes": (3, 3, 3), "strides": (3, stride, stride)}
    expected = CaptumOcclusion(cnn).attribute(x, baselines=0.1, target=0, **windows)
    found = Occlusion(cnn, 3, stride, baseline=0.1, qoi=0).attributions(x)
    torch.testing.assert_close(found.float(), expected, rtol=1e-5, atol=1e-6)  # it sums in float32


def test_sampled_values_are_near(cnn, x):
    """Captum has no standard error; its samples are like ours, so that both have ours."""
    mask = (torch.arange(6)[:, None] // 2 * 3 + torch.arange(6) // 2)[None, None]
    segments = Segments.of(mask[0].numpy())
    exact = ShapleyValues(cnn, segments, qoi=1).attributions(x)
    ours = ShapleyValues(cnn, segments, qoi=1, samples=40, antithetic=False).explain(x)
    theirs = ShapleyValueSampling(cnn).attribute(
        x, target=1, feature_mask=mask, n_samples=40, perturbations_per_eval=4
    )
    error = ours.standard_error.clamp_min(1e-12)
    assert float(((ours.attributions - exact).abs() / error).max()) < 5
    assert float(((theirs - exact).abs() / error).max()) < 5
    ours = KernelSHAP(cnn, segments, qoi=1, samples=200).attributions(x)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - Captum draws from it
    theirs = [
        KernelShap(cnn).attribute(row[None], target=1, feature_mask=mask, n_samples=200).double()
        for row in x
    ]
    # it draws coalitions one by one: its own spread is three to four times ours
    spread = (torch.cat(theirs) - exact).abs().max()
    assert float((ours - exact).abs().max()) < float(spread)
    torch.testing.assert_close(torch.cat(theirs), exact, rtol=0, atol=0.3)

"""A Hugging Face model of images, unchanged."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before the import: nothing is fetched

import numpy as np
import pytest
import torch
import transformers
from matplotlib.figure import Figure

from trulens_core import InputAttribution, IntegratedGradients, InternalInfluence, get_model_wrapper
from trulens_core.testing import relative_error
from trulens_core.visualizations import HeatmapVisualizer


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=16,
        patch_size=4,
        num_labels=3,
        initializer_range=0.2,
    )
    return transformers.ViTForImageClassification(config).eval().double()


@pytest.fixture
def pixels():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_logits_are_found(model, pixels):
    with torch.no_grad():
        expected = model(pixels).logits
    torch.testing.assert_close(get_model_wrapper(model)(pixel_values=pixels), expected)


def test_attributions_are_the_gradients(model, pixels):
    given = pixels.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(given).logits[:, 1].sum(), given)
    method = InputAttribution(model, qoi=1, multiply_activation=False)
    assert relative_error(method.attributions(pixels).numpy(), expected.numpy()) < 1e-10
    found = method.attributions(pixel_values=pixels)
    assert list(found) == ["pixel_values"]
    torch.testing.assert_close(found["pixel_values"], method.attributions(pixels))


def test_completeness_holds(model, pixels):
    method = IntegratedGradients(model, 0.5, 50, qoi=1, rule="gauss-legendre")
    result = method.explain(pixels)
    change = (result.quantity - result.baseline_quantity).abs()
    assert (result.residual.abs() <= 1e-3 * change).all()


@pytest.mark.parametrize("layer", ["vit.embeddings", "vit.layers.0", "vit.layernorm"])
def test_layers_are_cut_by_name(model, pixels, layer):
    found = InternalInfluence(model, layer, 1, "point").attributions(pixels)
    assert found.shape == (2, 17, 16)  # 16 patches and the class token


def test_attributions_are_shown_over_the_pixels(model, pixels):
    attributions = InputAttribution(model).attributions(pixels)
    shown = HeatmapVisualizer(blur=1)(attributions, pixels, fig=Figure())
    assert shown.shape == (2, 1, 16, 16)
    assert np.isfinite(shown).all()

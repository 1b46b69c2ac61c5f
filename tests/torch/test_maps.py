"""Class activation maps of layers as people have them: series, volumes, patches of tokens."""

import pytest
import torch
from torch import nn
from transformers import ViTConfig, ViTForImageClassification

from trulens_core import ClassQoI, Cut, CutError, GradCAM, get_model_wrapper
from trulens_core.testing import relative_error


class Series(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act, self.head = nn.Conv1d(2, 4, 3), nn.ReLU(inplace=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.act(self.conv(x)).mean(-1))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_a_series_says_where_its_channels_are():
    """(records, channels, steps) and (records, steps, channels) look alike."""
    model, x = Series().double(), torch.randn(3, 2, 8, dtype=torch.float64)
    with pytest.raises(CutError, match=r"shape \(3, 4, 6\); give channel_axis="):
        GradCAM(model, "conv").attributions(x)
    found = GradCAM(model, "conv", relu=False, qoi=ClassQoI(1), channel_axis=1).attributions(x)
    h = model.conv(x).detach().requires_grad_()
    score = model.head(torch.relu(h).mean(-1))[:, 1].sum()
    (g,) = torch.autograd.grad(score, h)
    expected = (g.mean(-1, keepdim=True) * h).sum(1, keepdim=True).detach()
    assert torch.allclose(found, expected, atol=1e-12)  # the layer after it writes into the maps


def test_volumes():
    layers = nn.Conv3d(1, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(81, 2)
    x = torch.randn(2, 1, 4, 4, 4)
    found = GradCAM(nn.Sequential(*layers), "1", "layercam").explain(x)
    assert found.attributions.shape == (2, 1, 3, 3, 3)
    assert found.upsampled(x).attributions.shape == x.shape


@pytest.fixture(scope="module")
def patches():
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        num_labels=5,
    )
    return get_model_wrapper(ViTForImageClassification(config).double().eval())


LAYER = "vit.layers.1.layernorm_before"


def test_patches_of_tokens(patches):
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    found = GradCAM(patches, LAYER, "hirescam", False, qoi=1, grid=(4, 4), prefix=1).explain(x)
    assert found.attributions.shape == (2, 4, 4, 1)
    assert found.upsampled(x).attributions.shape == (2, 1, 32, 32)
    tokens = patches.fprop(x, to_cut=LAYER)
    slopes = patches.qoi_bprop(
        ClassQoI(1), x, attribution_cut=LAYER, doi_cut=LAYER, intervention=tokens
    )
    by_hand = (tokens * slopes).sum(-1)[:, 1:].reshape(2, 4, 4, 1)
    assert torch.allclose(found.attributions, by_hand, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "options", "said"),
    [
        (LAYER, {"grid": (3, 4), "prefix": 1}, r"grid=\(3, 4\) and prefix=1 do not fit"),
        ("classifier", {}, r"shape \(2, 5\), without places"),
        (Cut(["vit.layers.0", "vit.layers.1"]), {}, "maps of one layer"),
    ],
)
def test_layers_without_maps(patches, layer, options, said):
    with pytest.raises(CutError, match=said):
        GradCAM(patches, layer, **options).attributions(torch.rand(2, 3, 32, 32))


def test_another_kind(patches):
    with pytest.raises(ValueError, match=r"kind is 'cam'; it must be one of gradcam, gradcam\+\+"):
        GradCAM(patches, LAYER, "cam")


@pytest.mark.parametrize("kind", ["gradcam", "gradcam++", "hirescam", "layercam", "xgradcam"])
def test_a_layer_that_changes_its_input_in_place(kind):
    """The activation is what the layer was given, and not what it made of it."""

    def network(inplace):
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 4, 1), nn.ELU(inplace=inplace), nn.Flatten(), nn.Linear(100, 3)
        return nn.Sequential(*layers).double()

    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    for cut in (Cut("1", "in"), Cut("0"), Cut("1")):
        found, expected = (
            GradCAM(network(inplace), cut, kind=kind, qoi=1, relu=False).attributions(x)
            for inplace in (True, False)
        )
        assert relative_error(found, expected) < 1e-12

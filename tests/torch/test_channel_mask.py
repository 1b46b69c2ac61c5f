"""ChannelMaskVisualizer with a real model."""

import numpy as np
import pytest
import torch

from trulens_core import (
    Cut,
    InputCut,
    InternalChannelQoI,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.visualizations import ChannelMaskVisualizer, MaskVisualizer

SIDE = 16
X = np.random.default_rng(0).uniform(0.1, 1, size=(2, 3, SIDE, SIDE)).astype(np.float32)


class Halves(torch.nn.Module):
    """Channel 0 is the upper half of the image, channel 1 the lower half, in grey."""

    def forward(self, x):
        grey = x.sum(1)
        upper = (torch.arange(SIDE) < SIDE // 2).to(x)[:, None]
        return torch.stack([grey * upper, grey * (1 - upper)], dim=1)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.halves = Halves()
        self.head = torch.nn.Conv2d(2, 4, 3)

    def forward(self, x):
        return self.head(torch.relu(self.halves(x))).mean((2, 3))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return get_model_wrapper(Model())


def influence(model, qoi, doi="point", layer="halves"):
    method = InternalInfluence(model, (InputCut(), layer), qoi, doi)
    return method.attributions(X)


def test_a_channel_shows_what_it_looks_at(model):
    for channel, seen in enumerate([slice(None, SIDE // 2), slice(SIDE // 2, None)]):
        show = ChannelMaskVisualizer(model, "halves", channel, blur=0, masked_opacity=0)
        result = show(X, imshow=False, return_tiled=False, threshold=0)
        expected = np.zeros_like(X)
        expected[:, :, seen] = X[:, :, seen]
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("layer", ["halves", Cut("halves"), 0])
def test_the_law(model, layer):
    show = ChannelMaskVisualizer(model, layer, [0, 1], doi="linear")
    attributions = influence(model, InternalChannelQoI([0, 1]), "linear")
    expected = MaskVisualizer()(attributions, X, imshow=False)
    np.testing.assert_array_equal(show(X, imshow=False), expected)


@pytest.mark.parametrize(
    "option",
    [
        {"channel_axis": 2, "channel": 5},
        {"agg_fn": lambda y: y[:, 2, 3]},
        {"doi": LinearDoi(baseline=0.5)},
        {"channel": 1},
    ],
    ids=["channel_axis", "agg_fn", "doi", "channel"],
)
def test_what_is_explained_has_an_effect(model, option):
    given = {"channel": 0, "blur": 1, "use_attr_as_opacity": True, **option}
    result = ChannelMaskVisualizer(model, "halves", **given)(X, imshow=False)
    plain = {"channel": 0, "blur": 1, "use_attr_as_opacity": True}
    assert np.any(result != ChannelMaskVisualizer(model, "halves", **plain)(X, imshow=False))
    qoi = InternalChannelQoI(given["channel"], given.get("channel_axis"), given.get("agg_fn"))
    attributions = influence(model, qoi, given.get("doi", "point"))
    mask = MaskVisualizer(blur=1, use_attr_as_opacity=True)
    np.testing.assert_array_equal(result, mask(attributions, X, imshow=False))


def test_preprocessed_is_explained_and_x_is_shown(model):
    pictures = np.round(255 * np.moveaxis(X, 1, 3)).astype(np.uint8)
    preprocessed = torch.tensor((X - 0.5) / 0.25)
    before = preprocessed.clone()
    show = ChannelMaskVisualizer(model, "halves", 0, blur=0, threshold=0, masked_opacity=1)
    result = show(pictures, preprocessed, imshow=False, return_tiled=False)
    np.testing.assert_allclose(result, pictures / 255, rtol=1e-6)
    assert torch.equal(preprocessed, before)


def test_tensors_give_the_same_as_arrays(model):
    show = ChannelMaskVisualizer(model, "halves", 0)
    np.testing.assert_array_equal(show(torch.tensor(X), imshow=False), show(X, imshow=False))


def test_a_layer_that_is_not_there_is_an_error(model):
    with pytest.raises(ValueError, match="halfs"):
        ChannelMaskVisualizer(model, "halfs", 0)(X, imshow=False)

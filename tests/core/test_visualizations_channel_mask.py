"""ChannelMaskVisualizer: what it asks of the attribution method, and what it does with it.

The attribution method is faked here; tests/torch has the real one.
"""

import numpy as np
import pytest

from trulens_core.quantities import InternalChannelQoI
from trulens_core.slices import InputCut
from trulens_core.visualizations import ChannelMaskVisualizer, MaskVisualizer, channel_masks

A = np.random.default_rng(0).normal(size=(2, 3, 12, 8))
X = np.random.default_rng(1).uniform(size=(2, 3, 12, 8))


class FakeModel:
    axis = None

    def channel_axis(self, cut):
        assert cut == InputCut()
        return self.axis


class FakeInfluence:
    made = ()
    explained = None
    model = FakeModel()

    def __init__(self, *arguments):
        FakeInfluence.made = arguments

    def attributions(self, x):
        FakeInfluence.explained = x
        return A


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    monkeypatch.setattr(channel_masks, "InternalInfluence", FakeInfluence)


def masked(**options):
    return MaskVisualizer(**options)(A, X, imshow=False)


def test_the_method_is_that_of_the_law():
    ChannelMaskVisualizer("model", "conv", 2, 1, max, "linear")
    model, (source, target), quantity, doi = FakeInfluence.made
    assert (model, source, target, doi) == ("model", InputCut(), "conv", "linear")
    assert isinstance(quantity, InternalChannelQoI)
    assert (quantity.channels, quantity.channel_axis, quantity.agg_fn) == ((2,), 1, max)


def test_doi_none_is_point():
    ChannelMaskVisualizer("model", "conv", 2)
    assert FakeInfluence.made[3] == "point"


def test_x_is_shown_and_explained():
    result = ChannelMaskVisualizer("model", "conv", 0)(X, imshow=False)
    assert FakeInfluence.explained is X
    np.testing.assert_array_equal(result, masked())


def test_x_preprocessed_is_explained_instead():
    preprocessed = X - 0.5
    shown = np.moveaxis(X, 1, 3)
    result = ChannelMaskVisualizer("model", "conv", 0)(shown, preprocessed, imshow=False)
    assert FakeInfluence.explained is preprocessed
    np.testing.assert_array_equal(result, masked())


OPTIONS = [
    {"blur": 1.0},
    {"threshold": 0.8},
    {"masked_opacity": 0.6},
    {"combine_channels": False},
    {"use_attr_as_opacity": True},
    {"positive_only": False},
]


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_options_are_those_of_mask_visualizer(option):
    at_construction = ChannelMaskVisualizer("model", "conv", 0, **option)(X, imshow=False)
    in_call = ChannelMaskVisualizer("model", "conv", 0)(X, imshow=False, **option)
    np.testing.assert_array_equal(at_construction, masked(**option))
    np.testing.assert_array_equal(in_call, at_construction)


def test_none_is_the_default_of_mask_visualizer():
    unset = dict.fromkeys(name for option in OPTIONS for name in option)
    result = ChannelMaskVisualizer("model", "conv", 0, **unset)(X, imshow=False)
    np.testing.assert_array_equal(result, masked())


def test_output_options_are_passed_on(tmp_path):
    from matplotlib.figure import Figure

    show = ChannelMaskVisualizer("model", "conv", 0)
    figure = Figure()
    result = show(X, None, tmp_path / "a.png", fig=figure, return_tiled=False)
    assert result.shape == X.shape
    assert (tmp_path / "a.png").is_file()
    assert len(figure.axes[0].images) == 1


def test_channel_axis_of_the_call_is_that_of_the_images(monkeypatch):
    square = np.random.default_rng(2).normal(size=(2, 4, 4, 4))
    monkeypatch.setattr(FakeInfluence, "attributions", lambda self, x: square)
    show = ChannelMaskVisualizer("model", "conv", 0, channel_axis=1)
    with pytest.raises(ValueError, match="Pass channel_axis"):
        show(np.abs(square), imshow=False)
    result = show(np.abs(square), imshow=False, channel_axis=3)
    expected = MaskVisualizer(channel_axis=3)(square, np.abs(square), imshow=False)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("axis", [1, -1])
def test_the_model_tells_the_axis_of_its_images(monkeypatch, axis):
    square = np.random.default_rng(2).normal(size=(2, 4, 4, 4))
    monkeypatch.setattr(FakeInfluence, "attributions", lambda self, x: square)
    monkeypatch.setattr(FakeModel, "axis", axis)
    result = ChannelMaskVisualizer("model", "conv", 0)(np.abs(square), imshow=False)
    expected = MaskVisualizer(channel_axis=axis % 4)(square, np.abs(square), imshow=False)
    np.testing.assert_array_equal(result, expected)


def test_images_laid_out_otherwise_than_the_models_are_looked_at(monkeypatch):
    monkeypatch.setattr(FakeModel, "axis", 1)
    shown = np.moveaxis(X, 1, 3)
    for given in (shown, X):  # the model may take them as they are, or as it has them
        result = ChannelMaskVisualizer("model", "conv", 0)(shown, given, imshow=False)
        np.testing.assert_allclose(result, MaskVisualizer()(A, shown, imshow=False))


def test_it_does_not_change():
    show = ChannelMaskVisualizer("model", "conv", 0)
    with pytest.raises(AttributeError):
        show.layer = "other"


def test_wrong_options_are_refused_at_once():
    with pytest.raises(ValueError, match="threshold must be between 0 and 1"):
        ChannelMaskVisualizer("model", "conv", 0, threshold=2)

"""Pictures of Keras images, whose channels come last unless a layer says otherwise."""

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import IntegratedGradients, InternalInfluence, LogitCut, get_model_wrapper
from trulens_core.visualizations import (
    ChannelMaskVisualizer,
    HeatmapVisualizer,
    MaskVisualizer,
    Visualizer,
)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([layers.Input((None, None, 3)), layers.Conv2D(4, 2, name="conv")])


@pytest.mark.parametrize("shape", [(2, 12, 8, 3), (2, 3, 5, 3), (1, 4, 3, 3)])
def test_the_model_says_where_channels_are(model, shape):
    """Also where sizes do not: of a height of 3, or of a width as large as the channels."""
    x = np.random.default_rng(0).uniform(size=shape).astype("float32")
    found = InternalInfluence(model, (0, "conv"), 3, "point").attributions(x)
    expected = MaskVisualizer(blur=0, channel_axis=3)(found, x, imshow=False)
    shown = ChannelMaskVisualizer(get_model_wrapper(model), "conv", 3, blur=0)(x, imshow=False)
    np.testing.assert_array_equal(shown, expected)


def test_the_channel_is_the_layers(model):
    kernel, _ = model.layers[0].get_weights()
    x = np.random.default_rng(0).uniform(size=(1, 6, 6, 3)).astype("float32")
    only = np.zeros_like(kernel)
    only[:, :, 1, 2] = 1  # its third channel looks at green
    model.layers[0].set_weights([only, np.zeros(4)])
    found = InternalInfluence(model, (0, "conv"), 2, "point").attributions(x)
    assert found[..., 1].all()
    assert not found[..., [0, 2]].any()


def test_the_others_find_channels_by_their_number(model):
    x = np.random.default_rng(0).uniform(size=(2, 12, 8, 3)).astype("float32")
    found = InternalInfluence(model, (0, "conv"), 0, "point").attributions(x)
    for show in (Visualizer(), HeatmapVisualizer(), MaskVisualizer()):
        pictures = () if type(show) is Visualizer else (x,)
        shown = show(found, *pictures, imshow=False, return_tiled=False)
        assert np.asarray(shown).shape[:3] == (2, 12, 8)
    square = found[:, :3]
    with pytest.raises(ValueError, match="Pass channel_axis"):
        Visualizer()(square, imshow=False)
    Visualizer(channel_axis=3)(square, imshow=False)


def test_a_title_has_the_class_at_the_scores():
    model = keras.Sequential([layers.Input((4,)), layers.Dense(3, "softmax", name="p")])
    wrapper = get_model_wrapper(model, logit_layer="p")
    x = np.random.default_rng(0).uniform(size=(2, 4)).astype("float32")
    found = IntegratedGradients(wrapper, qoi="predicted", qoi_cut=LogitCut()).explain(x)
    np.testing.assert_array_equal(found.target, np.argmax(wrapper(x), axis=1))

"""The tutorial that users know, at the documented paths, each step against a GradientTape."""

import keras
import numpy as np
import pytest

from trulens.nn.attribution import InputAttribution, IntegratedGradients, InternalInfluence
from trulens.nn.models import get_model_wrapper
from trulens.nn.quantities import InternalChannelQoI
from trulens.visualizations import ChannelMaskVisualizer, HeatmapVisualizer, MaskVisualizer
from trulens_core.errors import TrulensWarning

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="VGG16 is large: once is enough"
)
LAYER = "block4_conv3"


@pytest.fixture(scope="module")
def vgg():
    """In float64, where no rounding flips which element of a pool is the largest."""
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()  # of the layers; Keras keeps the first one it makes
    keras.config.set_floatx("float64")  # of the model's input
    keras.config.set_dtype_policy("float64")
    try:
        # the scores, as weights=None leaves the softmax of 1000 classes flat
        return keras.applications.VGG16(
            weights=None, input_shape=(96, 96, 3), classifier_activation=None
        )
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy(policy)


@pytest.fixture(scope="module")
def model(vgg):
    return get_model_wrapper(vgg)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).uniform(-100, 100, (1, 96, 96, 3))


@pytest.fixture(scope="module")
def halves(vgg):
    """The model up to the layer, and from there on."""
    layers = vgg.layers
    at = [layer.name for layer in layers].index(LAYER)

    def run(some):
        def call(t):
            for layer in some:
                t = layer(t)
            return t

        return call

    return run(layers[1 : at + 1]), run(layers[at + 1 :])


def largest(y):
    return keras.ops.max(y, axis=1)


def test_input_attribution(model, vgg, x, gradients, equal):
    [by_hand] = gradients(lambda t: largest(vgg(t)), x)
    equal(InputAttribution(model).attributions(x), x * by_hand, 1e-10)


def test_integrated_gradients(model, vgg, x, gradients, equal):
    found = IntegratedGradients(model, resolution=10).attributions(x)
    nodes = (np.arange(10) + 0.5) / 10
    [by_hand] = gradients(lambda t: largest(vgg(t)), nodes.reshape(-1, 1, 1, 1) * x)
    equal(found, x * by_hand.mean(axis=0), 1e-10)


@pytest.fixture(scope="module")
def top(model, vgg, x, halves, gradients, value, equal):
    """The feature map with the largest influence on the largest class."""
    found = InternalInfluence(model, LAYER, "max", "point").attributions(x)
    z = value(halves[0], x)
    equal(found, z * gradients(lambda t: largest(halves[1](t)), z)[0], 1e-10)
    return int(np.argmax(found.sum(axis=(1, 2))[0]))


def test_the_top_feature_map(model, x, halves, gradients, equal, top):
    found = InternalInfluence(model, (0, LAYER), top, "point").attributions(x)
    [by_hand] = gradients(lambda t: keras.ops.sum(halves[0](t)[..., top]), x)
    equal(found, x * by_hand, 1e-10)
    shown = HeatmapVisualizer(blur=3)(found, (x + 100) / 200, imshow=False, return_tiled=False)
    assert np.asarray(shown).shape[:3] == (1, 96, 96)


def test_channel_mask(model, x, top):
    pictures = (x + 100) / 200
    show = ChannelMaskVisualizer(model, LAYER, top, blur=3, threshold=0.8)
    result = show(pictures, x, imshow=False)
    found = InternalInfluence(model, (0, LAYER), InternalChannelQoI(top), "point").attributions(x)
    expected = MaskVisualizer(blur=3, threshold=0.8)(found, pictures, imshow=False)
    np.testing.assert_array_equal(result, expected)


def test_a_class(model, vgg, x, gradients, equal):
    found = InputAttribution(model, qoi=281, multiply_activation=False).attributions(x)
    equal(found, gradients(lambda t: vgg(t)[:, 281], x)[0], 1e-10)


def test_a_softmax_as_target_gets_a_hint_once():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((3,)), keras.layers.Dense(4, "softmax", name="predictions")]
    model = keras.Sequential(layers)
    x = np.ones((1, 3))
    wrapper = get_model_wrapper(model)
    with pytest.warns(TrulensWarning, match="logit_layer='predictions'"):
        InputAttribution(wrapper).attributions(x)
    InputAttribution(wrapper, qoi=1).attributions(x)
    InputAttribution(get_model_wrapper(model, logit_layer="predictions")).attributions(x)
    with pytest.warns(TrulensWarning, match="softmax"):
        InputAttribution(get_model_wrapper(model), qoi_cut="predictions").attributions(x)

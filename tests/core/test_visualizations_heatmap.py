"""HeatmapVisualizer: a map over the image."""

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.image import imread

from trulens_core.visualizations import HeatmapVisualizer, MaskVisualizer, Tiler, Visualizer


@pytest.fixture
def attributions():
    return np.random.default_rng(0).normal(size=(2, 3, 12, 8))


@pytest.fixture
def x():
    return np.random.default_rng(1).uniform(size=(2, 3, 12, 8))


@pytest.fixture
def picture(tmp_path):
    def make(visualizer, *arrays, **options):
        path = tmp_path / "picture.png"
        visualizer(*arrays, output_file=path, imshow=False, **options)
        return imread(path)[..., :3]

    return make


def close(pixels, expected):
    np.testing.assert_allclose(pixels, expected, atol=1 / 255)


def test_result_is_that_of_visualizer(attributions, x):
    result = HeatmapVisualizer(blur=2)(attributions, x, imshow=False)
    expected = Visualizer(combine_channels=True, blur=2)(attributions, imshow=False)
    np.testing.assert_array_equal(result, expected)
    tiled = HeatmapVisualizer(blur=2)(attributions, x, imshow=False, return_tiled=True)
    np.testing.assert_array_equal(tiled, Tiler().tile(expected))


def test_picture_is_a_mixture(picture, attributions, x):
    show = HeatmapVisualizer(overlay_opacity=0.3, blur=1)
    shown = show(attributions, x, imshow=False, return_tiled=True)
    expected = 0.7 * Tiler().tile(x) + 0.3 * colormaps["jet"]((shown + 1) / 2)[..., :3]
    close(picture(show, attributions, x), expected)


def test_opacity_at_both_ends(picture, attributions, x):
    close(picture(HeatmapVisualizer(overlay_opacity=0), attributions, x), Tiler().tile(x))
    alone = picture(HeatmapVisualizer(), attributions, x, overlay_opacity=1.0)
    visualizer = Visualizer(combine_channels=True, blur=10, cmap="jet")
    close(alone, picture(visualizer, attributions))


def test_image_shows_where_attributions_are_missing(picture, x):
    a = np.zeros((2, 1, 12, 8))
    a[0, 0, 3, 4] = np.nan
    pixels = picture(HeatmapVisualizer(blur=2), a, x)
    close(pixels[3, 4], x[0, :, 3, 4])


def test_opacity_of_the_map_counts(picture, attributions, x):
    def transparent(fractions):
        return np.stack([0 * fractions] * 4, axis=-1)

    close(picture(HeatmapVisualizer(1.0, cmap=transparent), attributions, x), Tiler().tile(x))


@pytest.mark.parametrize(
    "option",
    [
        {"overlay_opacity": 0.9},
        {"normalization_type": "magnitude_max"},
        {"blur": 0.0},
        {"cmap": "viridis"},
        {"combine_channels": False},
    ],
    ids=str,
)
def test_options_are_defaults_of_the_call_and_have_an_effect(picture, attributions, x, option):
    at_construction = picture(HeatmapVisualizer(**option), attributions, x)
    np.testing.assert_array_equal(
        at_construction, picture(HeatmapVisualizer(), attributions, x, **option)
    )
    assert np.any(at_construction != picture(HeatmapVisualizer(), attributions, x))


def test_channel_axis_has_an_effect():
    a = np.random.default_rng(0).normal(size=(2, 4, 4, 4))
    x = np.zeros((2, 4, 4, 4))
    first = HeatmapVisualizer(channel_axis=1)(a, x, imshow=False)
    last = HeatmapVisualizer(channel_axis=1)(a, x, imshow=False, channel_axis=3)
    assert first.shape == (2, 1, 4, 4)
    assert last.shape == (2, 4, 4, 1)


@pytest.mark.parametrize("layout", [(0, 1, 2, 3), (0, 2, 3, 1)])
def test_layouts_may_differ(picture, attributions, x, layout):
    mixed = picture(HeatmapVisualizer(), attributions, x.transpose(layout))
    np.testing.assert_array_equal(mixed, picture(HeatmapVisualizer(), attributions, x))


def test_images_keep_their_brightness(picture, attributions, x):
    hidden = HeatmapVisualizer(overlay_opacity=0)
    dark = (x * 100).astype(np.uint8)
    close(picture(hidden, attributions, dark), Tiler().tile(dark / 255))
    close(picture(hidden, attributions, 0.1 * x), Tiler().tile(0.1 * x))
    close(picture(hidden, attributions, x.astype(np.float32)), Tiler().tile(x))


def test_preprocessed_images_are_stretched_each_by_itself(picture, attributions, x):
    standardised = (x - 0.5) / 0.2
    standardised[1] *= 3
    low = x.min(axis=(1, 2, 3), keepdims=True)
    high = x.max(axis=(1, 2, 3), keepdims=True)
    pixels = picture(HeatmapVisualizer(overlay_opacity=0), attributions, standardised)
    close(pixels, Tiler().tile((x - low) / (high - low)))


@pytest.mark.parametrize("channels", [None, 1])
def test_grey_images(picture, attributions, x, channels):
    grey = x[:, 0] if channels is None else x[:, :1]
    pixels = picture(HeatmapVisualizer(overlay_opacity=0), attributions, grey)
    close(pixels, np.stack([Tiler().tile(x[:, 0])] * 3, axis=-1))


def test_fourth_channel_is_opacity_over_white(picture, attributions, x):
    seen = np.concatenate([x, np.full((2, 1, 12, 8), 0.25)], axis=1)
    pixels = picture(HeatmapVisualizer(overlay_opacity=0), attributions, seen, channel_axis=1)
    close(pixels, Tiler().tile(0.25 * x + 0.75))


def test_missing_pixels_are_white(picture, attributions, x):
    x[0, 1, 2, 3] = np.nan
    pixels = picture(HeatmapVisualizer(overlay_opacity=0), attributions, x)
    close(pixels[2, 3], 1.0)


def test_the_callers_arrays_are_not_changed(attributions, x):
    copies = attributions.copy(), x.copy()
    attributions.setflags(write=False)
    x.setflags(write=False)
    HeatmapVisualizer()(attributions, x, imshow=False)
    np.testing.assert_array_equal(attributions, copies[0])
    np.testing.assert_array_equal(x, copies[1])


def test_opacity_by_position(picture, attributions, x):
    """The old order: opacity is the seventh argument. A bool there meant combine_channels."""
    show, named = HeatmapVisualizer(), {"overlay_opacity": 0.25, "normalization_type": "01"}
    shown = picture(
        lambda a, x, output_file, imshow: show(a, x, output_file, imshow, None, False, 0.25, "01"),
        attributions,
        x,
    )
    close(shown, picture(show, attributions, x, **named))
    assert np.abs(shown - picture(show, attributions, x)).max() > 0.05
    with pytest.raises(ValueError, match="overlay_opacity must be between 0 and 1, found True"):
        show(attributions, x, None, False, None, False, True)


@pytest.mark.parametrize("kind", [HeatmapVisualizer, MaskVisualizer])
def test_no_blur(kind, attributions, x):
    found = kind(blur=None)(attributions, x, imshow=False)
    np.testing.assert_array_equal(found, kind(blur=0)(attributions, x, imshow=False))
    again = kind(blur=None)(attributions, x, imshow=False, blur=2.0)
    np.testing.assert_array_equal(again, kind(blur=2.0)(attributions, x, imshow=False))
    alone = Visualizer(blur=None)(attributions, imshow=False)
    np.testing.assert_array_equal(alone, Visualizer()(attributions, imshow=False))


@pytest.mark.parametrize("opacity", [-0.1, 1.1, float("nan")])
def test_impossible_opacity_is_refused(opacity):
    with pytest.raises(ValueError, match="overlay_opacity must be between 0 and 1"):
        HeatmapVisualizer(overlay_opacity=opacity)


@pytest.mark.parametrize("shape", [(1, 3, 12, 8), (2, 3, 12, 12), (2, 3, 24, 16)])
def test_images_that_do_not_fit_are_refused(attributions, shape):
    with pytest.raises(ValueError, match=r"x does not fit the attributions: . records of"):
        HeatmapVisualizer()(attributions, np.zeros(shape), imshow=False)


def test_images_of_two_channels_are_refused(attributions):
    with pytest.raises(ValueError, match="2 channels of x are no picture, 1, 3 and 4 are"):
        HeatmapVisualizer()(attributions, np.zeros((2, 2, 12, 8)), imshow=False, channel_axis=1)


def test_cmap_without_effect_is_refused(attributions, x):
    show = HeatmapVisualizer(combine_channels=False)
    with pytest.raises(ValueError, match="pass combine_channels=True"):
        show(attributions, x, imshow=False, cmap="jet")

"""Visualizer: what it returns, and what colours it gives."""

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.image import imread
from scipy.ndimage import gaussian_filter

from trulens_core.visualizations import Tiler, Visualizer
from trulens_core.visualizations.normalization import NORMALIZATIONS


@pytest.fixture
def attributions():
    return np.random.default_rng(0).normal(size=(5, 3, 12, 8))


@pytest.fixture
def picture(tmp_path):
    """The picture that a visualizer makes, as RGB from 0 to 255."""

    def make(visualizer, *arrays, **options):
        path = tmp_path / "picture.png"
        visualizer(*arrays, output_file=path, imshow=False, **options)
        return np.rint(255 * imread(path)[..., :3]).astype(int)

    return make


WIDTH = 5
"""Pixels per number in `grey`, so that no axis looks like channels."""


def grey(*values):
    """One grey image with a stripe for each number."""
    return np.repeat(np.array(values, dtype=np.float64), WIDTH).reshape(1, 1, 1, -1)


@pytest.mark.parametrize("combine_channels", [False, True])
def test_result_has_the_layout_of_the_attributions(attributions, combine_channels):
    show = Visualizer(combine_channels, blur=1)
    first = show(attributions, imshow=False)
    last = show(np.moveaxis(attributions, 1, 3), imshow=False)
    assert first.shape == (5, 1 if combine_channels else 3, 12, 8)
    np.testing.assert_array_equal(np.moveaxis(first, 1, 3), last)


@pytest.mark.parametrize("combine_channels", [False, True])
def test_tiled_result_is_what_tiler_makes_of_the_result(attributions, combine_channels):
    show = Visualizer(combine_channels)
    tiled = show(attributions, imshow=False, return_tiled=True)
    np.testing.assert_array_equal(tiled, Tiler().tile(show(attributions, imshow=False)))
    assert tiled.shape[:2] == (24, 24)


@pytest.mark.parametrize(
    ("given", "result"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.uint8, np.float32),
        (np.int64, np.float32),
        (bool, np.float32),
    ],
)
@pytest.mark.parametrize("tiled", [False, True])
def test_dtype(attributions, given, result, tiled):
    shown = Visualizer()((20 * attributions).astype(given), imshow=False, return_tiled=tiled)
    assert shown.dtype == result


@pytest.mark.parametrize("name", sorted(NORMALIZATIONS))
def test_the_callers_array_is_not_changed(attributions, name):
    before = attributions.copy()
    attributions.setflags(write=False)
    result = Visualizer(normalization_type=name)(attributions, imshow=False)
    assert not np.shares_memory(result, attributions)
    result[:] = 0
    np.testing.assert_array_equal(attributions, before)


def test_combine_channels_is_the_mean(attributions):
    shown = Visualizer()(
        attributions, imshow=False, combine_channels=True, normalization_type="unnormalized"
    )
    np.testing.assert_allclose(shown, attributions.mean(axis=1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("axis", [1, 3])
def test_blur_is_gaussian_and_stays_in_its_record_and_channel(attributions, axis):
    a = np.moveaxis(attributions, 1, axis)
    shown = Visualizer(normalization_type="unnormalized", blur=2)(a, imshow=False)
    for record in range(5):
        for channel in range(3):
            expected = gaussian_filter(attributions[record, channel], 2)
            blurred = np.moveaxis(shown, axis, 1)[record, channel]
            np.testing.assert_allclose(blurred, expected, rtol=1e-12)


def test_blur_leaves_nan_and_passes_over_it():
    a = np.ones((1, 1, 9, 9))
    a[0, 0, 4, 4] = np.nan
    shown = Visualizer(normalization_type="unnormalized", blur=1)(a, imshow=False)
    assert np.argwhere(np.isnan(shown)).tolist() == [[0, 0, 4, 4]]
    assert shown[0, 0, 4, 5] < shown[0, 0, 0, 0]


def test_infinite_is_missing():
    shown = Visualizer()(grey(np.inf, -np.inf, np.nan, 2, -1), imshow=False)
    np.testing.assert_array_equal(shown.ravel()[::WIDTH], [np.nan, np.nan, np.nan, 1, -0.5])


@pytest.mark.parametrize(
    "option",
    [
        {"combine_channels": True},
        {"normalization_type": "signed_max"},
        {"blur": 1.0},
        {"channel_axis": 3},
        {"cmap": "jet", "combine_channels": True},
    ],
    ids=str,
)
def test_options_are_defaults_of_the_call_and_have_an_effect(picture, option):
    a = np.random.default_rng(1).normal(size=(2, 3, 3, 3))
    axis = {} if "channel_axis" in option else {"channel_axis": 1}
    at_construction = picture(Visualizer(**option), a, **axis)
    np.testing.assert_array_equal(at_construction, picture(Visualizer(), a, **option, **axis))
    plain = Visualizer(combine_channels="cmap" in option, channel_axis=1)
    assert np.any(at_construction != picture(plain, a))


def test_falsy_options_of_the_call_win(attributions):
    show = Visualizer(combine_channels=True, blur=3)
    shown = show(attributions, imshow=False, combine_channels=False, blur=0.0)
    np.testing.assert_array_equal(shown, Visualizer()(attributions, imshow=False))


def test_zero_is_white_between_blue_and_red(picture):
    zero, high, low = picture(Visualizer(), grey(0, 1, -1))[0, ::WIDTH]
    assert np.all(zero > 240)
    assert high[0] > high[2]
    assert low[2] > low[0]


@pytest.mark.parametrize("name", ["magnitude_max", "magnitude_sum", "01", "unnormalized"])
def test_unsigned_maps_get_brighter(picture, name):
    pixels = picture(Visualizer(normalization_type=name), grey(0, 1, 2, 3, 4))
    brightness = pixels[0, ::WIDTH] @ [0.3, 0.6, 0.1]
    assert np.all(np.diff(brightness) > 0)
    assert np.all(pixels[0, 0] < 10)


@pytest.mark.parametrize(
    "name", ["unsigned_max", "signed_max_positive_centered", "signed_sum", "unnormalized"]
)
def test_zero_is_in_the_middle_of_signed_maps(picture, name):
    zero = picture(Visualizer(normalization_type=name, cmap="gray"), grey(5, 0, -1))[0, WIDTH]
    assert np.all(np.abs(zero - 127.5) <= 1)


def test_cmap_by_name_as_map_and_as_function(picture):
    a = grey(0, 1, 2, 3)
    by_name = picture(Visualizer(cmap="cividis"), a)
    np.testing.assert_array_equal(by_name, picture(Visualizer(cmap=colormaps["cividis"]), a))
    function = picture(Visualizer(), a, cmap=lambda v: colormaps["cividis"](v)[..., :3])
    np.testing.assert_array_equal(by_name, function)


def test_cmap_gets_fractions(picture):
    seen = []

    def cmap(fractions):
        seen.append(fractions)
        return np.stack([fractions] * 3, axis=-1)

    pixels = picture(Visualizer(), grey(-2, 0, 1, np.nan), cmap=cmap)
    np.testing.assert_allclose(seen[0].ravel()[: 3 * WIDTH : WIDTH], [0, 0.5, 0.75])
    assert seen[0].shape == (1, 1, 4 * WIDTH)
    assert pixels[0, ::WIDTH, 0].tolist() == [0, 128, 191, 255]


def test_opacity_of_a_cmap_is_over_white(picture):
    pixels = picture(Visualizer(), grey(1, -1), cmap=lambda v: np.stack([0 * v] * 3 + [v], axis=-1))
    assert pixels[0, ::WIDTH, 0].tolist() == [0, 255]


@pytest.mark.parametrize("white", [1.0, 255])
def test_colours_are_shown_as_they_are(picture, white):
    a = np.array([[0.0, 0.2, 0.4], [1.0, 0.6, 0.8]]).reshape(1, 1, 2, 3) * white
    if white == 255:
        a = a.astype(np.uint8)
    pixels = picture(Visualizer(normalization_type="unnormalized"), a, channel_axis=3)
    assert pixels.tolist() == [[[0, 51, 102], [255, 153, 204]]]


def test_colours_beyond_the_range_are_cut_off(picture):
    a = np.array([-1.0, 0.5, 2.0]).reshape(1, 1, 1, 3)
    pixels = picture(Visualizer(normalization_type="unnormalized"), a, channel_axis=3)
    assert pixels.tolist() == [[[0, 128, 255]]]


def test_sums_of_several_channels_are_visible(picture, attributions):
    pixels = picture(Visualizer(normalization_type="magnitude_sum"), attributions)
    assert pixels[:12, :8].max() > 100


def test_fourth_channel_is_opacity(picture):
    a = np.zeros((1, 1, 2, 4))
    a[0, 0, 0] = [1, 0, 0, 1]
    pixels = picture(Visualizer(normalization_type="unnormalized"), a, channel_axis=3)
    assert pixels.tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_grid_is_filled_with_white(picture):
    pixels = picture(Visualizer(), np.zeros((3, 3, 8, 8)))
    assert np.all(pixels[8:, 8:] == 255)
    assert np.all(pixels[:8] == 128)


@pytest.mark.parametrize("blur", [-1, float("nan"), float("inf")])
def test_impossible_blur_is_refused(blur):
    with pytest.raises(ValueError, match="blur is in pixels"):
        Visualizer(blur=blur)
    with pytest.raises(ValueError, match="blur is in pixels"):
        Visualizer()(np.zeros((1, 1, 8, 8)), imshow=False, blur=blur)


def test_unknown_cmap_is_refused():
    with pytest.raises(ValueError, match="did you mean 'viridis'"):
        Visualizer(cmap="viridiss")
    with pytest.raises(ValueError, match="'!!' is no colour map"):
        Visualizer()(grey(0, 1), imshow=False, cmap="!!")


def test_cmap_of_wrong_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must add an axis of 3 or 4"):
        Visualizer()(grey(0, 1), tmp_path / "a.png", imshow=False, cmap=lambda v: v)


def test_cmap_without_effect_is_refused(attributions):
    with pytest.raises(ValueError, match=r"these have 3; pass combine_channels=True"):
        Visualizer()(attributions, imshow=False, cmap="jet")


def test_many_channels_need_combining():
    a = np.random.default_rng(0).normal(size=(2, 16, 7, 7))
    with pytest.raises(ValueError, match="16 channels of attributions are no picture"):
        Visualizer(channel_axis=1)(a, imshow=False)
    combined = Visualizer(combine_channels=True)(a, imshow=False, channel_axis=1)
    assert combined.shape == (2, 1, 7, 7)

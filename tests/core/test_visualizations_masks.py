"""MaskVisualizer: what is seen and what is masked."""

import numpy as np
import pytest
from matplotlib.image import imread

from trulens_core.visualizations import MaskVisualizer, Tiler


@pytest.fixture
def attributions():
    return np.random.default_rng(0).normal(size=(2, 3, 12, 8))


@pytest.fixture
def x():
    return np.random.default_rng(1).uniform(0.1, 1, size=(2, 3, 12, 8))


def sharp(**options):
    return MaskVisualizer(**{"blur": 0, **options})


def seen(attributions, **options):
    """The share that each pixel of a white grey image keeps, for one grey record."""
    a = np.array(attributions, dtype=np.float64).reshape(1, 1, 2, -1)
    shown = sharp(**options)(a, np.ones_like(a), imshow=False, return_tiled=False)
    return shown.ravel().tolist()


def test_the_upper_half_is_seen():
    assert seen([1, 2, 3, 4]) == [0.2, 0.2, 1, 1]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(0, [0, 1, 1, 1]), (0.25, [0, 1, 1, 1]), (0.9, [0, 0, 0, 1]), (1, [0, 0, 0, 0])],
)
def test_threshold_is_a_quantile(threshold, expected):
    assert seen([1, 2, 3, 40], threshold=threshold, masked_opacity=0) == expected


def test_threshold_is_taken_per_record(attributions, x):
    both = sharp()(attributions, x, imshow=False, return_tiled=False)
    scaled = attributions * np.array([1, 1000]).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(sharp()(scaled, x, imshow=False, return_tiled=False), both)
    alone = sharp()(attributions[1:], x[1:], imshow=False, return_tiled=False)
    np.testing.assert_array_equal(alone, both[1:])


def test_negative_pixels_are_masked():
    assert seen([-5, -6, 1, 2], threshold=0) == [0.2, 0.2, 1, 1]
    assert seen([-5, -6, -1, 2], threshold=0.25) == [0.2, 0.2, 0.2, 1]


def test_negative_pixels_count_if_asked():
    assert seen([-5, -6, -1, 2], threshold=0.25, positive_only=False) == [1, 0.2, 1, 1]


def test_attributions_as_opacity():
    assert seen([-1, 0, 1, 4], use_attr_as_opacity=True) == [0, 0, 0.25, 1]
    shares = seen([-1, 0, 1, 4], use_attr_as_opacity=True, positive_only=False)
    np.testing.assert_allclose(shares, [0, 0.2, 0.4, 1], rtol=1e-12)


def test_all_zero_attributions_mask_everything():
    assert seen([0, 0, 0, 0]) == [0.2] * 4
    assert seen([0, 0, 0, 0], use_attr_as_opacity=True) == [0] * 4


@pytest.mark.parametrize("positive_only", [False, True])
def test_missing_attributions_are_masked(positive_only):
    shares = seen([np.nan, np.inf, 1, 2], threshold=0.5, positive_only=positive_only)
    assert shares == [0.2, 0.2, 0.2, 1]
    assert seen([np.nan] * 4, positive_only=positive_only) == [0.2] * 4


def test_channels_are_combined_or_mask_each_their_own(x):
    a = np.zeros((2, 3, 12, 8))
    a[:, 0, :6] = 1
    together = sharp(masked_opacity=0)(a, x, imshow=False, return_tiled=False)
    np.testing.assert_array_equal(together[:, :, :6], x[:, :, :6])
    assert not together[:, :, 6:].any()
    apart = sharp(masked_opacity=0, combine_channels=False)
    result = apart(a, x, imshow=False, return_tiled=False)
    np.testing.assert_array_equal(result, x * a)


@pytest.mark.parametrize(
    "option",
    [
        {"blur": 0.0},
        {"threshold": 0.8},
        {"masked_opacity": 0.6},
        {"combine_channels": False},
        {"use_attr_as_opacity": True},
        {"positive_only": False, "threshold": 0.2},
    ],
    ids=str,
)
def test_options_are_defaults_of_the_call_and_have_an_effect(attributions, x, option):
    at_construction = MaskVisualizer(**option)(attributions, x, imshow=False)
    in_call = MaskVisualizer()(attributions, x, imshow=False, **option)
    np.testing.assert_array_equal(at_construction, in_call)
    others = {name: value for name, value in option.items() if name == "threshold"}
    plain = MaskVisualizer()(attributions, x, imshow=False, **(others if len(option) > 1 else {}))
    assert np.any(at_construction != plain)


def test_falsy_options_of_the_call_win(attributions, x):
    show = MaskVisualizer(use_attr_as_opacity=True)
    result = show(attributions, x, imshow=False, use_attr_as_opacity=False, masked_opacity=0.0)
    expected = MaskVisualizer(masked_opacity=0)(attributions, x, imshow=False)
    np.testing.assert_array_equal(result, expected)


def test_result_is_tiled_unless_declined(attributions, x):
    result = MaskVisualizer()(attributions, x, imshow=False, return_tiled=False)
    tiled = MaskVisualizer()(attributions, x, imshow=False)
    np.testing.assert_array_equal(tiled, Tiler().tile(result))
    assert tiled.shape == (12, 16, 3)


def test_file_holds_the_result(attributions, x, tmp_path):
    tiled = MaskVisualizer()(attributions, x, tmp_path / "m.png", imshow=False)
    pixels = imread(tmp_path / "m.png")[..., :3]
    np.testing.assert_allclose(pixels, tiled, atol=0.51 / 255)


def test_result_has_the_layout_and_dtype_of_x(attributions, x):
    last = np.moveaxis(x, 1, 3).astype(np.float32)
    result = MaskVisualizer()(attributions, last, imshow=False, return_tiled=False)
    assert result.shape == (2, 12, 8, 3)
    assert result.dtype == np.float32
    first = MaskVisualizer()(attributions, x, imshow=False, return_tiled=False)
    np.testing.assert_allclose(np.moveaxis(result, 3, 1), first, rtol=1e-6)
    assert MaskVisualizer()(attributions, x[:, 0], imshow=False).shape == (12, 16)
    grey = MaskVisualizer()(attributions, x[:, 0], imshow=False, return_tiled=False)
    assert grey.shape == (2, 12, 8)


def test_channel_axis_has_an_effect():
    a = np.random.default_rng(0).normal(size=(2, 4, 4, 4))
    x = np.ones((2, 4, 4, 4))
    first = MaskVisualizer(channel_axis=1)(a, x, imshow=False, return_tiled=False)
    last = MaskVisualizer()(a, x, imshow=False, return_tiled=False, channel_axis=3)
    assert (first[:, 3] == 1).all()
    assert (last[..., 3] == 1).all()
    assert np.any(first != last)


def test_uint8_images(attributions):
    x = np.full((2, 12, 8, 3), 51, np.uint8)
    result = MaskVisualizer(masked_opacity=0)(attributions, x, imshow=False)
    np.testing.assert_array_equal(np.unique(result), np.array([0, 0.2], np.float32))
    assert (x == 51).all()


def test_opacity_of_the_image_is_kept(attributions, x):
    seen = np.concatenate([x, np.full((2, 1, 12, 8), 0.25)], axis=1)
    result = MaskVisualizer()(attributions, seen, imshow=False, return_tiled=False, channel_axis=1)
    assert np.all(result[:, 3] == 0.25)
    expected = MaskVisualizer()(attributions, x, imshow=False, return_tiled=False)
    np.testing.assert_array_equal(result[:, :3], expected)


def test_the_callers_arrays_are_not_changed(attributions, x):
    copies = attributions.copy(), x.copy()
    attributions.setflags(write=False)
    x.setflags(write=False)
    result = MaskVisualizer(threshold=0, masked_opacity=1)(
        attributions, x, imshow=False, return_tiled=False
    )
    assert not np.shares_memory(result, x)
    np.testing.assert_array_equal(attributions, copies[0])
    np.testing.assert_array_equal(x, copies[1])


@pytest.mark.parametrize("name", ["threshold", "masked_opacity"])
@pytest.mark.parametrize("value", [-0.1, 1.5, 50, float("nan")])
def test_impossible_fractions_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be between 0 and 1"):
        MaskVisualizer(**{name: value})


def test_impossible_blur_is_refused():
    with pytest.raises(ValueError, match="blur is in pixels"):
        MaskVisualizer(blur=-1)


@pytest.mark.parametrize("name", ["threshold", "masked_opacity"])
def test_options_without_effect_are_refused(attributions, x, name):
    show = MaskVisualizer(use_attr_as_opacity=True)
    with pytest.raises(ValueError, match="leaves no use for threshold and masked_opacity"):
        show(attributions, x, imshow=False, **{name: 0.3})


def test_channels_that_cannot_mask_each_other_are_refused(attributions, x):
    show = MaskVisualizer(combine_channels=False)
    with pytest.raises(ValueError, match=r"3 channels cannot mask each channel of an x of 1"):
        show(attributions, x[:, :1], imshow=False)
    one = show(attributions[:, :1], x, imshow=False)
    np.testing.assert_array_equal(one, MaskVisualizer()(attributions[:, :1], x, imshow=False))


def test_images_that_do_not_fit_are_refused(attributions):
    with pytest.raises(ValueError, match="x does not fit the attributions"):
        MaskVisualizer()(attributions, np.zeros((5, 12, 8)), imshow=False)
    with pytest.raises(ValueError, match="x does not fit the attributions"):
        MaskVisualizer()(attributions, np.zeros((2, 3, 8, 12)), imshow=False)

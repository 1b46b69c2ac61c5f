"""What is read as a batch of images, and how batches are tiled."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from trulens_core.visualizations import (
    HeatmapVisualizer,
    MaskVisualizer,
    Tiler,
    Visualizer,
)
from trulens_core.visualizations.images import Images, find_channel_axis

VISUALIZERS = [Tiler, Visualizer, HeatmapVisualizer, MaskVisualizer]


def numbered(*shape):
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((2, 3, 8, 8), 1),
        ((2, 8, 8, 3), 3),
        ((2, 1, 8, 8), 1),
        ((2, 8, 8, 4), 3),
        ((3, 3, 4, 4), 1),
        ((3, 4, 4, 3), 3),
        ((2, 3, 8, 5), 1),
    ],
)
def test_channel_axis_is_found(shape, axis):
    assert find_channel_axis(shape, "a") == axis
    assert Images.read(np.zeros(shape), "a").values.shape[3] == shape[axis]


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((2, 4, 4, 4), "both axis 1 and axis 3 have"),
        ((2, 3, 7, 4), "both axis 1 and axis 3 have"),
        ((2, 64, 7, 7), "neither axis 1 nor axis 3 has"),
        ((2, 2, 8, 8), "neither axis 1 nor axis 3 has"),
    ],
)
def test_channel_axis_is_asked_for(shape, found):
    with pytest.raises(ValueError, match=rf"channels of attributions.*{found}.*channel_axis=1"):
        Visualizer()(np.zeros(shape), imshow=False)
    with pytest.raises(ValueError, match=r"channel_axis"):
        Tiler().tile(np.zeros(shape))


@pytest.mark.parametrize("axis", [1, 3, -1, -3])
def test_given_channel_axis_wins(axis):
    a = numbered(2, 4, 4, 4)
    expected = np.concatenate(np.moveaxis(a, axis, 3), axis=1)
    assert np.array_equal(Tiler().tile(a, channel_axis=axis), expected)
    assert np.array_equal(Tiler(channel_axis=axis).tile(a), expected)
    assert np.array_equal(Tiler(channel_axis=4 - axis % 4).tile(a, channel_axis=axis), expected)


@pytest.mark.parametrize("axis", [0, 2, 4, -2, True, 1.0, "1"])
@pytest.mark.parametrize("visualizer", VISUALIZERS)
def test_impossible_channel_axis_is_refused(visualizer, axis):
    with pytest.raises(ValueError, match="channel_axis must be 1 or 3"):
        visualizer(channel_axis=axis)


def test_impossible_channel_axis_is_refused_in_a_call():
    with pytest.raises(ValueError, match="channel_axis must be 1 or 3"):
        Tiler().tile(np.zeros((2, 1, 8, 8)), channel_axis=2)
    with pytest.raises(ValueError, match="channel_axis must be 1 or 3"):
        Visualizer()(np.zeros((2, 1, 8, 8)), imshow=False, channel_axis=2)


@pytest.mark.parametrize("shape", [(3, 8, 8), (4, 8, 8), (8, 8, 3), (8, 8, 4), (8, 8, 1)])
def test_rank_3_that_may_be_one_image_is_refused(shape):
    with pytest.raises(ValueError, match=r"Add the missing axis: a\[:, None\]"):
        Tiler().tile(np.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 8, 8), (8, 8, 8)])
def test_rank_3_is_grey(shape):
    a = numbered(*shape)
    assert np.array_equal(Tiler().tile(a), Tiler().tile(a[:, None]))
    assert Visualizer()(a, imshow=False).shape == shape


@pytest.mark.parametrize("shape", [(), (8,), (8, 8), (1, 2, 3, 8, 8)])
def test_other_ranks_are_refused(shape):
    with pytest.raises(ValueError, match=f"attributions has rank {len(shape)} "):
        Visualizer()(np.ones(shape), imshow=False)


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 3, 0, 8)])
def test_empty_batches_are_refused(shape):
    with pytest.raises(ValueError, match="holds no pixel"):
        Tiler().tile(np.zeros(shape))


@pytest.mark.parametrize("dtype", ["complex128", "U3", "O", "datetime64[s]"])
def test_other_than_real_numbers_is_refused(dtype):
    with pytest.raises(ValueError, match="attributions must hold real numbers"):
        Visualizer()(np.zeros((2, 3, 8, 8), dtype), imshow=False)


def test_lists_are_read():
    a = numbered(2, 3, 8, 8)
    assert np.array_equal(Tiler().tile(a.tolist()), Tiler().tile(a))
    assert np.array_equal(Tiler().tile(list(a)), Tiler().tile(a))


def test_whatever_becomes_an_array_is_read():
    class Picture:
        def __array__(self, dtype=None, copy=None):
            return numbered(2, 3, 8, 8)

    assert np.array_equal(Tiler().tile(Picture()), Tiler().tile(numbered(2, 3, 8, 8)))


@pytest.mark.parametrize("value", [None, {"a": 1}, "a.png", object()])
def test_anything_else_is_refused(value):
    expected = f"attributions must be an array or a tensor, found {type(value).__name__}"
    with pytest.raises(ValueError, match=expected):
        Visualizer()(value, imshow=False)


@pytest.mark.parametrize("shape", [(2, 3, 8, 6), (2, 8, 6, 3), (2, 8, 6)])
def test_layout_is_restored(shape):
    images = Images.read(numbered(*shape), "a")
    restored = images.in_layout(images.values)
    assert np.array_equal(restored, numbered(*shape))
    assert not np.shares_memory(restored, images.values)


@pytest.mark.parametrize(
    ("records", "rows", "columns"),
    [(1, 1, 1), (2, 1, 2), (3, 2, 2), (4, 2, 2), (5, 2, 3), (7, 3, 3), (9, 3, 3), (10, 3, 4)],
)
def test_grid_is_as_square_as_possible(records, rows, columns):
    a = 1 + numbered(records, 2, 5)[..., None]
    tiled = Tiler(channel_axis=3).tile(a)
    assert tiled.shape == (rows * 2, columns * 5)
    for record in range(rows * columns):
        row, column = divmod(record, columns)
        cell = tiled[row * 2 : row * 2 + 2, column * 5 : column * 5 + 5]
        assert np.array_equal(cell, a[record, ..., 0] if record < records else np.zeros((2, 5)))


def test_tiles_of_both_layouts_are_the_same():
    a = numbered(4, 3, 8, 6)
    assert np.array_equal(Tiler().tile(a), Tiler().tile(np.moveaxis(a, 1, 3)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int64, bool])
def test_tiles_keep_the_dtype_and_are_a_copy(dtype):
    a = numbered(1, 3, 8, 8).astype(dtype)
    tiled = Tiler().tile(a)
    assert tiled.dtype == dtype
    assert not np.shares_memory(tiled, a)


def test_any_number_of_channels_is_tiled():
    assert Tiler().tile(np.zeros((4, 64, 7, 7)), channel_axis=1).shape == (14, 14, 64)


@pytest.mark.parametrize("visualizer", VISUALIZERS)
def test_visualizers_do_not_change(visualizer):
    made = visualizer(channel_axis=1)
    with pytest.raises(FrozenInstanceError):
        made.channel_axis = 3
    assert made == visualizer(channel_axis=1)
    assert made != visualizer()

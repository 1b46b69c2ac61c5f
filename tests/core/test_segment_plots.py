"""Segments drawn over images: which lines, what is pale, and what cannot be drawn."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from trulens_core.segments import Segments
from trulens_core.visualizations.segment_plots import outlines, plot_segments

RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 3, 8, 10))


def drawn(segments, x, **options):
    figure = Figure()
    plot_segments(segments, x, fig=figure, **options)
    return figure.axes


def lines(axes):
    """As pairs of ends, each once."""
    dark, light = (c for c in axes.collections if isinstance(c, LineCollection))
    ends = [tuple(sorted(map(tuple, line.tolist()))) for line in light.get_segments()]
    assert len(dark.get_segments()) == len(ends) == len(set(ends))
    assert dark.get_linewidth()[0] > light.get_linewidth()[0]
    return set(ends)


def expected_lines(labels):
    """Between every two neighbours of different numbers."""
    height, width = labels.shape
    found = set()
    for i in range(height):
        for j in range(width):
            if j + 1 < width and labels[i, j] != labels[i, j + 1]:
                found.add(((j + 0.5, i - 0.5), (j + 0.5, i + 0.5)))
            if i + 1 < height and labels[i, j] != labels[i + 1, j]:
                found.add(((j - 0.5, i + 0.5), (j + 0.5, i + 0.5)))
    return found


@pytest.mark.parametrize("layout", ["first", "last", "grey"])
def test_the_outlines_of_segments(layout):
    labels = RNG.integers(-1, 3, (8, 10))
    x, given = {
        "first": (IMAGES, labels[np.newaxis]),
        "last": (IMAGES.transpose(0, 2, 3, 1), labels[..., np.newaxis]),
        "grey": (IMAGES[:, 0], labels),
    }[layout]
    for axes in drawn(Segments.of(given), x, records=[0, 5]):
        assert lines(axes) == expected_lines(labels)


def test_the_outlines_of_windows():
    (axes,) = drawn(Segments.windows((8, 4), (8, 3)), IMAGES, records=[0])
    found = {ends[0][0] for ends in lines(axes)}
    assert found == {3.5, 2.5, 6.5, 5.5}
    assert len(lines(axes)) == 4 * 8


def test_no_line_is_drawn_twice():
    layers = RNG.random((5, 6, 7)) < 0.5
    found = outlines(layers)
    assert len(np.unique(found, axis=0)) == len(found)


def test_each_record_has_its_own():
    labels = RNG.integers(0, 3, (6, 1, 8, 10))
    found = drawn(Segments.of(labels), IMAGES)
    assert [a.get_title() for a in found] == [f"record {r}: 3 segments" for r in range(4)]
    (axes,) = drawn(Segments.of(labels), IMAGES, records=[-1])
    assert axes.get_title() == "record 5: 3 segments"
    assert lines(axes) == expected_lines(labels[5, 0])
    (axes,) = drawn(Segments.of(0), IMAGES, records=[1])
    assert axes.get_title() == "record 1: 1 segment"
    assert lines(axes) == set()


@pytest.mark.parametrize("stack", [False, True])
def test_what_is_in_no_segment_is_pale(stack):
    labels = np.where(np.arange(80).reshape(1, 8, 10) < 37, -1, 4)
    given = (labels >= 0)[np.newaxis] if stack else labels
    (axes,) = drawn(Segments.of(given), IMAGES, records=[2])
    found, image = axes.images[0].get_array(), IMAGES[2].transpose(1, 2, 0)
    expected = np.where((labels[0] >= 0)[..., np.newaxis], image, 0.75 + 0.25 * image)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_superpixels_of_images_in_bytes():
    x = (IMAGES * 255).astype("uint8")
    segments = Segments.superpixels(4, compactness=200)
    (axes,) = drawn(segments, x, records=[3])
    labels = segments.resolved(x)[3].labels[0]
    assert lines(axes) == expected_lines(labels)


@pytest.mark.parametrize(
    ("segments", "x", "options", "error", "message"),
    [
        (Segments.channels(), IMAGES, {}, ValueError, "differ along axis 1"),
        (Segments.grid(2), np.zeros((2, 5)), {}, ValueError, "x has rank 2"),
        (Segments.grid(2), np.zeros((2, 2, 8, 8)), {"channel_axis": 1}, ValueError, "2 channels"),
        (Segments.grid(2), np.zeros((2, 5, 8, 8)), {}, ValueError, "channel_axis="),
        (Segments.grid(2), IMAGES, {"records": [6]}, IndexError, "there are 6 records"),
        (Segments.of(np.zeros((3, 3), int)), IMAGES, {}, ValueError, "does not fit"),
    ],
)
def test_what_cannot_be_drawn(segments, x, options, error, message):
    figure = Figure()
    with pytest.raises(error, match=message):
        plot_segments(segments, x, fig=figure, **options)
    assert not figure.axes

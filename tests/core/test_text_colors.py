"""Colours of tokens: readable, in order, and told apart by colour-blind readers."""

import math

import numpy as np
import pytest

from trulens_core.visualizations.text_colors import (
    GROUND,
    INK,
    LOWERS,
    MISSING,
    QUIET,
    RAISES,
    STRONG_LOWERS,
    STRONG_RAISES,
    contrast,
    css,
    edge,
    ground,
)

FRACTIONS = np.linspace(-1, 1, 101)
# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
BLINDNESS = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def lab(color, matrix=None):
    """CIE L*a*b* of a colour, as seen through a kind of colour vision."""
    c = np.asarray(color) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    if matrix is not None:
        linear = np.clip(np.asarray(matrix) @ linear, 0, 1)
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ linear
    )
    x, y, z = np.cbrt(np.maximum(xyz / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(a, b, matrix=None):
    return float(np.linalg.norm(lab(a, matrix) - lab(b, matrix)))


@pytest.mark.parametrize("fraction", [*FRACTIONS, math.nan])
def test_ink_reads_on_every_ground(fraction):
    assert contrast(INK, ground(fraction)) >= 7


def test_remarks_read():
    assert contrast(QUIET, GROUND) >= 7


@pytest.mark.parametrize("color", [STRONG_RAISES, STRONG_LOWERS])
def test_hues_of_terminals_read_on_black_and_on_white(color):
    assert contrast(color, (0, 0, 0)) >= 4.5
    assert contrast(color, (255, 255, 255)) >= 4.5


@pytest.mark.parametrize("matrix", [None, *BLINDNESS.values()], ids=["usual", *BLINDNESS])
def test_both_ends_and_neutral_are_told_apart_by_every_kind_of_colour_vision(matrix):
    for a, b in [(RAISES, LOWERS), (RAISES, GROUND), (LOWERS, GROUND)]:
        assert distance(a, b, matrix) > 25
    assert distance(STRONG_RAISES, STRONG_LOWERS, matrix) > 40


@pytest.mark.parametrize("matrix", [None, *BLINDNESS.values()], ids=["usual", *BLINDNESS])
def test_more_is_further_from_neutral(matrix):
    for sign in (-1, 1):
        far = [distance(ground(sign * f), GROUND, matrix) for f in np.linspace(0, 1, 11)]
        assert far == sorted(far)
        assert far[0] == 0


def test_ends_and_what_is_missing():
    assert (ground(-1), ground(0), ground(1)) == (LOWERS, GROUND, RAISES)
    assert (ground(-7), ground(7)) == (LOWERS, RAISES)
    assert ground(math.nan) == MISSING
    assert (edge(-0.1), edge(0.1)) == (STRONG_LOWERS, STRONG_RAISES)


def test_css():
    assert css((1, 16, 255)) == "#0110ff"

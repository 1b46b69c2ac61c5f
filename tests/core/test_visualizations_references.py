"""One picture of each visualizer, compared with a file that a person has looked at.

To accept a change, look at the new pictures and run this with ACCEPT_PICTURES=1.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from trulens_core.visualizations import HeatmapVisualizer, MaskVisualizer, Visualizer

FOLDER = Path(__file__).parent / "images"
SIZE = 48


def blob(x, y, radius):
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / radius**2)


def photograph(x, y):
    """A yellow disc and a blue one on a sloping ground, as (channels, height, width)."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    image = np.stack([0.2 + 0.5 * columns, 0.2 + 0.5 * rows, np.full_like(rows, 0.4)])
    image[:, blob(x, y, 0.2) > 0.5] = [[0.95], [0.8], [0.2]]
    image[:, blob(1 - x, y, 0.12) > 0.5] = [[0.1], [0.2], [0.7]]
    return image


PLACES = [(0.3, 0.3), (0.7, 0.4), (0.25, 0.7)]
X = np.stack([photograph(x, y) for x, y in PLACES])
A = np.stack(
    [
        np.stack([blob(x, y, 0.15 + 0.02 * c) - 0.7 * blob(1 - x, y, 0.1) for c in range(3)])
        for x, y in PLACES
    ]
)
CASES = {
    "visualizer_signed": lambda file: Visualizer(combine_channels=True)(A, file, imshow=False),
    "visualizer_unsigned": lambda file: Visualizer(True, "magnitude_max")(A, file, imshow=False),
    "visualizer_colours": lambda file: Visualizer()(A, file, imshow=False),
    "heatmap": lambda file: HeatmapVisualizer(blur=2)(A, X, file, imshow=False),
    "mask": lambda file: MaskVisualizer(blur=1, threshold=0.8)(A, X, file, imshow=False),
    "mask_opacity": lambda file: MaskVisualizer(blur=1, use_attr_as_opacity=True)(
        A, X, file, imshow=False
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_picture(name, tmp_path):
    reference = FOLDER / f"{name}.png"
    made = reference if os.environ.get("ACCEPT_PICTURES") else tmp_path / "made.png"
    CASES[name](made)
    difference = np.abs(imread(made).astype(float) - imread(reference))
    assert difference.max() <= 2 / 255

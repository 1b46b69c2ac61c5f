"""Coming from Captum and from the old TruLens: both sides of a line give the same numbers."""

import runpy
import warnings
from pathlib import Path

import pytest
import torch

from trulens_core import GaussianDoi

pages = runpy.run_path(str(Path(__file__).with_name("pages.py")))
CAPTUM, CAPTUM_ROWS = pages["coming_from"]("captum")
OLD, OLD_ROWS = pages["coming_from"]("old-trulens")
EXACT, FLOAT32 = 1e-10, 1e-6


@pytest.fixture(scope="module")
def captum_names():
    return pages["run"](CAPTUM)


@pytest.fixture(scope="module")
def old_names():
    return pages["run"](OLD)


@pytest.fixture
def our_noise(monkeypatch):
    """Captum's noise, drawn as `GaussianDoi` draws it: captum has a record's points together."""

    def normal(mean, scale):
        assert mean == 0
        n = scale.shape[0] // 2
        points = GaussianDoi(1.0, n)(torch.zeros_like(scale[:2], dtype=torch.float64))
        return torch.stack(points, 1).reshape(scale.shape) * scale

    monkeypatch.setattr(torch, "normal", normal)


@pytest.mark.parametrize("row", CAPTUM_ROWS)
def test_a_line_of_captum_gives_the_same_numbers(row, captum_names, our_noise):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum tells that it changes the input
        there = eval(row.there, captum_names)
    # it rounds nodes and weights to float32, which holds those of 16 midpoints
    rounded = "gauss" in row.here or "trapezoid" in row.here
    error = pages["error"](there, eval(row.here, captum_names))
    assert error <= (FLOAT32 if rounded else EXACT)


@pytest.mark.parametrize("row", OLD_ROWS)
def test_a_line_of_the_old_trulens_gives_the_same_numbers(row, old_names):
    assert pages["error"](eval(row.there, old_names), eval(row.here, old_names)) <= EXACT

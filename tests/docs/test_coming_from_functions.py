"""Coming from shap and lime: both sides of a line give the same numbers."""

import runpy
from pathlib import Path

import pytest

pages = runpy.run_path(str(Path(__file__).with_name("pages.py")))
PAGE, ROWS = pages["coming_from"]("shap-and-lime")
SHAPS = 1e-6
"""Its regression weights both ends by a large number, which costs digits."""


@pytest.fixture(scope="module")
def names():
    return pages["run"](PAGE)


@pytest.mark.parametrize("row", ROWS)
def test_a_line_of_shap_gives_the_same_numbers(row, names):
    assert pages["error"](eval(row.there, names), eval(row.here, names)) <= SHAPS

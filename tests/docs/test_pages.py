"""The code on the pages: every block of Python runs, and every line of a table that compares."""

import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from trulens_core import GaussianDoi, get_backend
from trulens_core.errors import NoBackendError
from trulens_core.testing import relative_error

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # captum imports what is deprecated
    import captum.attr  # noqa: F401

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("docs/**/*.md")) + sorted(ROOT.glob("**/README.md"))
COMING_FROM = ROOT / "docs" / "coming-from"
BLOCK = re.compile(r"(?ms)^( *)```python\n(.*?)^\1```$")
ROW = re.compile(r"(?m)^\| `([^`]+)` \| `([^`]+)` \|$")
EXACT, FLOAT32 = 1e-10, 1e-6


class Row(NamedTuple):
    """A line of a table that compares: what is written there, and here."""

    there: str
    here: str


def code(page):
    """The blocks of Python, as one program whose lines are where the page has them."""
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        first = text[: block.start(2)].count("\n")
        for i, line in enumerate(block[2].splitlines()):
            lines[first + i] = line.removeprefix(block[1])
    return "\n".join(lines)


def run(page):
    """What the code of a page defines."""
    names = {"__name__": page.stem}
    exec(compile(code(page), str(page), "exec"), names)
    return names


def rows(page):
    """The lines of its tables whose two cells are code and nothing else."""
    return [Row(*cells) for cells in ROW.findall(page.read_text())]


def arrays(value):
    """What one side of a line gave, in NumPy."""
    if isinstance(value, list | tuple):
        return [a for v in value for a in arrays(v)]
    try:
        return [get_backend(value).to_numpy(value)]
    except NoBackendError:
        return [np.asarray(value)]


def same(there, here, tolerance=EXACT):
    there, here = arrays(there), arrays(here)
    assert len(there) == len(here)
    errors = [relative_error(h, t) for h, t in zip(here, there, strict=True)]
    assert max(errors) <= tolerance
    return True


def cases(name):
    page = COMING_FROM / name
    found = rows(page)
    assert len(found) >= 5
    return [pytest.param(row, id=row.here) for row in found]


@pytest.mark.parametrize(
    "page", [p for p in PAGES if code(p).strip()], ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_code_of_a_page_runs(page):
    run(page)


@pytest.fixture(scope="module")
def captum_names():
    return run(COMING_FROM / "captum.md")


@pytest.fixture
def our_noise(monkeypatch):
    """Captum's noise, drawn as `GaussianDoi` draws it: captum has a record's points together."""

    def normal(mean, scale):
        assert mean == 0
        n = scale.shape[0] // 2
        points = GaussianDoi(1.0, n)(torch.zeros_like(scale[:2], dtype=torch.float64))
        return torch.stack(points, 1).reshape(scale.shape) * scale

    monkeypatch.setattr(torch, "normal", normal)


@pytest.mark.parametrize("row", cases("captum.md"))
def test_a_line_of_captum_gives_the_same_numbers(row, captum_names, our_noise):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # captum tells that it changes the input
        there = eval(row.there, captum_names)
    # it rounds nodes and weights to float32, which holds those of 16 midpoints
    rounded = "gauss" in row.here or "trapezoid" in row.here
    assert same(there, eval(row.here, captum_names), FLOAT32 if rounded else EXACT)


@pytest.fixture(scope="module")
def old_names():
    return run(COMING_FROM / "old-trulens.md")


@pytest.mark.parametrize("row", cases("old-trulens.md"))
def test_a_line_of_the_old_trulens_gives_the_same_numbers(row, old_names):
    assert same(eval(row.there, old_names), eval(row.here, old_names))

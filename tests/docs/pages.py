"""The pages of the documentation, and the tables on them that compare two libraries."""

import importlib
import re
import runpy
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from trulens_core import get_backend
from trulens_core.errors import NoBackendError
from trulens_core.testing import relative_error

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("docs/**/*.md")) + sorted(ROOT.glob("*/README.md")) + [ROOT / "README.md"]
ROW = re.compile(r"(?m)^\| `([^`]+)` \| `([^`]+)` \|$")
OTHERS = ("captum.attr", "tf_keras_vis.gradcam")  # which import what is deprecated
_examples = runpy.run_path(str(ROOT / "docs" / "hooks" / "examples.py"))  # as the site is built
code = _examples["code"]


def run(page, **names):
    """What the code of a page defines; it sees `names` beside Python's own."""
    for other in OTHERS:
        if f"from {other} import" in code(page):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(other)
    return _examples["run"](page, **names)


class Row(NamedTuple):
    """A line of a table that compares: what is written there, and here."""

    there: str
    here: str


def coming_from(library):
    """The page for those who come from a library, and its lines as parameters of a test."""
    page = ROOT / "docs" / "coming-from" / f"{library}.md"
    rows = [Row(*cells) for cells in ROW.findall(page.read_text())]
    assert len(rows) >= 5
    return page, [pytest.param(row, id=row.here) for row in rows]


def arrays(value):
    """What one side of a line gave, in NumPy."""
    if isinstance(value, list | tuple):
        return [a for v in value for a in arrays(v)]
    try:
        return [get_backend(value).to_numpy(value)]
    except NoBackendError:
        return [np.asarray(value)]


def error(there, here):
    """The largest error of what one side gave against the other."""
    there, here = arrays(there), arrays(here)
    assert len(there) == len(here)
    return max(relative_error(h, t) for h, t in zip(here, there, strict=True))

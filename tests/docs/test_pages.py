"""Every block of Python on a page runs, one after the other from top to bottom."""

import re
import runpy
import sys
from pathlib import Path

import pytest

pages = runpy.run_path(str(Path(__file__).with_name("pages.py")))
ROOT = pages["ROOT"]
WITH_CODE = [page for page in pages["PAGES"] if pages["code"](page).strip()]


def test_there_are_pages():
    assert {"index.md", "tutorial.md", "algebra.md"} <= {page.name for page in WITH_CODE}


def test_no_block_is_left_out():
    """But those of the pages whose blocks are files: these have tests of their own."""
    others = re.compile(r"(?mi)^ *```+ *(?!python$)(?:py|\{|ipython|pycon)")
    found = [page.name for page in pages["PAGES"] if others.search(page.read_text())]
    assert found == ["add-a-backend.md", "functional-frameworks.md"]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page):
    """And prints what the comment after `print` says."""
    printed = []

    def note(*values):
        printed.append((sys._getframe(1).f_lineno, " ".join(map(str, values))))

    pages["run"](page, print=note)
    if page.is_relative_to(ROOT / "docs"):
        lines = page.read_text().splitlines()
        said = [(i, lines[i - 1].partition("  # ")[2]) for i, _ in printed]
        assert printed == [(i, text) for i, text in said if text]

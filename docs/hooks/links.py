"""Links that texts need not spell out: of papers as they are cited, and of public names in code.

"Leino et al., 2018" leads to the list of papers, and `LinearDoi` to its place in the reference,
on pages and in docstrings alike, which so read as well in `help()`.
"""

from __future__ import annotations

import functools
import html
import posixpath
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
PAPERS = "papers.md"
_TAG = re.compile(r"(<[^>]+>)")
_NAME = re.compile(r"(\w+)(?:\(\))?")
# inside these nothing is linked
_CLOSED = ("a", "pre", "script", "style", "h1", "h2", "h3", "h4", "label")


def on_page_content(content: str, page: Any, config: Any, files: Any) -> str:
    """Link citations and names."""
    del config, files
    here = page.file.src_uri

    def to(target: str, anchor: str) -> str:
        path = posixpath.relpath(target, posixpath.dirname(here) or ".")
        return f"{path.replace('.md', '.html')}#{anchor}"

    cited = {
        html.escape(paper.label): to(PAPERS, paper.key)
        for paper in ([] if here == PAPERS else _papers())
    }
    named = {name: to(target, anchor) for name, (target, anchor) in names().items()}
    return linked(content, cited, named)


@functools.cache
def names() -> dict[str, tuple[str, str]]:
    """The page and the anchor of every name in the reference."""
    found = {}
    for page in sorted((DOCS / "reference").glob("*.md")):
        for path in re.findall(r"(?m)^::: (\S+)$", page.read_text()):
            found[path.rpartition(".")[2]] = (f"reference/{page.name}", path)
    return found


@functools.cache
def _papers() -> list[Any]:
    found: Callable[[], list[Any]] = runpy.run_path(str(DOCS / "hooks" / "citations.py"))["papers"]
    return found()


def linked(content: str, cited: dict[str, str], named: dict[str, str]) -> str:
    """A page with links at citations in its text and at names in its code.

    Args:
        content: HTML.
        cited: the address of each citation, as it reads.
        named: the address of each name.
    """
    lines = ("\\s+".join(map(re.escape, label.split())) for label in cited)  # may break anywhere
    citation = re.compile("|".join(lines) or r"(?!)")
    closed, in_code, found = 0, False, []
    for part in _TAG.split(content):
        if part.startswith("<"):
            closed += _opens(part)
            in_code = (in_code or part.startswith("<code")) and part != "</code>"
            found.append(part)
        elif closed:
            found.append(part)
        elif in_code:
            name = _NAME.fullmatch(part)
            address = named.get(name[1]) if name else None
            found.append(_link(address, part) if address else part)
        else:
            found.append(citation.sub(lambda m: _link(cited[" ".join(m[0].split())], m[0]), part))
    return "".join(found)


def _link(address: str, text: str) -> str:
    return f'<a href="{address}">{text}</a>'


def _opens(tag: str) -> int:
    """1 where a part begins in which nothing is linked, −1 where it ends."""
    name = re.match(r"</?([a-z0-9]+)", tag)
    if name is None or name[1] not in _CLOSED:
        return 0
    return -1 if tag.startswith("</") else 1

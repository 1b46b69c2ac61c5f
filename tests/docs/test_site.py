"""The site as it is built: strictly, with links that lead somewhere and nothing loaded from afar.

Notebooks are shown as they are written here; that they run is tested in test_notebooks.py.
"""

import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
execute = runpy.run_path(str(ROOT / "docs" / "execute.py"), run_name="execute")
named = runpy.run_path(str(Path(__file__).with_name("test_docstrings.py")))["NAMES"]
links = runpy.run_path(str(ROOT / "docs" / "hooks" / "links.py"))
LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href"}


class Page(HTMLParser):
    """What a page links to, loads, and can be linked to at."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.anchors, self.scripts = set(), set(), {""}, ""
        self._in_script = False
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.anchors |= {found[a] for a in ("id", "name") if found.get(a)}
        if tag == "a" and found.get("href"):
            self.links.add(found["href"])
        if found.get(LOADED.get(tag)):
            self.loaded.add(found[LOADED[tag]])
        self._in_script = tag == "script"

    def handle_data(self, data):
        if self._in_script:
            self.scripts += data

    def handle_endtag(self, tag):
        self._in_script = False


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = tmp_path_factory.mktemp("docs")
    (made / "notebooks").mkdir()
    for name in execute["names"]():
        nbformat.write(execute["read"](name), made / "notebooks" / f"{name}.ipynb")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    env = {**os.environ, "TRULENS_DOCS_BUILD": str(made), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [*build, "--site-dir", str(made / "site")],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    return made / "site"


@pytest.fixture(scope="module")
def pages(site):
    found = {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}
    assert len(found) > 20
    return found


def test_every_link_leads_somewhere(pages):
    broken = []
    for path, page in pages.items():
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            if parts.scheme in ("https", "http"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = pages.get(target)
            known = there.anchors if there else {""}
            if not target.is_file() or unquote(parts.fragment) not in known:
                broken.append(f"{path.name}: {link}")
    assert not broken


def test_nothing_is_loaded_from_elsewhere(site, pages):
    assert not [link for page in pages.values() for link in page.loaded if urlsplit(link).netloc]
    assert not [path.name for path, page in pages.items() if "://" in page.scripts]
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert not re.findall(r"url\(['\"]?(?:https?:)?//", styles)


def test_every_public_name_is_in_the_reference(pages):
    anchors = {a.rpartition(".")[2] for page in pages.values() for a in page.anchors}
    assert named.keys() <= anchors


def test_names_and_papers_are_linked():
    linked = links["linked"]
    papers, names = {"Leino et al., 2018": "p.html#l"}, {"Cut": "r.html#Cut"}
    html = "<p>as Leino et\nal., 2018 say, <code>Cut</code></p><pre><code>Cut</code></pre>"
    assert linked(html, papers, names) == (
        '<p>as <a href="p.html#l">Leino et\nal., 2018</a> say, '
        '<code><a href="r.html#Cut">Cut</a></code></p><pre><code>Cut</code></pre>'
    )


def test_names_in_text_or_in_expressions_are_left_alone():
    html = "<p>Cut <code>Cut(1)</code> <a href='#'><code>Cut</code></a></p>"
    assert links["linked"](html, {}, {"Cut": "r.html#Cut"}) == html

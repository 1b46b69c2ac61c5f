"""Papers: a text that cites one as it reads, "Leino et al., 2018", gets a link to the list.

The list is docs/references.bib, shown where a page holds the line `<!-- papers -->`. Docstrings
cite in the same way, so that `help()` reads as well as the site.
"""

from __future__ import annotations

import html
import posixpath
import re
from pathlib import Path
from typing import Any, NamedTuple

from pybtex.database import Entry, parse_file

BIBLIOGRAPHY = Path(__file__).parents[1] / "references.bib"
LIST = "papers.md"
MARK = "<!-- papers -->"
# what looks like a citation, so that one without an entry is found
CITATION = re.compile(r"\b[A-Z][\w-]+(?: et al\.| (?:and|&) [A-Z][\w-]+)?,? \(?(?:19|20)\d\d\b")
_TAGS = re.compile(r"(<[^>]+>)")
_OPAQUE = ("a", "code", "pre", "script", "style", "h1", "h2", "h3")


class Paper(NamedTuple):
    """One entry of the list.

    Attributes:
        key: of the entry, and the anchor on the page of the list.
        label: how a text cites it.
        line: how the list shows it, in Markdown.
    """

    key: str
    label: str
    line: str


def papers(bibliography: Path = BIBLIOGRAPHY) -> list[Paper]:
    """The entries of the list, ordered by label."""
    entries = parse_file(str(bibliography)).entries
    return sorted((_paper(k, e) for k, e in entries.items()), key=lambda p: p.label)


def _paper(key: str, entry: Entry) -> Paper:
    people = entry.persons["author"]
    surnames = [_plain(" ".join(p.last_names)) for p in people]
    first = surnames[0]
    if len(people) == 2:
        first = f"{surnames[0]} and {surnames[1]}"
    elif len(people) > 2:
        first = f"{surnames[0]} et al."
    fields = {name: _plain(value) for name, value in entry.fields.items()}
    names = ", ".join(
        f"{' '.join(n[0] + '.' for n in p.first_names + p.middle_names)} {s}"
        for p, s in zip(people, surnames, strict=True)
    )
    venue = fields.get("booktitle") or fields.get("journal") or fields.get("howpublished", "")
    line = f"{names}: [{fields['title']}]({fields['url']}). {venue}, {fields['year']}."
    return Paper(key, f"{first}, {fields['year']}", line)


def _plain(text: str) -> str:
    from pybtex.richtext import Text

    return str(Text.from_latex(text))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Show the list where its mark is."""
    del page, config, files
    if MARK not in markdown:
        return markdown
    lines = [f'- <span id="{p.key}">{p.label}</span>: {p.line}' for p in papers()]
    return markdown.replace(MARK, "\n".join(lines))


def on_page_content(content: str, page: Any, config: Any, files: Any) -> str:
    """Link every citation."""
    del config, files
    if page.file.src_uri == LIST:
        return content
    there = posixpath.relpath(LIST.replace(".md", ".html"), posixpath.dirname(page.url) or ".")
    return linked(content, there)


def linked(content: str, there: str) -> str:
    """A page with a link to `there` at each citation in its text."""
    links = {
        html.escape(p.label): f'<a href="{there}#{p.key}">{html.escape(p.label)}</a>'
        for p in papers()
    }
    every = re.compile("|".join(map(re.escape, links)))
    depth, found = 0, []
    for part in _TAGS.split(content):
        if part.startswith("<"):
            depth += _opens(part)
            found.append(part)
        else:
            found.append(part if depth else every.sub(lambda m: links[m[0]], part))
    return "".join(found)


def _opens(tag: str) -> int:
    """1 where text in which nothing is linked begins, −1 where it ends."""
    name = re.match(r"</?([a-z0-9]+)", tag)
    if name is None or name[1] not in _OPAQUE:
        return 0
    return -1 if tag.startswith("</") else 1

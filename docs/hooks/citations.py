"""The list of papers: docs/references.bib, shown where a page holds the line `<!-- papers -->`.

A text cites a paper as it reads, "Leino et al., 2018"; `links.py` makes that a link.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pybtex.database import Entry, Person, parse_file
from pybtex.richtext import Text

BIBLIOGRAPHY = Path(__file__).parents[1] / "references.bib"
MARK = "<!-- papers -->"


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
    others = " et al." if len(people) > 2 else " and ".join(["", *surnames[1:]])
    fields = {name: _plain(value) for name, value in entry.fields.items()}
    names = ", ".join(f"{_initials(p)} {s}" for p, s in zip(people, surnames, strict=True))
    venue = fields.get("booktitle") or fields.get("journal") or fields["howpublished"]
    line = f"{names}: [{fields['title']}]({fields['url']}). {venue}, {fields['year']}."
    return Paper(key, f"{surnames[0]}{others}, {fields['year']}", line)


def _initials(person: Person) -> str:
    return " ".join(f"{_plain(n)[0]}." for n in person.first_names + person.middle_names)


def _plain(text: str) -> str:
    return str(Text.from_latex(text))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Show the list where its mark is."""
    del page, config, files
    if MARK not in markdown:
        return markdown
    lines = [f'- <span id="{p.key}">**{p.label}**</span><br>{p.line}' for p in papers()]
    return markdown.replace(MARK, "\n".join(lines))

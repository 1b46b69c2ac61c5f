"""The code on the pages: what it is, and the pictures that a page's code writes.

Blocks of Python on a page are one program, from top to bottom. A page in `DRAWN` is run when the
site is built, and the pictures it writes are there under pictures/.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1]
DRAWN = (
    "tutorial.md",
    "gallery.md",
    "how-to/segments.md",
    "how-to/pictures.md",
    "how-to/prompt-segments.md",
    "how-to/patching.md",
    "how-to/trust.md",
    "methods/perturbation.md",
)
BLOCK = re.compile(r"(?ms)^( *)```python\n(.*?)^\1```$")


def code(page: Path) -> str:
    """The blocks of Python, as one program whose lines are where the page has them."""
    text = page.read_text()
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        first = text[: block.start(2)].count("\n")
        for i, line in enumerate(block[2].splitlines()):
            lines[first + i] = line.removeprefix(block[1])
    return "\n".join(lines)


def run(page: Path, **names: Any) -> dict[str, Any]:
    """What the code of a page defines; it sees `names` beside Python's own."""
    names["__name__"] = page.stem
    exec(compile(code(page), str(page), "exec"), names)
    return names


def on_files(files: Any, config: Any) -> Any:
    """Add the pictures that pages draw."""
    from mkdocs.structure.files import File

    os.environ["MPLBACKEND"] = "agg"
    for name in DRAWN:
        with _elsewhere() as folder:
            run(DOCS / name, print=lambda *_: None)
            for picture in sorted(folder.glob("*.png")):
                made = File.generated(
                    config, f"pictures/{picture.name}", content=picture.read_bytes()
                )
                files.append(made)
    return files


@contextlib.contextmanager
def _elsewhere() -> Iterator[Path]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)

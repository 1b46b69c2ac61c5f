"""How far a run is: records, and the time that is left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from trulens_core.optional import require

Advance = Callable[[int], object]


@contextlib.contextmanager
def shown(wanted: bool, total: int | None, done: int) -> Iterator[Advance]:
    """A function that is told how many records more are done; it shows a bar if `wanted`."""
    if not wanted:
        yield lambda _: None
        return
    tqdm = require("tqdm", "progress")
    with tqdm.tqdm(total=total, initial=done, unit="record", desc="explained") as bar:
        yield bar.update

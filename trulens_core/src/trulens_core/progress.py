"""A progress bar over the rows of a computation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from trulens_core.optional import require


@contextlib.contextmanager
def bar(shown: bool, total: int | None) -> Iterator[Callable[[int], object]]:
    """A function that advances the bar by a number of rows; it does nothing unless `shown`."""
    if not shown:
        yield int
        return
    tqdm = require("tqdm", "progress")
    with tqdm.tqdm(total=total, unit="row", desc="attributions") as shown_bar:
        yield shown_bar.update

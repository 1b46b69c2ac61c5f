"""A progress bar over the rows of a computation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from trulens_core.influence.questions import unseen
from trulens_core.optional import require

Advance = Callable[[int], object]
_HIDDEN: contextlib.AbstractContextManager[Advance] = contextlib.nullcontext(unseen)


def bar(shown: bool, total: int | None) -> contextlib.AbstractContextManager[Advance]:
    """A function that advances the bar by a number of rows; it does nothing unless `shown`."""
    return _shown(total) if shown else _HIDDEN


@contextlib.contextmanager
def _shown(total: int | None) -> Iterator[Advance]:
    tqdm = require("tqdm", "progress")
    with tqdm.tqdm(total=total, unit="row", desc="attributions") as shown_bar:
        yield shown_bar.update

"""A progress bar over the records of a computation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from trulens_core.influence.questions import unseen
from trulens_core.optional import require

Advance = Callable[[int], object]
_HIDDEN: contextlib.AbstractContextManager[Advance] = contextlib.nullcontext(unseen)
_RECORDS = (
    "{desc}: {percentage:3.0f}%|{bar}| {n:.1f} of {total:.0f} records [{elapsed}, {remaining} left]"
)


def bar(shown: bool, rows: int | None, records: int) -> contextlib.AbstractContextManager[Advance]:
    """A function that advances the bar by a number of rows; it does nothing unless `shown`.

    Args:
        shown: whether there is a bar.
        rows: how many there will be, with which the bar tells the time left; None where that is
            not known before.
        records: how many there are.
    """
    return _shown(rows, records) if shown else _HIDDEN


@contextlib.contextmanager
def _shown(rows: int | None, records: int) -> Iterator[Advance]:
    tqdm = require("tqdm", "progress")
    if rows is None:
        with tqdm.tqdm(unit="row", desc=f"attributions of {records} records") as counted:
            yield counted.update
        return
    with tqdm.tqdm(total=records, desc="attributions", bar_format=_RECORDS) as shown_bar:
        yield lambda done: shown_bar.update(done * records / rows)

"""Whether the data is that of before, as far as it is looked at again."""

from __future__ import annotations

from trulens_core.datasets.sources import Batch
from trulens_core.datasets.store import Store
from trulens_core.errors import ResumeError
from trulens_core.quantities import QoI


class Checks:
    """Compares batches of shards that are there with what they were.

    Args:
        store: what is there.
        sparsely: whether batches cost something that are read for this alone: then it is done for
            the first and the last.
    """

    def __init__(self, store: Store, sparsely: bool) -> None:
        self._path = store.path
        known = {first: (n, p) for s in store.done.values() for first, n, p in s.batches}
        self._known = known
        self._looked_at = {min(known), max(known)} if known and sparsely else set(known)
        size = 1 if store.header is None else store.header.shard
        self._ranges = store.done, size
        self._end = store.end

    def of(self, batch: Batch) -> None:
        """Look at a batch.

        Raises:
            ResumeError: where it is another one.
        """
        if self._end is not None and batch.first + batch.size > self._end:
            raise ResumeError(
                f"the data is longer than before: it goes on behind record {self._end - 1}, where "
                f"that of {self._path} ends"
            )
        if batch.first in self._looked_at:
            size, known = self._known[batch.first]
            if batch.size != size or batch.read().print != known:
                self._refuse(batch.first, batch.first + batch.size - 1)
        elif batch.first not in self._known and self._there(batch.first):
            self._refuse(batch.first, batch.first + batch.size - 1)

    def _there(self, record: int) -> bool:
        done, size = self._ranges
        return record // size in done

    def _refuse(self, first: int, last: int) -> None:
        raise ResumeError(
            f"the records {first} to {last} of the data are not those that {self._path} was begun "
            "with, or come in other batches; a run goes on with the same data in the same order"
        )


def check_rows(qoi: QoI, batch_size: int | None) -> None:
    """Refuse a quantity with numbers for each record, which every batch would take for its own.

    Raises:
        ValueError: for one.
    """
    rows = {
        int(d.value.shape[0]) for d in qoi.with_n_records(batch_size or -1).data() if d.per_record
    } - {1}
    if rows:
        raise ValueError(
            f"the quantity has {max(rows)} values, one for each record of a call, and a run has "
            "many calls; choose it by what the batch has: y=lambda batch: batch[1] for the "
            "classes that the data says, or qoi='predicted'"
        )

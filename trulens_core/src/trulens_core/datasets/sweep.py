"""`explain_dataset`: every record of a data set explained, into a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trulens_core.attribution.method import AttributionMethod
from trulens_core.datasets.beside import Writer
from trulens_core.datasets.checks import Checks, check_rows
from trulens_core.datasets.columns import Column
from trulens_core.datasets.engine import Engine
from trulens_core.datasets.engines import as_engine
from trulens_core.datasets.header import Header, Identity
from trulens_core.datasets.keep import Keep
from trulens_core.datasets.progress import shown
from trulens_core.datasets.reading import Run, open_run
from trulens_core.datasets.records import Reading
from trulens_core.datasets.remarks import Remarks
from trulens_core.datasets.shards import Assembly, Full
from trulens_core.datasets.sources import Batch, Source, as_source
from trulens_core.datasets.store import Store
from trulens_core.datasets.work import Explained, Factory, Work
from trulens_core.distributions.quadrature import positive_int
from trulens_core.errors import TrulensError, TrulensWarning

_BYTES, _SECONDS = 16 << 20, 30.0
"""What a shard has at most, unless it is said: so much is lost when a run is killed."""


def explain_dataset(  # noqa: PLR0913 - keyword options, of which a call has few
    method: AttributionMethod | Factory,
    data: Any,
    out: str | Path,
    *,
    inputs: Callable[[Any], Any] | None = None,
    ids: Callable[[Any], Any] | None = None,
    labels: Callable[[Any], Any] | None = None,
    y: Callable[[Any], Any] | None = None,
    loader: Callable[[Any], Any] | None = None,
    batch_size: int | None = None,
    keep: Keep | None = None,
    shard: int | None = None,
    max_failures: int = 0,
    prefetch: int = 2,
    progress: bool = False,
    engine: str | Engine = "local",
    rank: int = 0,
    world_size: int = 1,
) -> Run:
    """Explain every record of a data set, into a store on the disk (extra `data`).

    The store is a group of Zarr, with an array of attributions and others beside it. It is written
    in shards: a record is there whole or not at all, whenever the process ends. The same call goes
    on where it stopped, and gives what one run gives, to the bit; with another model, method or
    data it is refused. Batches are read, and shards written, beside the computation, and memory
    does not grow with the number of records.

    Args:
        method: which explains a batch, by `explain`; or a function without arguments that makes
            it, where other processes make their own.
        data: an array or tensor, a DataFrame, a `ModelInputs` or a mapping of arrays, a data set of
            Hugging Face; a list of files or other records with `loader`; or what gives batches in
            an order that does not change: a data loader, a `tf.data.Dataset`, a data set of Ray.
        out: the folder of the store.
        inputs: of a batch what is explained, as `explain` takes it; a mapping is keyword
            arguments. None: the batch itself.
        ids: of a batch what its records are called, strings or integers. Files have their paths.
        labels: of a batch the classes of its records, integers; summaries go by them.
        y: of a batch the classes that are explained, integers, one for each record; the quantity
            that the method was made with is then not used. None: that quantity.
        loader: gives one record, an array without an axis of records or a tree of them, for an
            item of `data`.
        batch_size: of data that gives any rows; 32 where it is not said.
        keep: how much is kept of attributions, such as `Keep(sum=1, dtype="float16")`.
        shard: how many records are written at once. None: batches of up to 16 MB and 30 seconds.
        max_failures: how many records may fail. They are listed in the run, with why, and read as
            nan; one more is an error.
        prefetch: how many batches are read before they are needed; 0: none.
        progress: whether to show how many records are done, and the time that is left (extra
            `progress`).
        engine: "local", this process; "ray", two actors of Ray on this machine; or a `RayEngine`.
        rank: of this process among `world_size` that write to one store, each a part of the shards.
        world_size: how many processes there are.

    Returns:
        The run, as `open_run` gives it.

    Raises:
        ResumeError: where what is there was begun with another model, method or data.
        ResultFileError: where `out` is no run, or damaged.
        ValueError: for a method that has numbers for the records of one batch: classes in its
            quantity, a row of its baseline or segments for each.
        OSError: where the disk is full; what was written stays, and the same call goes on.
        ImportError: where zarr is not installed.

    Example:
        >>> import tempfile
        >>> from trulens_core import IntegratedGradients
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = explain_dataset(IntegratedGradients(model), x, f"{folder}/run.zarr")
        ...     print(run, run[1].attributions.shape)
        Run(2 of 2 records, IntegratedGradients, attributions (5,)) (1, 5)
    """
    if not 0 <= rank < positive_int(world_size, "world_size"):
        raise ValueError(f"rank is {rank}; it must be below world_size, {world_size}")
    if shard is not None:
        positive_int(shard, "shard")
    tolerant = max_failures > 0
    source = as_source(data, Reading(inputs, ids, labels, y, loader, tolerant), batch_size)
    whole = source.n_records is not None and source.n_records <= (source.batch_size or 0)
    work = Work(method, keep or Keep(), tolerant, whole)
    sizes = source.n_records, source.batch_size
    identity = Identity.of(work.method, keep or Keep(), *sizes, of_data=y is not None)
    if y is None and not whole:
        check_rows(work.method.question().qoi, source.batch_size)
    path = Path(out)
    with Store(path, rank, identity) as store:
        sweep = Sweep(source, store, identity, (rank, world_size), shard, max_failures)
        sweep.run(as_engine(engine, prefetch), work, progress)
    return open_run(path)


class Sweep:
    """One run over the data, by one process.

    Args:
        source: of the records.
        store: that they are written to.
        identity: of the run.
        ranks: the number of this process, and of how many.
        shard: how many records are written at once; None: by the first batches.
        max_failures: how many records may fail.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        identity: Identity,
        ranks: tuple[int, int],
        shard: int | None,
        max_failures: int,
    ) -> None:
        self._source, self._store, self._identity = source, store, identity
        self._rank, self._ranks = ranks
        self._asked, self._most = shard, max_failures
        self._checks = Checks(store, source.n_records is not None)
        self._failed = sum(len(s.failed) for s in store.done.values())
        self._first: list[Explained] = []
        self._assembly: Assembly | None = None
        self._end = 0
        self._remarks = Remarks()

    def run(self, engine: Engine, work: Work, progress: bool) -> None:
        """Explain what is missing."""
        for wrong in self._store.repaired:
            self._remarks.add([(TrulensWarning, f"{wrong}; it is computed anew")], 4)
        header = self._store.header
        if header is not None:
            self._begin(header)
            changed = header.versions_changed()
            if changed:
                self._remarks.add([(TrulensWarning, changed)], 4)
        there = sum(s.records for s in self._store.done.values())
        total = self._source.expected
        with (
            shown(progress, total, there) as advance,
            Writer[Full](lambda full: self._store.put(*full)) as writer,
        ):
            for found in engine.explained(work, self._needed()):
                self._remarks.add(found.warned, 4)
                self._count(found)
                for full in self._taken(found):
                    writer.put(full)
                advance(found.size)
            for full in self._last():
                writer.put(full)
        self._store.finish(self._end)

    # -- what is needed ----------------------------------------------------------------------

    def _needed(self) -> Iterator[Batch]:
        """The batches of shards that are missing; of others, whether they are those of before."""
        for batch in self._source.batches():
            self._checks.of(batch)
            self._end = batch.first + batch.size
            if self._wanted(batch):
                yield batch

    def _wanted(self, batch: Batch) -> bool:
        header = self._store.header
        if header is None:
            return True
        first, last = batch.first // header.shard, (batch.first + batch.size - 1) // header.shard
        return any(self._mine(k) for k in range(first, last + 1))

    def _mine(self, number: int) -> bool:
        return number % self._ranks == self._rank and number not in self._store.done

    # -- what came of it ---------------------------------------------------------------------

    def _taken(self, found: Explained) -> Iterator[Full]:
        """The shards that a batch makes full; none before the run is begun."""
        if self._assembly is not None:
            yield from self._assembly.add(found)
            return
        self._first.append(found)
        if sum(e.columns is not None for e in self._first) > 1:
            yield from self._created()

    def _last(self) -> Iterator[Full]:
        if self._assembly is None:
            if not self._first:
                raise ValueError("the data has no records")
            yield from self._created()
        assert self._assembly is not None
        yield from self._assembly.rest(self._end)

    def _created(self) -> Iterator[Full]:
        """Begin the run, now that batches tell what it holds."""
        good = [e for e in self._first if e.columns is not None]
        if not good:
            why = self._first[0].failed[0].why
            raise TrulensError(f"none of the {self._end} records could be explained; {why}")
        best = min(good, key=lambda e: e.seconds / max(1, e.size))
        assert best.columns is not None
        assert best.told is not None
        columns = tuple(Column.of(n, x) for n, x in best.columns.items())
        size = self._asked or _size(columns, best)
        header = Header.of(self._identity, best.told, columns, size)
        self._store.create(header, best.told.method_arrays)
        self._begin(header)
        waiting, self._first = self._first, []
        for found in waiting:
            yield from self._taken(found)

    def _begin(self, header: Header) -> None:
        self._assembly = Assembly(header.columns, header.shard, self._mine)

    def _count(self, found: Explained) -> None:
        """Count the records that failed, once each."""
        self._failed += len(found.failed)
        if self._failed > self._most:
            record, why = found.failed[-1] if found.failed else (found.first, "earlier ones")
            raise TrulensError(
                f"{self._failed} records failed and max_failures is {self._most}; the last was "
                f"record {record}: {why}"
            )


def _size(columns: tuple[Column, ...], found: Explained) -> int:
    """How many records a shard has: batches of this kind, within bytes and seconds."""
    size = max(1, found.size)
    of_bytes = _BYTES // max(1, sum(c.nbytes for c in columns) * size)
    of_time = int(_SECONDS / max(found.seconds, 1e-9))
    return size * max(1, min(of_bytes, of_time))

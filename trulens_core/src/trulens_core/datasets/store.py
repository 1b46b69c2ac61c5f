"""The store of a run: shards are added to it, each whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from trulens_core.datasets import encoding, manifest
from trulens_core.datasets.columns import Column
from trulens_core.datasets.files import Drafts, Log, synced, told
from trulens_core.datasets.header import OWN, Header, Identity
from trulens_core.datasets.manifest import Manifest, Shard, Written
from trulens_core.errors import ResultFileError, ResumeError
from trulens_core.optional import require
from trulens_core.results import fingerprints
from trulens_core.results.arrays import Array, host

_DRAFTS = ".drafts-"
_ROOM = 1024
"""For how many shards there is room at first where the number of records is not known."""
_PATIENCE = 600.0


def header_of(path: Path) -> Header | None:
    """The header of the run in a folder; None where none was begun there.

    Raises:
        ResultFileError: for a folder that holds something else.
    """
    if not path.exists():
        return None
    if not (path / encoding.METADATA).is_file():
        if path.is_dir() and all(_of_a_beginning(p.name) for p in path.iterdir()):
            return None
        raise ResultFileError(f"{path} is there and is no run; give another out=")
    zarr = require("zarr", "data")
    try:
        attributes = dict(zarr.open_group(path, mode="r").attrs)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultFileError(f"{path} is no Zarr store that can be read: {error}") from error
    return Header.read(path, attributes)


def _of_a_beginning(name: str) -> bool:
    """Whether it is what a run leaves that ends before its header is written."""
    return name == manifest.FOLDER or name.startswith((_DRAFTS, OWN))


def damaged(path: Path, columns: Mapping[str, Column], shard: Shard) -> str | None:
    """What is wrong with a shard's files, going by their lengths."""
    for name, written in shard.files.items():
        file = path / name / encoding.file_name(columns[name], shard.number)
        size = file.stat().st_size if file.exists() else None
        if size != written.size:
            found = "is not there" if size is None else f"has {size} bytes and not {written.size}"
            return f"shard {shard.number} of {path} is damaged: its file of {name} {found}"
    return None


class Store:
    """A run's folder, open to be written to by one process of a rank.

    Args:
        path: of the folder.
        rank: of this process among those that write.
        identity: of the run.

    Attributes:
        header: of the run; None until it is created.
        done: the shards that are there, by number, those of other ranks too.
        end: how many records the data has, where that is known.
        repaired: what was wrong with shards that are computed anew.

    Raises:
        ResumeError: where what is there is another run, or another process writes.
        ResultFileError: where what is there is no run, or damaged.
    """

    def __init__(self, path: Path, rank: int, identity: Identity) -> None:
        self.path: Path = path
        self._rank, self._identity = rank, identity
        self.header: Header | None = header_of(path) if rank == 0 else _awaited(path)
        if self.header is not None:
            identity.refuse(self.header.identity, path)
        (path / manifest.FOLDER).mkdir(parents=True, exist_ok=True)
        file = path / manifest.FOLDER / f"{rank}.jsonl"
        self._log = Log(file, manifest.read(file).length)
        self._drafts = Drafts(path / f"{_DRAFTS}{rank}")
        found = manifest.read_all(path / manifest.FOLDER)
        self.done: dict[int, Shard] = {}
        self.repaired: list[str] = []
        self.end: int | None = identity.records if found.end is None else found.end
        if self.header is not None:
            self._begun(self.header, found)

    def _begun(self, header: Header, found: Manifest) -> None:
        self.columns: dict[str, Column] = {c.name: c for c in header.columns}
        for shard in found.shards.values():
            wrong = damaged(self.path, self.columns, shard)
            if wrong is None:
                self.done[shard.number] = shard
            else:
                self.repaired.append(wrong)
        n, size = self._identity.records, header.shard
        self._room = n if n is not None else size * max(_ROOM, *(2 * k for k in (*self.done, 0)))
        written = all((self._place(c) / encoding.METADATA).is_file() for c in header.columns)
        if self._rank == 0 and not written:
            self._write_metadata()

    # -- created -----------------------------------------------------------------------------

    def create(self, header: Header, arrays: tuple[Any, ...]) -> None:
        """Begin the run: its header, the arrays that its method holds, its columns."""
        with told(self.path, "Nothing of the run is there"):
            for column, x in zip(header.method_arrays, arrays, strict=True):
                self._place(column).mkdir(exist_ok=True)
                for name, content in encoding.whole(host(x)).items():
                    file = self._place(column) / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    self._drafts.write(file, content)
            self._drafts.write(self.path / encoding.METADATA, encoding.group(header.attributes()))
            self.header = header
            self._begun(header, Manifest({}, None, 0))
            synced(self.path)

    def _write_metadata(self) -> None:
        assert self.header is not None
        for column in self.header.columns:
            self._place(column).mkdir(exist_ok=True)
            content = encoding.metadata(column, self._room, self.header.shard)
            self._drafts.write(self._place(column) / encoding.METADATA, content)

    def _place(self, column: Column) -> Path:
        return self.path / column.name

    # -- added to ----------------------------------------------------------------------------

    def put(
        self,
        number: int,
        rows: Mapping[str, Array],
        failed: tuple[tuple[int, str], ...],
        batches: tuple[tuple[int, int, str], ...],
    ) -> None:
        """Add a shard: its files, and then the line that makes them count.

        Raises:
            OSError: where the disk is full; the run is as it was.
        """
        assert self.header is not None
        n = len(next(iter(rows.values())))
        with told(self.path, f"{len(self.done)} shards of {self.header.shard} records are there"):
            files = {}
            for name, column in self.columns.items():
                content = encoding.encoded(column, rows[name], self.header.shard)
                file = self._place(column) / encoding.file_name(column, number)
                self._drafts.write(file, content)
                files[name] = Written(len(content), fingerprints.of_bytes(content))
            for name in self.columns:
                synced(self.path / name)
            self._grow(number * self.header.shard + n)
            shard = Shard(number, n, failed, batches, files)
            self._log.append(shard.line())
        self.done[number] = shard

    def _grow(self, n: int) -> None:
        """Have room for so many records in what Zarr says of the arrays."""
        if n > self._room:
            self._room = 2 * n
            self._write_metadata()

    def finish(self, n: int) -> None:
        """Say how many records the data has.

        Raises:
            ResumeError: where it had another number before.
        """
        last = max((k * self._shard + s.records for k, s in self.done.items()), default=0)
        if last > n or self.end not in (None, n):
            was = last if self.end is None else self.end
            which = "shorter" if n < was else "longer"
            raise ResumeError(
                f"the data is {which} than before: it has {n} records, and {self.path} was begun "
                f"with {was} or more"
            )
        with told(self.path, f"All {n} records are there"):
            if self._identity.records is None:
                self._room = n
                self._write_metadata()
            if self.end is None:
                self._log.append(manifest.line({"end": n}))
                self.end = n

    @property
    def _shard(self) -> int:
        return 1 if self.header is None else self.header.shard

    @property
    def complete(self) -> bool:
        """Whether all records are there."""
        if self.header is None or self.end is None:
            return False
        return sum(s.records for s in self.done.values()) == self.end

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._drafts.clear()
        self._log.__exit__(kind, error, trace)


def _awaited(path: Path) -> Header:
    """The header that the process of rank 0 writes once it has explained a batch."""
    last = time.monotonic() + _PATIENCE
    while time.monotonic() < last:
        found = header_of(path)
        if found is not None:
            return found
        time.sleep(0.2)
    raise ResumeError(
        f"the process of rank 0 has not begun {path} within {_PATIENCE:.0f} s; start it with the "
        "same out="
    )

"""The manifest: a checksummed line for every shard that is there, which readers trust alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trulens_core.errors import ResultFileError
from trulens_core.results.fingerprints import of_bytes

FOLDER = "manifest"


class Written(NamedTuple):
    """A file of a shard: how long it is, and its fingerprint."""

    size: int
    print: str


@dataclasses.dataclass(frozen=True)
class Shard:
    """A shard that is there.

    Attributes:
        number: of the shard; its records begin at this many times the shard's size.
        records: how many it has.
        failed: those that could not be explained, each with why.
        batches: those that it was made of: the first record of each, their number, and the
            fingerprint of the inputs.
        files: by the name of the array.
    """

    number: int
    records: int
    failed: tuple[tuple[int, str], ...]
    batches: tuple[tuple[int, int, str], ...]
    files: Mapping[str, Written]

    def line(self) -> bytes:
        """Its line in the manifest."""
        return line({"shard": dataclasses.asdict(self)})


class Manifest(NamedTuple):
    """What a file of lines says.

    Attributes:
        shards: by number; of two lines for one the later holds.
        end: how many records the data has, where somebody came to its end.
        length: of the file, as far as its lines are whole.
    """

    shards: dict[int, Shard]
    end: int | None
    length: int


def line(data: Mapping[str, Any]) -> bytes:
    """Data as a line that tells whether it is whole."""
    text = json.dumps(data, allow_nan=False).encode()
    return b"%s %s\n" % (of_bytes(text).encode(), text)


def read(path: Path) -> Manifest:
    """The lines of a file; a last one that was not written to its end is not there.

    Raises:
        ResultFileError: for a line that was changed.
    """
    shards: dict[int, Shard] = {}
    end, length = None, 0
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    for i, found in enumerate(lines):
        data = _data(found)
        if data is None:
            if i + 1 == len(lines):
                break
            raise ResultFileError(
                f"{path} is damaged at line {i + 1}: what it lists cannot be trusted; remove that "
                "line, and the run computes its shard anew"
            )
        if "shard" in data:
            shard = _shard(data["shard"])
            shards[shard.number] = shard
        else:
            end = int(data["end"])
        length += len(found)
    return Manifest(shards, end, length)


def read_all(folder: Path) -> Manifest:
    """The lines of all processes that wrote."""
    found = [read(path) for path in sorted(folder.glob("*.jsonl"))]
    shards = {n: shard for one in found for n, shard in one.shards.items()}
    ends = [one.end for one in found if one.end is not None]
    return Manifest(shards, max(ends, default=None), 0)


def _data(found: bytes) -> dict[str, Any] | None:
    print_, _, text = found.rstrip(b"\n").partition(b" ")
    if not found.endswith(b"\n") or of_bytes(text).encode() != print_:
        return None
    data: dict[str, Any] = json.loads(text)
    return data


def _shard(data: Mapping[str, Any]) -> Shard:
    return Shard(
        data["number"],
        data["records"],
        tuple((r, why) for r, why in data["failed"]),
        tuple((first, size, p) for first, size, p in data["batches"]),
        {name: Written(*written) for name, written in data["files"].items()},
    )

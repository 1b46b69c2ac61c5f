"""Arrays as Zarr writes them, in memory: what goes to the disk, and when, is said elsewhere."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from trulens_core.datasets.columns import Column
from trulens_core.optional import require
from trulens_core.results.arrays import Array

_INNER = 1 << 20
"""About how many bytes are read for one record."""
METADATA = "zarr.json"


class Grid(NamedTuple):
    """How an array is divided: records of a shard, and of a part that is read at once."""

    shard: int
    inner: int


def grid(column: Column, shard: int) -> Grid:
    """The division of a column: parts that fill the shard evenly."""
    most = max(1, min(shard, _INNER // max(1, column.nbytes)))
    return Grid(shard, next(n for n in range(most, 0, -1) if shard % n == 0))


def group(attributes: dict[str, Any]) -> bytes:
    """The metadata of the group of all arrays."""
    zarr = require("zarr", "data")
    held: dict[str, Any] = {}
    zarr.create_group(zarr.storage.MemoryStore(held), attributes=attributes)
    return _bytes(held[METADATA])


def metadata(column: Column, n_records: int, shard: int) -> bytes:
    """The metadata of the array of a column."""
    held: dict[str, Any] = {}
    _array(held, column, n_records, shard)
    return _bytes(held[METADATA])


def encoded(column: Column, rows: Array, shard: int) -> bytes:
    """The file of a shard of a column."""
    held: dict[str, Any] = {}
    array = _array(held, column, shard, shard)
    array[: len(rows)] = rows
    del held[METADATA]
    return _bytes(held.popitem()[1]) if held else b""


def file_name(column: Column, number: int) -> str:
    """What Zarr calls the file of a shard."""
    return ".".join(["c", str(number), *("0" for _ in column.shape)])


def _array(held: dict[str, Any], column: Column, n_records: int, shard: int) -> Any:
    zarr = require("zarr", "data")
    shard, inner = grid(column, shard)
    dtype: Any = str if column.dtype == "str" else np.dtype(column.dtype)
    shape = tuple(max(1, n) for n in column.shape)
    codecs = zarr.codecs
    squeezed = codecs.BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")
    whole = {"shards": (shard, *shape), "chunks": (inner, *shape)}
    return zarr.create_array(
        zarr.storage.MemoryStore(held),
        shape=(n_records, *column.shape),
        dtype=dtype,
        compressors=[squeezed, codecs.Crc32cCodec()],
        fill_value=column.fill,
        chunk_key_encoding={"name": "default", "separator": "."},
        config={"write_empty_chunks": True},
        **({"chunks": (shard,)} if column.dtype == "str" else whole),
    )


def _bytes(buffer: Any) -> bytes:
    found: bytes = buffer.to_bytes()
    return found


def whole(x: Array) -> dict[str, bytes]:
    """The files of an array that is written at once."""
    zarr = require("zarr", "data")
    held: dict[str, Any] = {}
    zarr.create_array(zarr.storage.MemoryStore(held), data=np.ascontiguousarray(x).reshape(x.shape))
    return {name: _bytes(buffer) for name, buffer in held.items()}

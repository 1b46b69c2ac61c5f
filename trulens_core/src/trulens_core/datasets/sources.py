"""Where records come from: rows that can be asked for, files, or batches one after the other."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trulens_core.datasets.records import Reading, Records
from trulens_core.distributions.quadrature import positive_int
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED
from trulens_core.results.arrays import is_array


class Batch(NamedTuple):
    """Records that are explained together.

    Attributes:
        first: the number of the first one in the data.
        size: how many there are.
        read: gives them; it goes to another process as it is.
    """

    first: int
    size: int
    read: functools.partial[Records]


class Source(ABC):
    """A data set, record by record in an order that does not change.

    Attributes:
        n_records: how many there are; None where only the end tells.
        batch_size: of its batches; None where the data decides.
        expected: how many there will be, as far as anybody knows.
    """

    def __init__(self, n_records: int | None, batch_size: int | None, expected: int | None) -> None:
        self.n_records: int | None = n_records
        self.batch_size: int | None = batch_size
        self.expected: int | None = expected

    @abstractmethod
    def batches(self) -> Iterator[Batch]:
        """All of them in order."""


class Rows(Source):
    """What has a length and gives any of its rows: arrays, tables, lists of files."""

    def __init__(
        self, n: int, batch_size: int, read: functools.partial[Records], rows: Any
    ) -> None:
        super().__init__(n, batch_size, n)
        self._read, self._rows = read, rows

    def batches(self) -> Iterator[Batch]:
        n = self.n_records or 0
        for first in range(0, n, self.batch_size or 1):
            end = min(n, first + (self.batch_size or 1))
            rows = functools.partial(self._rows, first, end)
            yield Batch(first, end - first, functools.partial(_of_rows, self._read, rows, first))


def _of_rows(read: functools.partial[Records], rows: functools.partial[Any], first: int) -> Records:
    return read(rows(), first)


class Stream(Source):
    """What gives batches one after the other: data loaders, generators."""

    def __init__(self, data: Any, reading: Reading) -> None:
        super().__init__(None, None, _length(getattr(data, "dataset", None)))
        self._data, self._reading = data, reading

    def batches(self) -> Iterator[Batch]:
        first = 0
        for raw in self._data:
            records = self._reading.batch(raw, first)
            yield Batch(first, records.size, functools.partial(_given, records))
            first += records.size


def _given(records: Records) -> Records:
    return records


def as_source(data: Any, reading: Reading, batch_size: int | None) -> Source:
    """The source that a data set is.

    Raises:
        TypeError: for what is none.
        ValueError: for a `batch_size` that has no effect, and for data in an order by chance.
    """
    sized = _sized(data, reading)
    if sized is not None:
        n, read, rows = sized
        size = 32 if batch_size is None else positive_int(batch_size, "batch_size")
        return Rows(n, size, read, rows)
    if not hasattr(data, "__iter__") and hasattr(data, "iter_batches"):  # Ray Data
        data = data.iter_batches(batch_size=batch_size or 32, batch_format="numpy")
    elif batch_size is not None:
        raise ValueError(
            f"{type(data).__name__} gives batches of its own, so batch_size= has no effect; say it "
            "where the data is made"
        )
    if isinstance(data, str | bytes | Mapping) or not hasattr(data, "__iter__"):
        raise TypeError(
            f"data is {type(data).__name__}; give an array, a DataFrame, a ModelInputs, a list of "
            "files with loader=, or what gives batches, such as a data loader"
        )
    if type(getattr(data, "sampler", None)).__name__ == "RandomSampler" and reading.ids is None:
        raise ValueError(
            "this data loader shuffles, so that record 5 is another one in every run and nothing "
            "can be gone on with; make it with shuffle=False"
        )
    return Stream(data, reading)


def _sized(data: Any, reading: Reading) -> tuple[int, functools.partial[Records], Any] | None:
    """How many rows, how they are read, and a function that gives some; None for other data."""
    batch = functools.partial(reading.batch)
    if reading.loader is not None:
        items = _items(data)
        return len(items), functools.partial(reading.items), functools.partial(_slice, items)
    if isinstance(data, ModelInputs):
        return data.n_records, batch, functools.partial(_inputs, data)
    if isinstance(data, Mapping) and data and all(is_array(v) for v in data.values()):
        return _sized(ModelInputs((), data), reading)
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return len(data), batch, functools.partial(_frame, data)
    if is_array(data) or (hasattr(data, "column_names") and hasattr(data, "select")):
        return len(data), batch, functools.partial(_slice, data)
    return None


def _items(data: Any) -> Sequence[Any]:
    if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise TypeError(f"loader= reads one record of a list, found {type(data).__name__}")
    if isinstance(data, str | Path):
        raise TypeError("loader= reads one record of a list, found one path; give a list of them")
    items: Sequence[Any] = data
    return items


def _slice(data: Any, first: int, end: int) -> Any:
    return data[first:end]


def _frame(data: Any, first: int, end: int) -> Any:
    return data.iloc[first:end]


def _inputs(data: ModelInputs, first: int, end: int) -> ModelInputs:
    return data.map_tensors(lambda x: x.value[first:end] if x.role == BATCHED else x.value)


def _length(data: Any) -> int | None:
    try:
        return len(data)
    except TypeError:
        return None

"""`open_run`: what a run holds, read a slice at a time."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trulens_core.datasets import classes, manifest
from trulens_core.datasets.blocks import Block
from trulens_core.datasets.columns import field_of, put_together
from trulens_core.datasets.header import Header
from trulens_core.datasets.keep import KEPT, PLACES, spread
from trulens_core.datasets.prototypes import Prototype, prototypes
from trulens_core.datasets.records import Failure
from trulens_core.datasets.store import damaged, header_of
from trulens_core.datasets.summary import Summary, summary
from trulens_core.datasets.units import Unit, top_records, units
from trulens_core.errors import ResultFileError, TrulensError
from trulens_core.optional import require
from trulens_core.results import AttributionResult
from trulens_core.results.arrays import Array
from trulens_core.results.fingerprints import of_bytes


def open_run(path: str | Path) -> Run:
    """The run in a folder, as far as it is; nothing of its arrays is loaded.

    Args:
        path: what `explain_dataset` was given as `out`; it may still be written to.

    Returns:
        A `Run`.

    Raises:
        FileNotFoundError: where no run is there.
        ResultFileError: where the folder holds none, a damaged one, or one of another version.
        ImportError: where zarr is not installed.

    Example:
        >>> import tempfile
        >>> from trulens_core import Saliency, explain_dataset
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = explain_dataset(Saliency(model), x, f"{folder}/run.zarr")
        ...     open_run(f"{folder}/run.zarr")[0:2].attributions.shape
        (2, 5)
    """
    folder = Path(path)
    header = header_of(folder)
    if header is None:
        raise FileNotFoundError(f"there is no run at {folder}, or none of its shards was written")
    return Run(folder, header)


class Run:
    """Explanations of a data set, on the disk.

    `run[i]`, `run[a:b]` and `run[[i, j]]` are results of those records, an `AttributionResult`
    each; i counts the records of the data. `len(run)` is how many the data has.

    Args:
        path: of the folder.
        header: what it says of itself; `open_run` reads it.

    Attributes:
        path: of the folder.
        failures: the records that could not be explained, and why.
        arrays: by name, the arrays of Zarr that hold the records, opened and not read:
            "attributions", "quantity", "residual", "id" and so on.

    Raises:
        ResultFileError: where a shard is damaged.

    Example:
        >>> import tempfile
        >>> from trulens_core import Saliency, explain_dataset
        >>> from trulens_core.testing import small_model
        >>> model, x = small_model()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = explain_dataset(Saliency(model), x, f"{folder}/run.zarr")
        ...     len(run), run.complete, run.summary().mean_abs.shape
        (2, True, (5,))
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path: Path = path
        self._header = header
        found = manifest.read_all(path / manifest.FOLDER)
        self._shards = dict(sorted(found.shards.items()))
        self._end = header.identity.records if found.end is None else found.end
        columns = {c.name: c for c in header.columns}
        for shard in self._shards.values():
            wrong = damaged(path, columns, shard)
            if wrong is not None:
                raise ResultFileError(f"{wrong}; the call that began the run computes it anew")
        self.failures: list[Failure] = [
            Failure(*f) for s in self._shards.values() for f in s.failed
        ]

    @functools.cached_property
    def arrays(self) -> Mapping[str, Any]:
        """The arrays of Zarr."""
        zarr = require("zarr", "data")
        return {c.name: zarr.open_array(self.path / c.name, mode="r") for c in self._header.columns}

    # -- what there is -----------------------------------------------------------------------

    def __len__(self) -> int:
        size = self._header.shard
        last = max((k * size + s.records for k, s in self._shards.items()), default=0)
        return last if self._end is None else self._end

    @property
    def done(self) -> int:
        """How many records are there, with those that failed."""
        return sum(s.records for s in self._shards.values())

    @property
    def complete(self) -> bool:
        """Whether all of the data is there."""
        return self._end is not None and self.done == self._end

    @property
    def method(self) -> Mapping[str, Any]:
        """Which method with which options, as `AttributionResult.method`."""
        found: Mapping[str, Any] = field_of(self._header.method, [])
        return found

    @property
    def nbytes(self) -> int:
        """How many bytes the shards have on the disk."""
        return sum(f.size for s in self._shards.values() for f in s.files.values())

    def __repr__(self) -> str:
        shapes = [f"{name} {self._header.shapes[name]}" for name in self.attributed]
        failed = f", {len(self.failures)} failed" if self.failures else ""
        many = f"{self.done} of {len(self)} records"
        return f"Run({many}, {self._header.identity.method}, {', '.join(shapes)}{failed})"

    # -- records -----------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> AttributionResult:
        places = self._places(index)
        if np.ndim(index) == 0 and not isinstance(index, slice):
            for failure in self.failures:
                if failure.record == places[0]:
                    raise TrulensError(f"record {places[0]} could not be explained: {failure.why}")
        columns = {c.name: self._rows(c.name, places) for c in self._header.columns}
        return self._result(self._dense(columns))

    def marks(self, name: str, index: Any = slice(None)) -> Array:
        """The ids or labels of records.

        Args:
            name: "id" or "label"; records without ids of their own have their numbers.
            index: of the records; all where it is not said.

        Raises:
            KeyError: for labels that were not given.
        """
        places = self._places(index)
        if name in self.arrays:
            return self._rows(name, places)
        if name == "id":
            return places
        raise KeyError(f"the run has no {name}s; give labels= to explain_dataset")

    def blocks(self, *names: str) -> Iterator[Block]:
        """The records a shard at a time, those that failed left out.

        Args:
            *names: of the arrays; none: all of them.
        """
        wanted = names or tuple(self.arrays)
        size = self._header.shard
        for number, shard in self._shards.items():
            first = number * size
            good = np.ones(shard.records, bool)
            good[[record - first for record, _ in shard.failed]] = False
            rows = {n: self._read(n, slice(first, first + shard.records)) for n in wanted}
            numbers = np.arange(first, first + shard.records)[good]
            yield Block(numbers, self._dense({n: x[good] for n, x in rows.items()}))

    def verify(self) -> None:
        """Compare all files with what was written.

        Raises:
            ResultFileError: for one that was changed.
        """
        from trulens_core.datasets.encoding import file_name  # only when asked for

        columns = {c.name: c for c in self._header.columns}
        for number, shard in self._shards.items():
            for name, written in shard.files.items():
                file = self.path / name / file_name(columns[name], number)
                if of_bytes(file.read_bytes()) != written.print:
                    raise ResultFileError(f"shard {number} of {self.path} is damaged: {file}")

    # -- over all records --------------------------------------------------------------------

    def summary(self, by: str | None = None) -> Summary:
        """What matters over all records, in one pass.

        Args:
            by: "label" or "target", the class that was explained: for each class too.

        Raises:
            KeyError: where the run does not have these.
        """
        return summary(self, by)

    def units(self, cl: int | None = None, by: str = "target", k: int = 10) -> list[Unit]:
        """The units that make a class: those of the largest mean influence over its records.

        Channels where the attributions have places, added up over these (Leino et al., 2018).

        Args:
            cl: the class; None: over all records.
            by: what says the class of a record: "target", the one explained, or "label".
            k: how many.
        """
        return units(self, cl, by, k)

    def top_records(self, unit: int, k: int = 10) -> list[tuple[int, float]]:
        """The records on which a unit has the most influence, each with that.

        Args:
            unit: by its number, as `units` has it.
            k: how many.
        """
        return top_records(self, unit, k)

    def prototypes(self, cl: int, by: str = "target", k: int = 5) -> list[Prototype]:
        """The records of a class whose attributions are most like their mean.

        Args:
            cl: the class.
            by: what says the class of a record: "target", the one explained, or "label".
            k: how many.
        """
        return prototypes(self, cl, by, k)

    # -- inside ------------------------------------------------------------------------------

    @property
    def attributed(self) -> list[str]:
        """The names of the arrays of attributions."""
        names = [c.name for c in self._header.columns]
        return [n for n in names if n.partition(".")[0] == KEPT and not n.endswith(PLACES)]

    @property
    def names(self) -> Mapping[str, Any]:
        """The names of features, classes and so on, as `AttributionResult.names`."""
        return field_of(self._header.names, []) or {}

    @property
    def channel_axis(self) -> int | None:
        """The axis of channels among those of attributions, where they have places."""
        found: int | None = self.method.get("channel_axis")
        return found

    def _result(self, columns: dict[str, Array]) -> AttributionResult:
        header = self._header
        method, arrays = self.method, self._method_arrays
        if classes.are_left_out(method) and "target" in columns:
            method, arrays = classes.put_in(method, arrays, columns["target"])
        others = {
            "method": method,
            "names": field_of(header.names, []),
            "qoi": header.qoi,
            "method_arrays": arrays,
            "fingerprints": {"weights": dict(header.identity.weights), "inputs": None},
        }
        return put_together(header.structures, columns, others)

    @functools.cached_property
    def _method_arrays(self) -> tuple[Array, ...]:
        zarr = require("zarr", "data")
        arrays = self._header.method_arrays
        return tuple(np.asarray(zarr.open_array(self.path / a.name, mode="r")[...]) for a in arrays)

    def _dense(self, columns: dict[str, Array]) -> dict[str, Array]:
        """Columns of which only the largest numbers were kept as those that they were."""
        found = {n: x for n, x in columns.items() if not n.endswith(PLACES)}
        for name, places in columns.items():
            whole = name.removesuffix(PLACES)
            if whole != name and whole in columns:
                found[whole] = spread(columns[whole], places, self._header.shapes[whole])
        return found

    def _places(self, index: Any) -> Array:
        n = len(self)
        if isinstance(index, slice):
            places = np.arange(n)[index]
        else:
            places = np.asarray(index).reshape(-1)
            if places.dtype.kind not in "iu":
                raise TypeError(f"records are chosen by an int, a slice or ints, found {index!r}")
            places = np.where(places < 0, places + n, places)
        for place in places[(places < 0) | (places >= n)]:
            raise IndexError(f"record {place} of a run that has {n}")
        size = self._header.shard
        for shard in sorted(set((places // size).tolist()) - set(self._shards)):
            raise IndexError(
                f"record {places[places // size == shard][0]} is not there yet: {self.done} of {n} "
                "are"
            )
        return places

    def _rows(self, name: str, places: Array) -> Array:
        if len(places) and (np.diff(places) == 1).all():
            return self._read(name, slice(int(places[0]), int(places[-1]) + 1))
        return self._read(name, places)

    def _read(self, name: str, index: slice | Array) -> Array:
        array = self.arrays[name]
        try:
            found = array[index] if isinstance(index, slice) else array.oindex[index]
        except (ValueError, RuntimeError) as error:
            raise ResultFileError(
                f"{self.path} is damaged: {name} cannot be read there: {error}"
            ) from error
        return np.asarray(found, object) if array.dtype.kind in "OT" else np.asarray(found)

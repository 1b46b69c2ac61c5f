"""A batch of the data as the records that are explained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trulens_core import trees
from trulens_core.inputs import ModelInputs
from trulens_core.inputs.structure import BATCHED
from trulens_core.results import fingerprints
from trulens_core.results.arrays import Array, host


class Failure(NamedTuple):
    """A record that could not be read or explained, and why."""

    record: int
    why: str


class Records(NamedTuple):
    """Some records.

    Attributes:
        inputs: of those that could be read; None where none could.
        size: how many there are, with those that could not.
        places: which of them could be read.
        classes: those that are explained, of each of those that could; None: what the method says.
        marks: what else is known of each of those that could, by name: "id", "label".
        failed: the others, by their number in the data.
        print: the fingerprint of the inputs.
    """

    inputs: ModelInputs | None
    size: int
    places: Array
    classes: Array | None
    marks: Mapping[str, Array]
    failed: tuple[Failure, ...]
    print: str


@dataclasses.dataclass(frozen=True)
class Reading:
    """How the data is read: functions of the caller's, see `explain_dataset`."""

    inputs: Callable[[Any], Any] | None = None
    ids: Callable[[Any], Any] | None = None
    labels: Callable[[Any], Any] | None = None
    y: Callable[[Any], Any] | None = None
    loader: Callable[[Any], Any] | None = None
    tolerant: bool = False

    def batch(self, raw: Any, first: int) -> Records:
        """The records of a batch as the data gives it."""
        inputs = self._inputs(raw)
        size = inputs.n_records
        marks = {"id": self.ids, "label": self.labels}
        told = {k: _marks(k, f(raw), size) for k, f in marks.items() if f is not None}
        known = fingerprints.of_inputs(inputs) or ""
        classes = None if self.y is None else _marks("class", self.y(raw), size)
        if classes is not None:
            known = fingerprints.together([known, fingerprints.of_array("y", classes)])
        del first
        return Records(inputs, size, np.arange(size), classes, told, (), known)

    def items(self, items: Sequence[Any], first: int) -> Records:
        """The records of some items, each loaded by itself."""
        assert self.loader is not None
        loaded, places, failed = [], [], []
        for i, item in enumerate(items):
            try:
                loaded.append(self.loader(item))
                places.append(i)
            except Exception as error:
                if not self.tolerant:
                    error.add_note(f"this is record {first + i} of the data, {item}")
                    raise
                failed.append(Failure(first + i, said(error)))
        names = [str(item) for item in items]
        if not loaded:
            known = fingerprints.together(names)
            return Records(None, len(items), np.array([], int), None, {}, tuple(failed), known)
        found = self.batch(_stacked(loaded), first)
        return found._replace(
            size=len(items),
            places=np.array(places, int),
            marks={"id": np.array([names[i] for i in places], object), **found.marks},
            failed=tuple(failed),
            print=fingerprints.together([found.print, *names]),
        )

    def _inputs(self, raw: Any) -> ModelInputs:
        x = raw if self.inputs is None else self.inputs(raw)
        if self.inputs is None and isinstance(x, list | tuple):
            raise ValueError(
                f"a batch of the data is a {type(x).__name__} of {len(x)}, which may be inputs and "
                "labels or several inputs; say which are explained, such as "
                "inputs=lambda batch: batch[0]"
            )
        if isinstance(x, Mapping):
            return ModelInputs((), dict(x))
        return ModelInputs.of_call((x,), {})


def said(error: BaseException) -> str:
    """An error in a line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


_MANY = {"id": "ids", "label": "labels", "class": "the classes of y="}


def _marks(name: str, given: Any, size: int) -> Array:
    found = host(given)
    if found.shape != (size,):
        raise ValueError(f"{_MANY[name]} are {found.shape} for {size} records; give one for each")
    if found.dtype.kind in "iu":
        return found.astype("int64")
    if name != "id":
        many = _MANY[name]
        raise ValueError(f"{many} are {found.dtype}; they must be integers, those of the classes")
    return np.array([str(x) for x in found], object)


def _stacked(loaded: list[Any]) -> Any:
    """Records, each without an axis of its own, as one batch."""
    flat = [trees.flatten(x) for x in loaded]
    leaves = zip(*(f.leaves for f in flat), strict=True)
    return flat[0].unflatten([np.stack([host(x) for x in each]) for each in leaves])


def part(records: Records, i: int, j: int) -> Records:
    """The records i to j of those that could be read, by themselves."""
    assert records.inputs is not None
    inputs = records.inputs.map_tensors(
        lambda leaf: leaf.value[i:j] if leaf.role == BATCHED else leaf.value
    )
    marks = {k: v[i:j] for k, v in records.marks.items()}
    classes = None if records.classes is None else records.classes[i:j]
    places = records.places[i:j]
    return records._replace(inputs=inputs, places=places, classes=classes, marks=marks)

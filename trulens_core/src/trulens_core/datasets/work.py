"""A batch explained, with what of it could not be."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from trulens_core.attribution.method import AttributionMethod
from trulens_core.datasets.columns import taken_apart
from trulens_core.datasets.keep import Keep
from trulens_core.datasets.records import Failure, Records, part, said
from trulens_core.datasets.sources import Batch
from trulens_core.results.arrays import Array

Said = tuple[type[Warning], str]


class Told(NamedTuple):
    """What a result says that is not in columns, the same for all batches."""

    structures: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    method: Mapping[str, Any] | None
    method_arrays: tuple[Any, ...]
    names: Mapping[str, Any] | None
    qoi: Any


class Explained(NamedTuple):
    """What came of a batch.

    Attributes:
        first: the number of its first record.
        size: how many records there are.
        print: the fingerprint of its inputs.
        columns: arrays by name, a row for each at `places`; None where none could be explained.
        places: of those that could.
        failed: the others.
        told: what is the same for all batches.
        warned: what was warned of.
        seconds: how long it took.
    """

    first: int
    size: int
    print: str
    columns: dict[str, Array] | None
    places: Array
    failed: tuple[Failure, ...]
    told: Told | None
    warned: tuple[Said, ...]
    seconds: float


Factory = Callable[[], AttributionMethod]
"""What makes the method, where each process makes its own."""


class Work:
    """What is done with every batch, here or in another process.

    Args:
        method: or what makes it, at first use.
        keep: how much is kept.
        tolerant: whether a record that fails is listed.
    """

    def __init__(self, method: AttributionMethod | Factory, keep: Keep, tolerant: bool) -> None:
        self._given, self._keep, self._tolerant = method, keep, tolerant
        self._made: AttributionMethod | None = None

    def __getstate__(self) -> dict[str, Any]:
        """In another process: the method is made there where it was here."""
        return {**self.__dict__, "_made": None}

    @property
    def method(self) -> AttributionMethod:
        """The method."""
        if self._made is None:
            self._made = as_method(self._given)
        return self._made

    def of(self, batch: Batch, records: Records) -> Explained:
        """The batch explained."""
        begun = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found, failed = self._explained(batch, records)
        warned = tuple((w.category, str(w.message)) for w in caught)
        told = found[0][1] if found else None
        columns = _joined([c for _, _, c in found]) if found else None
        places = np.concatenate([p for p, _, _ in found]) if found else np.array([], int)
        return Explained(
            *(batch.first, batch.size, records.print, columns, places),
            *((*records.failed, *failed), told, warned, time.perf_counter() - begun),
        )

    def _explained(
        self, batch: Batch, records: Records
    ) -> tuple[list[tuple[Array, Told, dict[str, Array]]], list[Failure]]:
        """Places, what is told and columns of the whole, or, where it fails, of each record."""
        if records.inputs is None:
            return [], []
        try:
            return [self._one(records)], []
        except Exception as error:
            if not self._tolerant:
                last = batch.first + batch.size - 1
                error.add_note(f"these were the records {batch.first} to {last} of the data")
                raise
        found, failed = [], []
        for i, place in enumerate(records.places):
            try:
                found.append(self._one(part(records, i)))
            except Exception as error:  # noqa: BLE001 - listed, whatever it is
                failed.append(Failure(batch.first + int(place), said(error)))
        return found, failed

    def _one(self, records: Records) -> tuple[Array, Told, dict[str, Array]]:
        result = self.method.explain(records.inputs)
        structures, whole = taken_apart(result)
        shapes = {n: self._keep.shape(x.shape[1:]) for n, x in whole.items()}
        names = {k: v for k, v in (result.names or {}).items() if k != "tokens"}
        parts = (result.method, tuple(result.method_arrays), names or None, result.qoi)
        columns = {**self._keep.of(whole), **records.marks}
        return records.places, Told(structures, shapes, *parts), columns


def as_method(given: AttributionMethod | Factory) -> AttributionMethod:
    """The method, made where it is not.

    Raises:
        TypeError: for what is neither a method nor makes one.
        ValueError: for a method that gives more than a run keeps.
    """
    found = given() if callable(given) and not isinstance(given, AttributionMethod) else given
    if not isinstance(found, AttributionMethod):
        raise TypeError(
            f"method is {type(found).__name__}; it must be an attribution method, such as "
            "IntegratedGradients(model), or a function without arguments that makes one"
        )
    if found.return_grads or found.return_doi:
        raise ValueError(
            "a run keeps neither gradients nor points of single records; leave return_grads= and "
            "return_doi= out"
        )
    return found


def _joined(many: list[dict[str, Array]]) -> dict[str, Array]:
    if len(many) == 1:
        return many[0]
    return {name: np.concatenate([c[name] for c in many]) for name in many[0]}

"""A batch explained, with what of it could not be."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from trulens_core.attribution.method import AttributionMethod
from trulens_core.datasets import classes
from trulens_core.datasets.columns import taken_apart
from trulens_core.datasets.keep import Keep
from trulens_core.datasets.records import Failure, Records, part, said
from trulens_core.datasets.sources import Batch
from trulens_core.quantities import ClassQoI
from trulens_core.results import AttributionResult
from trulens_core.results.arrays import Array
from trulens_core.results.plain import own_code, plain

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
        whole: whether all records are one batch.
    """

    def __init__(
        self, method: AttributionMethod | Factory, keep: Keep, tolerant: bool, whole: bool
    ) -> None:
        self._given, self._keep, self._tolerant = method, keep, tolerant
        self._tried = whole
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
            found = self._one(records)
        except Exception as error:
            if not self._tolerant:
                last = batch.first + batch.size - 1
                error.add_note(f"these were the records {batch.first} to {last} of the data")
                raise
            return self._each(batch, records)
        if not self._tried and len(records.places) > 1:
            self._check_rows(records)
        return [found], []

    def _each(
        self, batch: Batch, records: Records
    ) -> tuple[list[tuple[Array, Told, dict[str, Array]]], list[Failure]]:
        found, failed = [], []
        for i, place in enumerate(records.places):
            try:
                found.append(self._one(part(records, i, i + 1)))
            except Exception as error:  # noqa: BLE001 - listed, whatever it is
                failed.append(Failure(batch.first + int(place), said(error)))
        return found, failed

    def _one(self, records: Records) -> tuple[Array, Told, dict[str, Array]]:
        result = self._explain(records)
        structures, whole = taken_apart(result)
        shapes = {n: self._keep.shape(x.shape[1:]) for n, x in whole.items()}
        names = {k: v for k, v in (result.names or {}).items() if k != "tokens"}
        method, qoi = result.method, result.qoi
        if records.classes is not None and method is not None:
            method, qoi = classes.left_out(method), classes.WORDS
        parts = (method, tuple(result.method_arrays), names or None, qoi)
        columns = {**self._keep.of(whole), **records.marks}
        return records.places, Told(structures, shapes, *parts), columns

    def _explain(self, records: Records) -> AttributionResult:
        own = records.classes
        method = self.method if own is None else self.method.asking(ClassQoI(own))
        return method.explain(records.inputs)

    def _check_rows(self, records: Records) -> None:
        """Explain the first batch without its last record, where the method holds arrays or code.

        What has a row for each record of a batch, such as a baseline, fits no other number of
        records, and every batch would have taken its rows for its own.
        """
        self._tried = True
        question = self.method.question()
        held: list[Any] = []
        data = [plain(p, held) for p in (question.doi, question.statistic, question.qoi)]
        if not held and not own_code(data):
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._explain(part(records, 0, len(records.places) - 1))
        except Exception as error:
            raise ValueError(
                "the method explains the first batch, but not without its last record: it has "
                "numbers for each record of a batch, such as a baseline or segments, which every "
                "batch would take for its own; give one for all records, or a function of the "
                f"value: {said(error)}"
            ) from error


def as_method(given: AttributionMethod | Factory) -> AttributionMethod:
    """The method, made where it is not.

    Raises:
        TypeError: for what is neither a method nor makes one.
        ValueError: for a method that gives more than a run keeps.
    """
    found: Any = given
    if not isinstance(given, AttributionMethod) and _makes(given):
        found = given()
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


def _makes(given: Any) -> bool:
    """Whether it can be called without arguments, as a model cannot."""
    try:
        inspect.signature(given).bind()
    except (TypeError, ValueError):
        return False
    return True


def _joined(many: list[dict[str, Array]]) -> dict[str, Array]:
    if len(many) == 1:
        return many[0]
    return {name: np.concatenate([c[name] for c in many]) for name in many[0]}

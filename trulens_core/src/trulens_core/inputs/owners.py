"""Records that own a number of rows each, as graphs own their nodes and edges."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from trulens_core.backends import Backend, Tensor
from trulens_core.errors import CutError
from trulens_core.inputs.model_inputs import ModelInputs
from trulens_core.inputs.structure import STATIC, Name

Rows = str | tuple[str, str]
"""What `get_model_wrapper(rows=)` takes: the argument that tells each row's record, or how many
rows each has, and the one that holds the edges' ends."""


@dataclasses.dataclass(frozen=True, eq=False)
class Owners:
    """Whose each row is.

    Attributes:
        records: how many there are.
        rows: the record of each row of the inputs.
        edges: the record of each edge, where it was told what they are.
    """

    records: int
    rows: np.ndarray[Any, Any]
    edges: np.ndarray[Any, Any] | None = None

    @staticmethod
    def of(inputs: ModelInputs, told: Rows, parameters: Sequence[str], backend: Backend) -> Owners:
        """What the arguments of a call say.

        Raises:
            CutError: for an argument that is not given, or that tells nobody's rows.
        """
        vector, edges = (told, None) if isinstance(told, str) else told
        given = _array(inputs, vector, parameters, backend)
        rows = _rows(given, inputs.n_records, vector)
        if edges is None:
            return Owners(int(rows[-1]) + 1, rows)
        ends = _array(inputs, edges, parameters, backend)
        if ends.ndim != 2 or ends.shape[0] != 2 or ends.max(initial=0) >= len(rows):
            raise CutError(
                f"rows=: {edges!r} has shape {ends.shape}; it must be (2, edges), the two rows "
                f"that each edge joins, of {len(rows)}"
            )
        return Owners(int(rows[-1]) + 1, rows, rows[ends[0]])

    def of_places(self, n: int) -> np.ndarray[Any, Any]:
        """The records of n rows, of edges, or of the records themselves."""
        found = self._owners(n)
        return np.arange(self.records) if found is None else found

    def summed(self, x: Tensor, backend: Backend) -> Tensor:
        """Numbers of rows, of edges or of records, (n,), as those of records."""
        owners = self._owners(int(x.shape[0]))
        if owners is None:
            return x
        # each from its own alone: a product with zeros would give one record's NaN to all
        counts = np.bincount(owners, minlength=self.records)
        place = np.arange(max(counts.max(), 1))
        own = place < counts[:, np.newaxis]
        first = np.cumsum(counts) - counts
        at = np.argsort(owners, kind="stable")[np.where(own, first[:, np.newaxis] + place, 0)]
        xp = backend.xp
        taken = xp.reshape(xp.take(x, backend.from_numpy(at.reshape(-1), like=x), axis=0), at.shape)
        held = backend.from_numpy(own, like=x)
        return xp.sum(xp.where(held, taken, xp.zeros_like(taken)), axis=1)

    def _owners(self, n: int) -> np.ndarray[Any, Any] | None:
        """The records of n numbers; None where each is a record's own."""
        every = np.arange(self.records)
        held = [o for o in (self.rows, every, self.edges) if o is not None and len(o) == n]
        if not held:
            raise CutError(
                f"there are {n} values, but {self.records} records with {len(self.rows)} rows"
                + ("" if self.edges is None else f" and {len(self.edges)} edges")
                + "; of edges, say what they are: rows=('batch', 'edge_index')"
            )
        if any(not np.array_equal(held[0], other) for other in held[1:]):
            raise CutError(
                f"rows= does not tell whose {n} values are: there are {self.records} records with "
                f"{len(self.rows)} rows and {n} edges; leave the edges out of rows= where they are "
                "not explained, or give another number of records at once"
            )
        return None if np.array_equal(held[0], every) else held[0]


def _array(
    inputs: ModelInputs, name: str, parameters: Sequence[str], backend: Backend
) -> np.ndarray[Any, Any]:
    """The integers that an argument holds."""
    places: list[Name] = [name]
    if name in parameters:
        places.append(list(parameters).index(name))
    for leaf in inputs.leaves:
        if leaf.name in places and leaf.role != STATIC:
            x = leaf.value
            found = np.asarray(x) if isinstance(x, np.ndarray) else backend.to_numpy(x)
            if found.dtype.kind in "iu":
                return found.astype("int64")
    raise CutError(
        f"rows= names the argument {name!r}, and the call gives no integers by that name"
    )


def _rows(given: np.ndarray[Any, Any], n: int, name: str) -> np.ndarray[Any, Any]:
    """The record of each of n rows: as it is told, or from how many rows each record has."""
    if (
        given.ndim == 1
        and len(given) == n
        and given[0] == 0
        and np.isin(np.diff(given), (0, 1)).all()
    ):
        return given
    if given.ndim == 1 and given.min(initial=1) > 0 and given.sum() == n:
        return np.repeat(np.arange(len(given)), given)
    raise CutError(
        f"rows={name!r}: it must hold the record of each of {n} rows, counted from 0, those of a "
        f"record together; or how many rows each record has, {n} in all; found {given.tolist()[:9]}"
    )

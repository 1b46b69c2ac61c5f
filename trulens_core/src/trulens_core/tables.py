"""DataFrames of pandas as arrays, and back again; pandas itself is not imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trulens_core.errors import DoiError

Unflatten = Callable[[list[Any]], Any]
_NUMBERS = "fiub"


def opened(value: Any) -> tuple[Sequence[Any], Any, Unflatten] | None:
    """A DataFrame as one array, what tells it from others, and its inverse; else None.

    One of numbers is an array of numbers. With columns of strings, categories or dates it is an
    array of objects, which only functions of arrays take (`backend="function"`).
    """
    kind = type(value)
    if not (kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"):
        return None
    numbers = all(getattr(t, "kind", "O") in _NUMBERS for t in value.dtypes)
    cells = value.to_numpy() if numbers else value.to_numpy(dtype=object)
    key = kind, tuple(value.columns), tuple(map(str, value.dtypes))
    return [cells], key, _Table(kind, value.columns, value.index, tuple(value.dtypes))


def columns_of(key: Any) -> tuple[Any, ...] | None:
    """The columns of an argument that is a DataFrame, by the key of its structure; else None."""
    own: Any = key[0] if isinstance(key, tuple) and len(key) else None
    table = isinstance(own, tuple) and len(own) == 3 and own[0]
    return own[1] if getattr(table, "__name__", "") == "DataFrame" else None


def columns_given(value: Any) -> tuple[Any, ...] | None:
    """The columns that a DataFrame has, or the names of a Series, a row of one; else None."""
    if not hasattr(value, "to_numpy"):
        return None
    found = getattr(value, "columns", getattr(value, "index", None))
    return None if found is None else tuple(found)


class _Table:
    """Makes tables with some columns, as pandas has them."""

    def __init__(self, kind: type, columns: Any, index: Any, dtypes: tuple[Any, ...]) -> None:
        self._kind, self._columns, self._index, self._dtypes = kind, columns, index, dtypes

    def __call__(self, new: list[Any]) -> Any:
        """A table of an array with these columns; tensors and other arrays as they are.

        As many rows have the names of the rows that were given: pandas puts rows together by these.
        """
        values = new[0]
        fits = isinstance(values, np.ndarray) and values.shape[1:] == (len(self._columns),)
        if not fits:
            return values
        index = self._index if len(values) == len(self._index) else None
        if not values.dtype.hasobject:
            return self._kind(np.asarray(values), index=index, columns=self._columns)
        found: Any = self._kind(values, index=index)
        each = [self._column(found[i], i) for i in range(len(self._columns))]
        whole: Any = self._kind(dict(enumerate(each)), index=found.index)
        whole.columns = self._columns
        return whole

    def _column(self, cells: Any, i: int) -> Any:
        """A column of objects in the type that it had, where that can hold them."""
        dtype = self._dtypes[i]
        if getattr(dtype, "kind", "O") in _NUMBERS:
            found = np.asarray(cells.tolist())
            same = found.dtype.kind in _NUMBERS and (found.astype(dtype) == found).all()
            return found.astype(dtype) if same or found.dtype.kind == "f" == dtype.kind else found
        known: Any = getattr(dtype, "categories", None)
        lost = [] if known is None else cells[~cells.isin(known) & ~cells.isna()].tolist()
        if lost:  # pandas would say that it is missing
            raise DoiError(
                f"column {self._columns[i]!r} has no category {lost[0]!r}, which a baseline gives "
                f"it; there are {list(known)}"
            )
        return cells.astype(dtype)

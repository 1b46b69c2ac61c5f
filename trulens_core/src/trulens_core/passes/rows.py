"""What is said of a value that has not a row for each record."""

from __future__ import annotations

from collections.abc import Sequence

from trulens_core.slices import LOGIT, OUTPUT, Cut


def advice(shape: Sequence[int | None], cut: Cut, rows: int) -> str:
    """What to do about a value of a shape at a cut, where the inputs have so many rows.

    What is likely stands first; a shape alone does not tell which it is.

    Example:
        >>> advice((6, 4), Cut("words"), 3).partition(";")[0]
        "if 2 rows belong to each record, say so with Cut('words', rows_per_record=2)"
    """
    if not shape:
        return (
            "it is one number for all records together: leave out the mean or sum over them, so "
            "that there is one for each"
        )
    out = cut.name in (OUTPUT, LOGIT)
    named = f"{type(cut).__name__}(" if out else f"Cut({cut.name!r}, "
    said = []
    found = shape[0] or 0
    if found > rows and not found % rows:
        each = found // rows
        said.append(
            f"if {each} rows belong to each record, say so with {named}rows_per_record={each})"
        )
    if rows in shape[1:]:
        axis = list(shape).index(rows, 1)
        here = "an accessor that moves it" if out else f"{named}batch_axis={axis})"
        said.append(f"if the records are along axis {axis} of it, say so with {here}")
    return "; ".join([*said, *_ALWAYS])


_ALWAYS = (
    (
        "if they are along another axis of the inputs, name it with batched={'x': 1} or "
        "InputCut(batch_axis=1)"
    ),
    "if the inputs are one record, give them an axis of the records, x[None]",
    (
        "other numbers of rows, or another axis, are told by Cut(..., rows_per_record='auto') and "
        "batch_axis=, and arguments that are no records by batched={'x': False}"
    ),
)
"""What may be so whatever the shape."""

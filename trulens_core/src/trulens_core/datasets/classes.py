"""The classes that the data says for its records, explained instead of a method's quantity.

Every batch has a quantity of its own, which is no part of what a run holds once; what a result says
of itself is made again of the records' classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trulens_core.quantities import ClassQoI
from trulens_core.results.about import in_words
from trulens_core.results.arrays import Array
from trulens_core.results.plain import plain, worded

OF_DATA: dict[str, str] = {"code": "the class of each record by y="}
"""What stands in a run for the quantity, as plain data."""
WORDS: str = worded(OF_DATA)


def left_out(method: Mapping[str, Any]) -> dict[str, Any]:
    """What a result says of its method, without the classes of its batch."""
    parts = {**method["question"], "qoi": OF_DATA}
    return {**method, "question": parts, "text": in_words(method["name"], parts)}


def put_in(
    method: Mapping[str, Any], arrays: Sequence[Array], target: Array
) -> tuple[dict[str, Any], tuple[Array, ...]]:
    """The same with the classes of some records, and the arrays with them."""
    held: list[Any] = list(arrays)
    parts = {**method["question"], "qoi": plain(ClassQoI(target), held)}
    return {**method, "question": parts}, tuple(held)


def are_left_out(method: Mapping[str, Any] | None) -> bool:
    """Whether classes are to be put in."""
    return bool(method) and method["question"]["qoi"] == OF_DATA  # type: ignore[index]

"""Which calls of a layer a cut means."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal

from trulens_core.errors import CutError

Calls = int | tuple[int, ...] | Literal["all"]


class CallOf(int):
    """The number of a call, of a layer that was found to be called so many times.

    Attributes:
        of: how many times.
    """

    of: int

    @staticmethod
    def each(n: int) -> tuple[CallOf, ...]:
        """All calls of a layer that is called n times."""
        calls = tuple(map(CallOf, range(n)))
        for call in calls:
            call.of = n
        return calls


def as_calls(given: Any) -> Calls:
    """The calls that `Cut(call=)` names.

    Raises:
        CutError: for anything but a call from 0, a list of different ones, and "all".
    """
    if isinstance(given, str):
        if given == "all":
            return "all"
        raise CutError(f"Cut call is {given!r}; it must be an int, a list of them, or 'all'")
    if not isinstance(given, Sequence):
        return _call(given)
    calls = tuple(map(_call, given))
    if not calls or len(set(calls)) < len(calls):
        raise CutError(f"Cut call is {list(given)!r}; name each of the calls once, from 0")
    return calls


def _call(given: Any) -> int:
    try:
        call = -1 if isinstance(given, bool) else operator.index(given)
    except TypeError as error:
        raise CutError(f"Cut call is {given!r}; it must be an int") from error
    if call < 0:
        raise CutError(f"Cut call is {given!r}; calls count from 0")
    return given if isinstance(given, CallOf) else call

"""Members of a model's output, by name or place."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from trulens_core.errors import CutError

Wanted = str | int | tuple[str | int, ...]


@dataclasses.dataclass(frozen=True)
class Member:
    """An accessor that takes members of an output by name or place.

    Attributes:
        wanted: one, or several.
    """

    wanted: Wanted

    @staticmethod
    def of(given: Any) -> Member:
        """What `OutputCut(given)` means."""
        listed = tuple(given) if isinstance(given, list | tuple) else (given,)
        for one in listed:
            if not isinstance(one, str | int) or isinstance(one, bool):
                raise CutError(
                    f"OutputCut({given!r}): a member of the output is a name or a place, or a list"
                )
        return Member(listed if isinstance(given, list | tuple) else listed[0])

    def __str__(self) -> str:
        return repr(list(self.wanted) if isinstance(self.wanted, tuple) else self.wanted)

    def __call__(self, value: Any) -> Any:
        """The member, or a list of them."""
        if isinstance(self.wanted, tuple):
            return [_member(value, w) for w in self.wanted]
        return _member(value, self.wanted)


def _member(value: Any, wanted: str | int) -> Any:
    if isinstance(wanted, int) and isinstance(value, list | tuple):
        if -len(value) <= wanted < len(value):
            return value[wanted]
    elif isinstance(value, Mapping):
        if wanted in value:
            return value[wanted]
    elif isinstance(wanted, str) and hasattr(value, wanted):
        return getattr(value, wanted)
    first, _, rest = str(wanted).partition(".")
    if rest:
        return _member(_member(value, first), rest)
    have = f"the members {list(value)}" if isinstance(value, Mapping) else type(value).__name__
    raise CutError(f"OutputCut({wanted!r}): the output has no such member; it is or has {have}")

"""Where a narrow pass gives layers rows of the records beside those of all their points."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Widening:
    """Which layers are given arguments with b rows after the cut, where values have k·b.

    Such an argument is repeated for each point, as the values lie: row p·b + r is of record r. For
    each k the layers are noted while that is looked at, and from then on they are these alone.

    Attributes:
        at: the names of the layers, by k, once they are known.
        seen: the names of those that were seen until then, by k.
    """

    at: dict[int, frozenset[str]] = dataclasses.field(default_factory=dict)
    seen: dict[int, set[str]] = dataclasses.field(default_factory=dict)

    def note(self, k: int, name: str) -> None:
        """A layer's arguments were repeated for k points."""
        self.seen.setdefault(k, set()).add(name)

    def look(self, k: int) -> None:
        """For k points something is to be found out, again."""
        self.at.pop(k, None)

    def settle(self, k: int) -> None:
        """For k points nothing more is to be found out."""
        self.at[k] = frozenset(self.seen.get(k, ()))

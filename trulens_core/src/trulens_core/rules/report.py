"""Which operations rules were applied to: what tells silence from success."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Literal

Outcome = Literal["ruled", "missed", "exact"]


@dataclasses.dataclass(eq=False)
class Entry:
    """One operation of one evaluation.

    Attributes:
        outcome: whether it had a rule, needed one and had none, or is linear, so that its
            derivative is right under all rules.
        kind: of the operation.
        name: what the framework calls it.
        layer: that runs it.
        rule: that it had.
        within: whether it turned out to be a part of a later one, which counts in its place.
    """

    outcome: Outcome
    kind: str
    name: str
    layer: str
    rule: str = ""
    within: bool = False


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of the operations between the source and the target.

    Attributes:
        entries: the operations, in order.

    Example:
        >>> Report((Entry("ruled", "relu", "relu", "act", "Guided()"),))
        1 of 1 operations that need a rule had one; 0 are linear
    """

    entries: Sequence[Entry] = ()

    def _counted(self, outcome: Outcome) -> list[Entry]:
        return [e for e in self.entries if e.outcome == outcome and not e.within]

    @property
    def ruled(self) -> int:
        """How many operations had a rule."""
        return len(self._counted("ruled"))

    @property
    def missed(self) -> int:
        """How many needed one and had none, so that they passed back their derivative."""
        return len(self._counted("missed"))

    @property
    def exact(self) -> int:
        """How many are linear and need none."""
        return len(self._counted("exact"))

    @property
    def complete(self) -> bool:
        """Whether every operation that needs a rule had one."""
        return not self.missed

    def by_kind(self) -> dict[tuple[str, str], int]:
        """How many operations of each kind had each rule; the rule is empty where it had none."""
        held = [*self._counted("ruled"), *self._counted("missed")]
        return dict(Counter((e.kind, e.rule) for e in held))

    def __repr__(self) -> str:
        n = self.ruled
        lines = [
            f"{n} of {n + self.missed} operations that need a rule had one; {self.exact} are linear"
        ]
        missed = Counter((e.name, e.kind, e.layer) for e in self._counted("missed"))
        lines += [
            f"  none for {name!r} (kind {kind!r}) in layer {layer or 'the model'!r}: {count}"
            for (name, kind, layer), count in missed.items()
        ]
        return "\n".join(lines)

    __str__ = __repr__

"""Rules chosen for operations: by kind, by layer, by what the source's value enters first."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal

from trulens_core.rules.operation import KINDS, Operation
from trulens_core.rules.report import Report
from trulens_core.rules.rule import Rule

Selector = str | Callable[[Operation], bool]
_LAYER = "layer:"
_NO_KIND = frozenset({"unknown", "structural"})
"""What "*" does not mean: a rule for anything would hide what nobody knows."""


class RuleSet:
    """Which rule every operation between the source and the target gets.

    The first that fits is taken. A selector is a kind or several, `"linear|conv"`, all kinds that
    are known, `"*"`, a layer by its name or a pattern, `"layer:encoder.*"`, or a function of an
    `Operation` that says whether it is meant. Operations that only move or sum entries need no
    rule: their derivative is right under all of them.

    Args:
        rules: pairs of a selector and a `Rule`.
        first: the same for operations that take the value at the source cut itself; they go
            before the others. Where one of them gives relevance itself (`Flat`, `WSquare`, `Box`),
            nothing is multiplied with the activation.
        uncovered: what is done with an operation that no rule is for: "error", or "gradient",
            which passes back its derivative, and counts it.
        merge: whether batch normalisation is taken as a part of the convolution or linear
            operation before it.

    Raises:
        ValueError: for a selector that names no kind, or what is no rule.
        UncoveredOperationError: when used, for an operation that no rule is for, or that rules
            cannot see.

    Example:
        >>> from trulens_core.rules import Epsilon, Gradient, Guided
        >>> RuleSet([("relu", Guided()), ("*", Gradient())])
        RuleSet([('relu', Guided()), ('*', Gradient())])
    """

    def __init__(
        self,
        rules: Sequence[tuple[Selector, Rule]],
        first: Sequence[tuple[Selector, Rule]] = (),
        uncovered: Literal["error", "gradient"] = "error",
        merge: bool = False,
    ) -> None:
        self.rules: tuple[tuple[Selector, Rule], ...] = tuple(map(_checked, rules))
        self.first: tuple[tuple[Selector, Rule], ...] = tuple(map(_checked, first))
        if uncovered not in ("error", "gradient"):
            raise ValueError(f"uncovered is {uncovered!r}; it must be 'error' or 'gradient'")
        self.uncovered: Literal["error", "gradient"] = uncovered
        self.merge: bool = bool(merge)
        self._report: Report | None = None

    @property
    def report(self) -> Report | None:
        """What the last evaluation applied the rules to; None before."""
        return self._report

    def noted(self, report: Report) -> None:
        """Keep what an evaluation applied the rules to."""
        self._report = report

    @property
    def relevance(self) -> bool:
        """Whether what arrives at the source is relevance itself."""
        return any(rule.relevance for _, rule in self.first)

    @property
    def compares(self) -> bool:
        """Whether rules compare with a baseline, which the distribution must then have."""
        return any(rule.compares for _, rule in (*self.first, *self.rules))

    def key(self) -> Hashable | None:
        """What traced steps are kept by; None where code of the caller's is part of the set."""
        pairs = (*self.first, *self.rules)
        if any(callable(where) or rule.custom for where, rule in pairs):
            return None
        return self.first, self.rules, self.uncovered, self.merge

    def patterns(self) -> list[str]:
        """Those of the selectors of layers."""
        pairs = (*self.first, *self.rules)
        named = [where for where, _ in pairs if isinstance(where, str) and where.startswith(_LAYER)]
        return [where[len(_LAYER) :] for where in named]

    def find(self, op: Operation) -> Rule | None:
        """The rule for an operation."""
        for where, rule in (*(self.first if op.first else ()), *self.rules):
            if _fits(where, op):
                return rule
        return None

    def __repr__(self) -> str:
        parts = [repr(list(self.rules))]
        parts += [f"first={list(self.first)!r}"] if self.first else []
        parts += [f"uncovered={self.uncovered!r}"] if self.uncovered != "error" else []
        parts += ["merge=True"] if self.merge else []
        return f"RuleSet({', '.join(parts)})"


def _fits(where: Selector, op: Operation) -> bool:
    if callable(where):
        return bool(where(op))
    if where.startswith(_LAYER):
        return op.kind != "unknown" and fnmatch.fnmatchcase(op.layer, where[len(_LAYER) :])
    return op.kind in where.split("|") or (where == "*" and op.kind not in _NO_KIND)


def _checked(pair: Any) -> tuple[Selector, Rule]:
    if not (isinstance(pair, tuple | list) and len(pair) == 2):
        raise ValueError(f"a rule set is made of pairs (selector, rule), found {pair!r}")
    where, rule = pair
    if not isinstance(rule, Rule):
        hint = f"; give {rule.__name__}()" if isinstance(rule, type) else ""
        raise ValueError(f"{rule!r} is no Rule{hint}")
    if callable(where) or (isinstance(where, str) and where.startswith(_LAYER)):
        return where, rule
    unknown = (
        {where} - {"*"} if not isinstance(where, str) else set(where.split("|")) - KINDS - {"*"}
    )
    if unknown:
        raise ValueError(
            f"a selector names {sorted(map(str, unknown))}, which are no kinds of operations; they "
            f"are {', '.join(sorted(KINDS))}, '*' for all that are known, or 'layer:PATTERN'"
        )
    return where, rule

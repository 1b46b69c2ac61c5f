"""The module calls before a cut, recorded once for a group of records.

A tape lists the calls of one evaluation up to the cut, in order. Of a call that ended before the
cut only the outermost stands there, with its outputs; a call that the cut lies in stands there
with those inside it after it. In later evaluations (`trulens_torch.replay`) the former are not
run: they hand their outputs out again. What a model computes between modules runs every time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from trulens_torch import storage
from trulens_torch.repetition import UNCLEAR, Order, Probe, repeated


@dataclasses.dataclass(eq=False)
class Made:
    """One tensor that a call on the tape made.

    Attributes:
        value: the tape's own copy, for b records.
        seen: the version of the model's tensor after all changes that are on the tape.
        watched: shares the memory of the model's tensor while the tape is being recorded.
        copied: whether it is handed out as a copy, since the model changes it or needs it after
            the cut, where it might.
        order: how it repeats for k points, once that is known.
        identical: whether it then does so to the last bit.
        at_points: k, and the value for k points.
    """

    value: torch.Tensor
    seen: int
    watched: torch.Tensor | None
    copied: bool = False
    order: Order | None = None
    identical: bool = False
    at_points: tuple[int, torch.Tensor] | None = None

    @classmethod
    def of(cls, t: torch.Tensor) -> Made:
        """What the model's tensor `t` is now."""
        return cls(t.detach().clone(), storage.version(t), t.detach())

    def at(self, k: int) -> torch.Tensor:
        """The value for k points."""
        if k == 1:
            return self.value
        if self.at_points is None or self.at_points[0] != k:
            assert self.order is not None
            self.at_points = k, repeated(self.value, k, self.order)
        return self.at_points[1]

    def stop_watching(self) -> None:
        """At the cut: what was changed unseen, or is still needed, is handed out as a copy."""
        watched, self.watched = self.watched, None
        if watched is not None:
            changed = storage.version(watched) != self.seen
            self.copied = changed or not storage.alone(watched)


@dataclasses.dataclass(frozen=True)
class Through:
    """An output that is the input at `position` itself."""

    position: int


@dataclasses.dataclass(frozen=True)
class Constant:
    """An input or output that is no tensor."""

    value: Any

    def fits(self, value: Any, k: int) -> bool:
        """Whether `value` is this again, or counts k times as many rows."""
        mine = self.value
        if type(value) is not type(mine):
            return False
        return bool(value == mine) or (type(mine) is int and value == k * mine)


@dataclasses.dataclass(frozen=True)
class Change:
    """What a call made of an earlier call's output, in place."""

    position: int
    owner: Made
    after: Made


Origin = Made | Probe | Constant
"""What an input is known by: the call that made it, some of its elements, or itself."""


@dataclasses.dataclass(eq=False)
class Call:
    """One call of a module.

    Attributes:
        module: whose.
        skipped: whether later evaluations leave it out.
        inputs: what its inputs are known by.
        outputs: what it gave, leaf by leaf.
        spec: the structure of its output.
        changes: what else it did.
        repeats: whether for k points it gives k copies of what it gave, once that is known.
        at_points: k, and what its inputs are known by for k points, where it does not.
    """

    module: nn.Module
    skipped: bool = False
    inputs: Sequence[Origin] = ()
    outputs: Sequence[Made | Through | Constant] = ()
    spec: Any = None
    changes: Sequence[Change] = ()
    at_points: tuple[int, Sequence[Origin]] | None = None
    repeats: bool | None = None

    def made(self) -> list[Made]:
        """Every tensor that it made or changed."""
        return [x for x in self.outputs if isinstance(x, Made)] + [c.after for c in self.changes]

    def known(self, k: int) -> bool:
        """Whether it can be left out for k points."""
        return k == 1 or bool(self.repeats) or (self.at_points or (0,))[0] == k

    def known_by(self, k: int) -> Sequence[Origin]:
        """What the inputs are known by for k points."""
        return self.at_points[1] if self.at_points and self.at_points[0] == k else self.inputs


Repetition = tuple[tuple[bool, tuple[Order | None, ...]], ...]
"""Of every call that is left out: whether it repeats, and how each of its tensors does."""


@dataclasses.dataclass
class Tape:
    """The calls of one evaluation up to the cut.

    Attributes:
        calls: in order.
        valid: whether it may be replayed.
    """

    calls: list[Call] = dataclasses.field(default_factory=list)
    valid: bool = False

    def skipped(self) -> list[Call]:
        """The calls that are left out."""
        return [call for call in self.calls if call.skipped]

    def made(self) -> list[Made]:
        """Every tensor on it."""
        return [m for call in self.skipped() for m in call.made()]

    def inside(self) -> set[nn.Module]:
        """The modules that a replay does not call, since one around them is left out."""
        modules = {call.module for call in self.skipped()}
        return {x for m in modules for x in m.modules() if x is not m}

    def signature(self) -> tuple[Any, ...]:
        """What the same calls with tensors of the same shapes have in common."""
        return tuple(
            (call.module, call.skipped, tuple((m.value.shape, m.value.dtype) for m in call.made()))
            for call in self.calls
        )

    def decide(self, *, exact: bool) -> None:
        """Which calls repeat well enough: to the last bit, or up to rounding."""
        for call in self.skipped():
            call.repeats = call.repeats and not (
                exact and any(not m.identical for m in call.made())
            )
            if call.repeats:
                call.at_points = None
                for made in call.made():
                    made.at_points = None

    def repetition(self) -> Repetition | None:
        """How every call repeats; None where that is not known of all."""
        orders = [m.order for m in self.made()]
        if None in orders or UNCLEAR in orders:
            return None
        return tuple((bool(c.repeats), tuple(m.order for m in c.made())) for c in self.skipped())

    def repeat_as(self, known: Repetition) -> None:
        """Set what `repetition` of another tape with the same signature gave."""
        for call, (repeats, orders) in zip(self.skipped(), known, strict=True):
            call.repeats = repeats
            for made, order in zip(call.made(), orders, strict=True):
                made.order = order

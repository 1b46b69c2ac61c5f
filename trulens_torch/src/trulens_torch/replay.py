"""A tape played back: the calls before the cut hand out what they gave, instead of running.

A call is left out only while the evaluation does what the recorded one did: the same modules in
the same order, with inputs that are what earlier calls handed out, or agree with those recorded.
At the first difference everything runs again from there, and what was handed out so far is right.

For one point the recorded values are handed out as they are; for k points, k copies of them
(where they are one row, a view). Whether that is how a call's output repeats is found at the
first evaluation of k points: it runs in full and is compared. What does not repeat is kept for
all rows instead, and serves the other blocks of the group.

Kernels may round differently for different numbers of rows. If the model uses anything from before
the cut after it, a call repeats only if it does so to the last bit; else, up to rounding, of which
the results then know nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from trulens_torch import storage
from trulens_torch.recording import Leaves
from trulens_torch.repetition import SHARED, Probe, identical, order_of
from trulens_torch.tape import Call, Constant, Made, Origin, Tape, Through
from trulens_torch.watch import Forward, Watch


class Diverged(BaseException):
    """What was handed out may have become wrong: the evaluation starts again without a tape.

    Not an Exception: a model's own `except Exception` must not catch it.
    """


@dataclasses.dataclass
class Handed:
    """A tensor that the model was handed.

    Attributes:
        made: what it is on the tape.
        ref: the tensor.
        version: how often it was changed, as far as that is on the tape.
        holders: who held its memory then; UNKNOWN for one that a module made just now.
        lent: whether its memory is the tape's.
    """

    made: Made
    ref: weakref.ref[torch.Tensor]
    version: int
    holders: int
    lent: bool


@dataclasses.dataclass
class Loan:
    """Memory of the tape that a handed tensor shares.

    Attributes:
        value: the tape's tensor.
        holders: who held its memory before.
        version: how often it had been changed.
    """

    value: torch.Tensor
    holders: int
    version: int

    def untouched(self) -> bool:
        """Whether nothing in it was changed."""
        return storage.version(self.value) == self.version

    def returned(self) -> bool:
        """Whether nobody but the tape holds it."""
        return 0 < storage.holders(self.value) <= self.holders


class Replay(Watch):
    """Plays a tape back during one evaluation of k points.

    Args:
        tape: what was recorded.
        k: how many points.
        b: how many records.
        proving: whether calls run, and are compared with k copies of what they gave before.
    """

    def __init__(self, tape: Tape, k: int, b: int, proving: bool) -> None:
        super().__init__()
        self._active, self._inside = True, False
        self.k = k
        self._tape, self._b, self._proving = tape, b, proving
        self._next = 0
        self._handed: dict[int, Handed] = {}
        self._loans: list[Loan] = []

    @property
    def active(self) -> bool:
        return self._active and not self._inside

    def following(self) -> contextlib.AbstractContextManager[object]:
        return self.uses if self._proving else contextlib.nullcontext()

    def prove(self) -> bool:
        """At the end, what follows from the comparison; whether every call was compared."""
        if not (self._proving and self.reached and self._tape.valid):
            return False
        self._tape.decide(exact=self.uses.found)
        return True

    def called(
        self, module: nn.Module, forward: Forward, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        calls = self._tape.calls
        if self._next >= len(calls) or calls[self._next].module is not module:
            self._diverge()
            return forward(*args, **kwargs)
        call = calls[self._next]
        self._next += 1
        if not call.skipped:
            return forward(*args, **kwargs)
        given = Leaves(args, kwargs)
        if not given.plain:  # values with a graph, which recordings have not: it must go on
            self._diverge()
            return forward(*args, **kwargs)
        if self._proving or not call.known(self.k):
            return self._run(call, forward, args, kwargs, given)
        if not self._fits(call.known_by(self.k), given.values):
            self._diverge()
            return forward(*args, **kwargs)
        if not all(self._sole(given.values[c.position]) for c in call.changes):
            return self._run(call, forward, args, kwargs, given)
        for change in call.changes:
            self._swap(given.values[change.position], change.owner, change.after)
        return pytree.tree_unflatten([self._output(x, given) for x in call.outputs], call.spec)

    def at_cut(self) -> None:
        if self.reached:
            return
        self.uses.after_cut = True
        if self._inside or self._next < len(self._tape.calls):
            self._tape.valid = False
        self._settle()
        self._active, self.reached = False, True

    # -- handing out -------------------------------------------------------------------------

    def _output(self, recorded: Made | Through | Constant, given: Leaves) -> Any:
        if isinstance(recorded, Through):
            return given.values[recorded.position]
        if isinstance(recorded, Constant):
            return recorded.value
        t = self._lent(recorded, recorded.copied)
        self._note(t, recorded, lent=not recorded.copied)
        return t

    def _lent(self, made: Made, copied: bool) -> torch.Tensor:
        value = made.at(self.k)
        if copied:
            return value.clone()
        self._loans.append(Loan(value, storage.holders(value), storage.version(value)))
        return value.detach()

    def _note(self, t: torch.Tensor, made: Made, lent: bool) -> None:
        holders = storage.holders(t)
        self._handed[id(t)] = Handed(made, weakref.ref(t), storage.version(t), holders, lent)

    def _of(self, t: Any) -> Handed | None:
        handed = self._handed.get(id(t))
        return handed if handed is not None and handed.ref() is t else None

    def _note_run(self, t: torch.Tensor, made: Made) -> None:
        """Note a tensor that a module made or changed; it may have views that the tape lacks."""
        version = storage.version(t)
        self._handed[id(t)] = Handed(made, weakref.ref(t), version, storage.UNKNOWN, False)

    def _sole(self, t: torch.Tensor) -> bool:
        """Whether a tensor was handed out and nobody has a view of it."""
        handed = self._of(t)
        return handed is not None and storage.UNKNOWN < storage.holders(t) == handed.holders

    def _swap(self, t: torch.Tensor, owner: Made, after: Made) -> None:
        """Change a handed tensor as the call changed it: nobody else holds its memory."""
        t.data = self._lent(after, owner.copied)
        self._note(t, owner, lent=not owner.copied)

    # -- running -----------------------------------------------------------------------------

    def _run(
        self,
        call: Call,
        forward: Forward,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        given: Leaves,
    ) -> Any:
        """Run a call that the tape has, and learn what it gives for k points."""
        origins = [self._origin(x) for x in given.values]
        alike = self._proving and self._fits(call.inputs, given.values)
        if call.changes:
            self._settle()
        self._inside = True
        try:
            with self.uses.pause():
                output = forward(*args, **kwargs)
        finally:
            self._inside = False
        if self.reached:
            return output
        values, spec = pytree.tree_flatten(output)
        if spec != call.spec or not self._did_the_same(call, values, given):
            self._diverge()
            return output
        pairs = list(zip(call.outputs, values, strict=True))
        made = [(o, v) for o, v in pairs if isinstance(o, Made)]
        changed = [(c, given.values[c.position]) for c in call.changes]
        same = all(o.fits(v, 1) for o, v in pairs if isinstance(o, Constant))
        self._learn(call, [*made, *((c.after, t) for c, t in changed)], alike and same)
        if same and any(m.at_points for m in call.made()):
            call.at_points = self.k, origins
        self.uses.follow(t for _, t in made)
        for m, t in (*made, *((c.owner, t) for c, t in changed)):
            self._note_run(t, m)
        return output

    def _did_the_same(self, call: Call, values: Sequence[Any], given: Leaves) -> bool:
        """Whether outputs are of the recorded kinds, so that they can be kept."""
        for recorded, value in zip(call.outputs, values, strict=True):
            if isinstance(recorded, Through):
                same = given.values[recorded.position] is value
            else:
                tensor = isinstance(value, torch.Tensor) and storage.plain(value)
                same = tensor == isinstance(recorded, Made)
            if not same:
                return False
        return True

    def _learn(self, call: Call, made: Sequence[tuple[Made, torch.Tensor]], alike: bool) -> None:
        """Compare what a call made with what is on the tape, and keep what does not repeat."""
        for m, t in made:
            if self._proving:
                m.order = order_of(m.value, t, self.k, self._b)
                m.identical = identical(m.value, t, self.k, m.order)
            if not (call.repeats or (alike and m.identical)):
                m.at_points = self.k, t.detach().clone()
        if self._proving:
            call.repeats = alike and all((m.order or 0) >= SHARED for m, _ in made)

    # -- checking ----------------------------------------------------------------------------

    def _origin(self, value: Any) -> Origin:
        if not isinstance(value, torch.Tensor):
            return Constant(value)
        handed = self._of(value)
        if handed is not None and handed.version == storage.version(value):
            return handed.made
        return Probe.of(value)

    def _fits(self, origins: Sequence[Origin], values: Sequence[Any]) -> bool:
        return len(origins) == len(values) and all(
            self._same(o, v) for o, v in zip(origins, values, strict=True)
        )

    def _same(self, origin: Origin, value: Any) -> bool:
        """Whether an input is the recorded one, for k points."""
        if isinstance(origin, Constant):
            return origin.fits(value, self.k)
        if not isinstance(value, torch.Tensor):
            return False
        if isinstance(origin, Probe):
            return origin.fits(value, self.k)
        handed = self._of(value)
        return (
            handed is not None
            and handed.made is origin
            and handed.version == storage.version(value)
        )

    def _diverge(self) -> None:
        """The evaluation is not the recorded one: run the rest of it, and do not replay again."""
        self._tape.valid = False
        self._settle()
        self._active = False

    def _settle(self) -> None:
        """What the model still holds of the tape's memory becomes its own."""
        loans, self._loans = self._loans, []
        if not all(loan.untouched() for loan in loans):
            raise Diverged
        if all(loan.returned() for loan in loans):
            return
        for handed in list(self._handed.values()):
            t = handed.ref()
            if t is not None and handed.lent:
                t.data = t.detach().clone()
                self._note_run(t, handed.made)
        if not all(loan.returned() for loan in loans):
            raise Diverged

"""Records a tape: which calls can be left out later, and what they gave.

A call is not left out, and those inside it are looked at, if

- an input is changed by it that is not the output of an earlier call on the tape: the change
  would be missing;
- an input or output is no plain data (a cache that grows): its state would be missing;
- an output is a view of an input, or has a graph;
- a buffer or an attribute of a module in it changes: what reads it would find the old one;
- a module inside it has hooks of the user's: they keep running.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from trulens_torch import storage
from trulens_torch.repetition import Probe
from trulens_torch.tape import Call, Change, Constant, Made, Origin, Tape, Through
from trulens_torch.watch import Forward, Watch

_CONSTANTS = (int, float, complex, bool, str, type(None), torch.dtype, torch.device, torch.Size)


class Leaves:
    """The leaves of a call's arguments, seen before and after it."""

    def __init__(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self._arguments = args, kwargs
        self.values, self._spec = pytree.tree_flatten((args, kwargs))
        self.plain = all(map(_plain, self.values))
        self._versions = [storage.version(t) if _tracked(t) else 0 for t in self.values]

    def changed(self) -> list[int]:
        """The positions of tensors that were changed since."""
        pairs = enumerate(zip(self.values, self._versions, strict=True))
        return [i for i, (t, v) in pairs if _tracked(t) and storage.version(t) != v]

    def rearranged(self) -> bool:
        """Whether a container among the arguments holds something else now."""
        values, spec = pytree.tree_flatten(self._arguments)
        return spec != self._spec or any(
            a is not b for a, b in zip(values, self.values, strict=True)
        )

    def position(self, value: Any) -> int | None:
        """Where `value` itself stands."""
        return next((i for i, x in enumerate(self.values) if x is value), None)

    def tensors(self) -> list[torch.Tensor]:
        """The tensors."""
        return [t for t in self.values if isinstance(t, torch.Tensor)]


class State:
    """What a module and those in it hold: attributes, members of containers, buffers."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._held = self._all()
        self._versions = self._counted()

    def lasts(self) -> bool:
        """Whether all of it is still as it was."""
        held = self._all()
        return (
            len(held) == len(self._held)
            and all(a is b for a, b in zip(held, self._held, strict=True))
            and self._counted() == self._versions
        )

    def _all(self) -> list[Any]:
        held: list[Any] = []
        for module in self._module.modules():
            for value in vars(module).values():
                held.append(value)
                if isinstance(value, dict):
                    held.extend(value.values())
                elif isinstance(value, list | set):
                    held.extend(value)
        return held

    def _counted(self) -> list[int]:
        return [storage.version(b) for b in self._module.buffers() if not b.is_inference()]


def _tracked(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not value.is_inference()


def _plain(value: Any) -> bool:
    return storage.plain(value) if isinstance(value, torch.Tensor) else type(value) in _CONSTANTS


class Recording(Watch):
    """Records a tape during one evaluation.

    Args:
        tape: what is recorded.
        hooked: the modules inside which others have hooks.
    """

    def __init__(self, tape: Tape, hooked: set[nn.Module]) -> None:
        super().__init__()
        self._tape, self._hooked = tape, hooked
        self._owners: dict[int, tuple[weakref.ref[torch.Tensor], Call, int]] = {}
        self._memory: dict[int, Call] = {}
        self._random = random_state()

    @property
    def active(self) -> bool:
        return not self.reached

    def called(
        self, module: nn.Module, forward: Forward, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        calls = self._tape.calls
        call, start = Call(module), len(calls)
        calls.append(call)
        given = Leaves(args, kwargs)
        if not given.plain or module in self._hooked:
            return forward(*args, **kwargs)
        before = State(module)
        call.inputs = [self._origin(x) for x in given.values]
        output = forward(*args, **kwargs)
        if self.active and before.lasts() and not given.rearranged():
            self._fill(call, start, given, output)
        return output

    def at_cut(self) -> None:
        if self.reached:
            return
        self.reached = True
        for made in self._tape.made():
            made.stop_watching()
        # a layer that draws at random must draw anew every time
        self._tape.valid = all(map(torch.equal, self._random, random_state()))

    def _origin(self, value: Any) -> Origin:
        if not isinstance(value, torch.Tensor):
            return Constant(value)
        return self._owner(value) or Probe.of(value)

    def _owner(self, t: torch.Tensor) -> Made | None:
        """What on the tape `t` is, if all its changes are there too."""
        if id(t) not in self._owners:
            return None
        ref, call, i = self._owners[id(t)]
        made = call.outputs[i] if call.outputs else None
        if ref() is not t or not isinstance(made, Made):
            return None
        return made if made.seen == storage.version(t) else None

    def _fill(self, call: Call, start: int, given: Leaves, output: Any) -> None:
        """Put on the tape what the call did, if it can be left out."""
        values, spec = pytree.tree_flatten(output)
        inside = self._tape.calls[start + 1 :]
        changed = given.changed()
        if not all(isinstance(call.inputs[i], Made) for i in changed):
            return
        if not all(map(_plain, values)) or self._shares_memory(values, given, inside):
            return
        for c in inside:
            c.outputs = c.changes = ()
        del self._tape.calls[start + 1 :]
        call.skipped, call.spec = True, spec
        call.outputs = [self._output(x, i, given, call) for i, x in enumerate(values)]
        call.changes = [self._change(i, given.values[i], call.inputs[i]) for i in changed]

    def _shares_memory(self, values: Sequence[Any], given: Leaves, inside: list[Call]) -> bool:
        """Whether outputs share memory with one another, the inputs or what is on the tape."""
        fresh = [t for t in values if isinstance(t, torch.Tensor) and given.position(t) is None]
        mine = [storage.address(t) for t in fresh if t.numel()]
        taken = {storage.address(t) for t in given.tensors()}
        taken |= {a for a in mine if (c := self._memory.get(a)) and c.outputs and c not in inside}
        return len(set(mine)) < len(mine) or not taken.isdisjoint(mine)

    def _output(self, value: Any, i: int, given: Leaves, call: Call) -> Made | Through | Constant:
        if not isinstance(value, torch.Tensor):
            return Constant(value)
        position = given.position(value)
        if position is not None:
            return Through(position)
        self._owners[id(value)] = weakref.ref(value), call, i
        self._memory[storage.address(value)] = call
        return Made.of(value)

    def _change(self, position: int, value: torch.Tensor, owner: Any) -> Change:
        owner.seen = storage.version(value)
        return Change(position, owner, Made(value.detach().clone(), 0, None))


def random_state() -> list[torch.Tensor]:
    """The state of every random generator that a model may draw from."""
    states = [torch.get_rng_state()]
    if torch.cuda.is_available():
        states += torch.cuda.get_rng_state_all()
    return states


def hooked(model: nn.Module) -> set[nn.Module]:
    """The modules that have forward hooks."""
    return {m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks}


def hooked_inside(model: nn.Module) -> set[nn.Module]:
    """The modules inside which another one has forward hooks."""
    found = hooked(model)
    return {m for m in model.modules() if any(x in found for x in m.modules() if x is not m)}

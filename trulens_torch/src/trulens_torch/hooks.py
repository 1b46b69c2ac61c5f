"""A pass shown what comes by at layers, by forward hooks."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from torch import nn

from trulens_core.passes import Pass, Place
from trulens_torch.exchange import Exchange, Given, written_back
from trulens_torch.recomputation import Again
from trulens_torch.undo import Undo


class Stop(BaseException):
    """Ends a pass early. Not an Exception: a model's own `except Exception` must not catch it."""


@dataclasses.dataclass
class Reached:
    """What is known of the calls of layers in passes with inputs of one structure and shapes.

    A model is cut short only at layers that are reached once, whatever the values: a second call
    would go unnoticed. That was seen in a whole pass that read no value, so that none decides what
    is called.

    Attributes:
        once: the sides of layers that are reached once.
        reads: whether the model reads values.
    """

    once: set[Place] = dataclasses.field(default_factory=set)
    reads: bool = False

    def may_learn(self, p: Pass) -> bool:
        """Whether a pass can tell something new."""
        return not self.reads and not self.once.issuperset(p.places)

    def learn(self, p: Pass, read: bool) -> None:
        """What a whole pass tells."""
        self.reads |= read
        if not self.reads:
            self.once.update(place for place, n in p.calls.items() if n == 1)


def show(p: Pass, place: Place, module: nn.Module, stop: Stop, undo: Undo) -> None:
    """Show the pass what comes by at one side of a layer, until `undo` is run.

    Calls by other threads, which use the model at the same time, are none of the pass's. Where the
    pass is cut short, `stop` is raised as soon as it is complete.
    """
    (_AtInput if place[1] == "in" else _AtOutput)(p, place, stop).hook(module, undo)


class _Shown:
    """The hooks at one side of a layer.

    Another thread may call a layer between the two steps in which torch adds or removes a hook
    that takes keyword arguments: the hook is then called without them.
    """

    def __init__(self, p: Pass, place: Place, stop: Stop) -> None:
        self._pass, self._place, self._stop = p, place, stop
        self._again = Again(place)
        self._thread = threading.get_ident()

    @property
    def _strange(self) -> bool:
        """Whether a call is none of the pass's."""
        return self._pass.over or threading.get_ident() != self._thread


class _AtOutput(_Shown):
    _given: Given | None = None

    def hook(self, module: nn.Module, undo: Undo) -> None:
        if self._pass.changes(self._place):
            before(module, self._before, undo)
        _after(module, self._after, undo)

    def _before(self, module: nn.Module, args: Any, kwargs: Any = None) -> None:
        del module
        if not self._strange:
            self._given = Given((args, kwargs))

    def _after(self, module: nn.Module, args: Any, *kwargs_output: Any) -> Any:
        del module, args
        output = kwargs_output[-1]
        if self._strange:
            return self._again.value()
        new = self._pass.at(self._place, output)
        if self._given is not None and new is not output:
            new = written_back(self._given, output, new)
        self._again.put(new)
        if self._pass.cut_short and self._pass.complete:
            raise self._stop
        return new


class _AtInput(_Shown):
    def __init__(self, p: Pass, place: Place, stop: Stop) -> None:
        super().__init__(p, place, stop)
        self._under_way: list[Exchange] = []

    def hook(self, module: nn.Module, undo: Undo) -> None:
        before(module, self._before, undo)
        if self._pass.changes(self._place):
            _after(module, self._after, undo, first=True)

    def _before(self, module: nn.Module, args: Any, kwargs: Any = None) -> Any:
        del module
        if self._strange:
            return self._again.value()
        new = self._again.put(self._pass.at(self._place, (args, kwargs)))
        self._under_way.append(Exchange((args, kwargs), new, self._place[0]))
        return new

    def _after(self, module: nn.Module, args: Any, *kwargs_output: Any) -> Any:
        del module, args
        output = kwargs_output[-1]
        if self._strange or not self._under_way:
            return None
        return self._under_way.pop().returned(output)


def before(module: nn.Module, hook: Callable[..., Any], undo: Undo) -> None:
    """Call a hook with what a module is given, before its call, until `undo` is run."""
    undo.note(unhook, module, "_forward_pre_hooks", hook)
    module.register_forward_pre_hook(hook, with_kwargs=True)


def _after(module: nn.Module, hook: Callable[..., Any], undo: Undo, *, first: bool = False) -> None:
    undo.note(unhook, module, "_forward_hooks", hook)
    module.register_forward_hook(hook, with_kwargs=True, prepend=first)


def unhook(module: nn.Module, kind: str, hook: Callable[..., Any]) -> None:
    """Remove a hook, whose handle an interrupt may have lost."""
    hooks: dict[int, Any] = getattr(module, kind)
    for key in [key for key, held in list(hooks.items()) if held is hook]:
        getattr(module, f"{kind}_with_kwargs").pop(key, None)
        hooks.pop(key, None)

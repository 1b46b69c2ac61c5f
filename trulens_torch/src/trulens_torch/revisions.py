"""Whether a model is still the one of which something was found out."""

from __future__ import annotations

import operator
from typing import Any

import torch

from trulens_torch.survey import Held, Survey


class Revisions:
    """Counts the changes of a model between calls: of its modules, their attributes and hooks.

    Attributes are compared by identity: what an object that a module holds has inside is not seen.
    A copy, and what is unpickled, knows nothing.

    Attributes:
        now: the number of the present state.
        survey: the last that was looked at.
    """

    def __init__(self) -> None:
        self.now = 0
        self.survey: Survey | None = None
        self._hooks: list[int] = []

    def __reduce__(self) -> tuple[type[Revisions], tuple[()]]:
        return Revisions, ()

    def look(self, survey: Survey) -> None:
        """See what the model is now."""
        last, hooks = self.survey, self._hooks
        self.survey, self._hooks = survey, _hooks(survey)
        if not (hooks == self._hooks and _alike(last, survey)):
            self.now += 1


def _alike(a: Survey | None, b: Survey) -> bool:
    """Whether both found the same."""
    if a is b:
        return True
    if a is None or len(a.modules) != len(b.modules) or len(a.held) != len(b.held):
        return False
    modules = all(map(operator.is_, a.modules, b.modules))
    return modules and all(map(_holds_the_same, a.held, b.held))


def _holds_the_same(a: Held, b: Held) -> bool:
    return _same(a.before, b.before)


class Written:
    """What modules hold now, to tell whether evaluations write what later ones may read.

    Tensors that a module merely keeps as attributes do not count: they are written anew each time.
    """

    def __init__(self, survey: Survey) -> None:
        self._buffers = [(m, n, b, _version(b)) for m, n, b in survey.buffers]
        self._held = survey.held

    def changed(self) -> bool:
        """Whether anything is another now."""
        buffers = (
            getattr(module, name, None) is not held or _version(held) != version
            for module, name, held, version in self._buffers
        )
        return any(buffers) or any(_counts(held.attributes, held.before) for held in self._held)


def _version(t: torch.Tensor) -> int:
    return 0 if t.is_inference() else t._version


def _counts(now: dict[str, Any], before: dict[str, Any]) -> bool:
    if _same(now, before):
        return False
    return any(
        value is not before.get(name) and isinstance(value, int | float | str | bool)
        for name, value in now.items()
    )


def _same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return len(a) == len(b) and all(map(operator.is_, a.values(), b.values()))


def _hooks(survey: Survey) -> list[int]:
    """The keys of all hooks, which are given once in a process."""
    return [
        key
        for held in survey.held
        for kind in ("_forward_hooks", "_forward_pre_hooks")
        for key in held.attributes[kind]
    ]

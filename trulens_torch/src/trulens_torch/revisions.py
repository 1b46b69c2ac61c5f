"""Whether a model is still the one of which something was found out."""

from __future__ import annotations

import itertools
import operator
from collections import deque
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import torch
from torch import nn

from trulens_torch.contents import is_plain
from trulens_torch.survey import EVERY_MODULES, Held, Survey


class Revisions:
    """Counts the changes of a model between calls: of modules, their types, attributes and hooks.

    Attributes are compared by identity, and so is what they hold inside: options in a dict, or in
    an object (`model.config.depth = 2`), down to a few levels. Buffers of one element are compared
    by value: they may be switches. A copy, and what is unpickled, knows nothing.

    Attributes:
        now: the number of the present state.
        survey: the last that was looked at.
    """

    def __init__(self) -> None:
        self.now = 0
        self.survey: Survey | None = None
        self._hooks: list[int] = []
        self._inside: list[Any] = []
        self._switches: list[Any] = []

    def __reduce__(self) -> tuple[type[Revisions], tuple[()]]:
        return Revisions, ()

    def look(self, survey: Survey) -> None:
        """See what the model is now."""
        last, hooks, inside, switches = self.survey, self._hooks, self._inside, self._switches
        self.survey, self._hooks, self._inside = survey, _hooks(survey), _inside(survey)
        self._switches = _switches(survey)
        same = _same_objects(inside, self._inside)
        if not same:  # there may be others in them now
            self._inside = _inside(survey, anew=True)
        told = hooks == self._hooks and switches == self._switches
        if not (same and told and _alike(last, survey)):
            self.now += 1


def _alike(a: Survey | None, b: Survey) -> bool:
    """Whether both found the same."""
    if a is b:
        return True
    if a is None or len(a.modules) != len(b.modules) or len(a.held) != len(b.held):
        return False
    modules = all(map(operator.is_, a.modules, b.modules))
    return modules and a.types == b.types and all(map(_holds_the_same, a.held, b.held))


def _holds_the_same(a: Held, b: Held) -> bool:
    modules = a.modules.keys() == b.modules.keys() and _same(a.modules, b.modules)
    return modules and _same(a.before, b.before)


_MANY = 1000
"""Containers; in a model that holds more, or larger ones, the rest is not looked at."""

_DEEP = 3


def _inside(survey: Survey, anew: bool = False) -> list[Any]:
    """What modules' attributes have inside, down to a few levels, one list for all."""
    held = None if anew else survey.kept.get("containers")
    if held is None:
        values = [v for h in survey.held for n, v in h.before.items() if n not in EVERY_MODULES]
        held = survey.kept["containers"] = list(map(_members, _containers(values)))
    return list(itertools.chain.from_iterable(held))


def _containers(values: Iterable[Any]) -> list[Any]:
    """The containers among values and inside of them, objects' attributes likewise, each once."""
    found: dict[int, Any] = {}
    for _ in range(_DEEP):
        held = [x for x in map(_container, values) if x is not None and len(x) <= _MANY]
        new = {id(x): x for x in held if id(x) not in found}
        found |= new
        if not new or len(found) > _MANY:
            break
        values = itertools.chain.from_iterable(map(_members, new.values()))
    return list(found.values())[:_MANY]


def _container(value: Any) -> Any:
    if is_plain(value) or isinstance(value, torch.Tensor | nn.Module | type | ModuleType):
        return None
    if isinstance(value, list | tuple | dict | set | deque):
        return value
    held = getattr(value, "__dict__", None)
    return held if isinstance(held, dict) else None


def _members(container: Any) -> Iterable[Any]:
    """What it holds whenever that is asked for."""
    return dict.values(container) if isinstance(container, dict) else container


def _same_objects(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(map(operator.is_, a, b))


def _switches(survey: Survey) -> list[Any]:
    """What buffers of one element hold; on other devices, where reading waits, their versions."""
    held = survey.kept.get("switches")
    if held is None:
        one = [(n, t) for _, n, t in survey.buffers if _has_a_value(t)]
        # which batch norm counts in training, and nothing else
        held = survey.kept["switches"] = [t for n, t in one if n != "num_batches_tracked"]
    return [_value(t) if t.is_cpu and _has_a_value(t) else _version(t) for t in held]


def _has_a_value(t: torch.Tensor) -> bool:
    """Whether it is one number, and no other tensor that may be written in its place."""
    dense = t.layout is torch.strided and not (t.is_nested or t.is_meta)
    return dense and type(t) is torch.Tensor and t.numel() == 1


def _value(t: torch.Tensor) -> Any:
    value = t.item()
    return None if value != value else value  # NaN is as it was


class Written:
    """What modules hold now, to tell whether evaluations write what later ones may read.

    Tensors that a module merely keeps as attributes do not count: they are written anew each time.
    A list that has become longer does: it is of what came before.
    """

    def __init__(self, survey: Survey) -> None:
        self._buffers = [(m, n, b, _version(b)) for m, n, b in survey.buffers]
        self._held = survey.held
        lists = survey.kept.get("lists")
        if lists is None:
            values = [v for held in survey.held for v in held.before.values()]
            lists = survey.kept["lists"] = [v for v in values if isinstance(v, list | deque)]
        self._lists = [(v, len(v)) for v in lists]

    def changed(self) -> bool:
        """Whether anything is another now."""
        buffers = (
            getattr(module, name, None) is not held or _version(held) != version
            for module, name, held, version in self._buffers
        )
        lists = (len(held) != length for held, length in self._lists)
        others = (_counts(held.attributes, held.before) for held in self._held)
        return any(buffers) or any(lists) or any(others)


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
    dicts = survey.kept.get("hooks")
    if dicts is None:
        dicts = survey.kept["hooks"] = [held.attributes[k] for held in survey.held for k in _HOOKS]
    return list(itertools.chain.from_iterable(dicts)) if any(dicts) else []


_HOOKS = "_forward_hooks", "_forward_pre_hooks"

"""What the modules of a model hold, looked through once and told again while nothing changed."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

_REGISTRIES = ("_parameters", "_buffers", "_modules")
_UNSAVED = "_non_persistent_buffers_set"

EVERY_MODULES = frozenset(vars(nn.Module()))
"""The attributes that every module has."""

registries = operator.itemgetter(*_REGISTRIES, _UNSAVED)
"""A module's dicts of parameters, buffers and modules, and its set of buffers not saved."""


class Held(NamedTuple):
    """A module that is not scripted: its attributes, and what they and its registries held."""

    module: nn.Module
    attributes: dict[str, Any]
    before: dict[str, Any]
    parameters: dict[str, Any]
    buffers: dict[str, Any]
    modules: dict[str, Any]
    unsaved: set[str]


_attributes = operator.attrgetter("__dict__")


class _State(NamedTuple):
    """All that modules hold, one list for all: what is the same object is not looked at again.

    Attributes:
        types: of the modules.
        own: their attributes.
        filled: these, and of the registries those that hold something.
        empty: the other registries.
        names: in each of those filled.
        values: in all of these, one after another.
        unsaved: the sets of names of buffers not saved, beside copies of them.
    """

    types: list[type]
    own: list[dict[str, Any]]
    filled: list[dict[str, Any]]
    empty: list[dict[str, Any]]
    names: list[tuple[str, ...]]
    values: list[Any]
    unsaved: tuple[list[set[str]], list[set[str]]]

    @staticmethod
    def of(modules: list[nn.Module]) -> _State:
        own = list(map(_attributes, modules))
        inside = [d[kind] for kind in _REGISTRIES for d in own]
        filled = own + [d for d in inside if d]
        unsaved = [d[_UNSAVED] for d in own]
        return _State(
            list(map(type, modules)),
            own,
            filled,
            [d for d in inside if not d],
            list(map(tuple, filled)),
            list(itertools.chain.from_iterable(map(dict.values, filled))),
            (unsaved, [x.copy() for x in unsaved]),
        )

    def is_still(self, modules: list[nn.Module]) -> bool:
        """Whether the modules hold the same objects by the same names.

        Registries and sets are among the values of attributes: where those are the same objects,
        what is remembered of them is what there is.
        """
        return (
            all(map(operator.is_, map(_attributes, modules), self.own))
            and list(map(type, modules)) == self.types
            and not any(self.empty)
            and list(map(tuple, self.filled)) == self.names
            and all(
                map(
                    operator.is_,
                    itertools.chain.from_iterable(map(dict.values, self.filled)),
                    self.values,
                )
            )
            and operator.eq(*self.unsaved)
        )


class Survey:
    """What the modules of a model hold.

    Attributes:
        modules: all of them, each once.
        types: of the modules.
        held: those that are not scripted, nor still to be built, with what they hold.
        parameters: of all, shared ones several times.
        buffers: module, name and buffer, likewise; of scripted ones all tensors but parameters.
        kept: what was made of this, by whoever made it; as true as this is.
    """

    def __init__(
        self,
        modules: list[nn.Module],
        held: list[Held],
        parameters: list[torch.Tensor],
        buffers: list[tuple[nn.Module, str, torch.Tensor]],
    ) -> None:
        self.modules: list[nn.Module] = modules
        self.types: list[type] = list(map(type, modules))
        self.held: list[Held] = held
        self.parameters: list[torch.Tensor] = parameters
        self.buffers: list[tuple[nn.Module, str, torch.Tensor]] = buffers
        self.kept: dict[Any, Any] = {}
        self._state: _State | None = None

    @classmethod
    def of(cls, model: nn.Module) -> Survey:
        """Look through a model. By hand: torch's own generators cost more than a small model."""
        modules: dict[nn.Module, None] = {model: None}
        left = [model]
        held: list[Held] = []
        parameters: list[torch.Tensor] = []
        buffers: list[tuple[nn.Module, str, torch.Tensor]] = []
        while left:
            module = left.pop()
            if isinstance(module, torch.jit.ScriptModule):
                parameters += module.parameters(recurse=False)
                buffers += [(module, n, t) for n, t in _scripted(module)]
                children: Mapping[str, nn.Module | None] = dict(module.named_children())
            else:
                own = vars(module)
                p, b, m, unsaved = registries(own)
                copies = own.copy(), p.copy(), b.copy(), m.copy(), unsaved.copy()
                if own.get("built", True):  # a Keras layer's first call builds it, for good
                    held.append(Held(module, own, *copies))
                children = m
                if p:
                    parameters += [x for x in p.values() if x is not None]
                if b:
                    buffers += [(module, n, x) for n, x in b.items() if x is not None]
            for child in children.values():
                if child is not None and child not in modules:
                    modules[child] = None
                    left.append(child)
        return cls(list(modules), held, parameters, buffers)

    @staticmethod
    def again(model: nn.Module, known: Survey | None) -> Survey:
        """What the model holds: what is `known`, if that is still so."""
        if known is not None and known.modules[0] is model and known.holds():
            return known
        return Survey.of(model)

    def remember(self) -> None:
        """From now on `holds` may say yes."""
        if self._state is not None:
            return
        plain = len(self.held) == len(self.modules) and all(
            [
                "training" in held.attributes and all(isinstance(d, dict) for d in held[1:6])
                for held in self.held
            ]
        )
        self._state = _State.of(self.modules) if plain else None

    def holds(self) -> bool:
        """Whether every module is known to hold the very objects that it held.

        No is said of scripted modules, and before `remember`. What is inside of those objects is
        not looked at: the values of tensors, their types and devices, and lists may have changed.
        """
        return self._state is not None and self._state.is_still(self.modules)

    @functools.cached_property
    def training(self) -> list[nn.Module]:
        """The modules in training mode; frozen ScriptModules have no such flag."""
        return [m for m in self.modules if getattr(m, "training", False)]

    @functools.cached_property
    def identities(self) -> frozenset[int]:
        """Of the modules."""
        return frozenset(map(id, self.modules))


def _scripted(module: torch.jit.ScriptModule) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors that a scripted module holds, parameters left out."""
    yield from module.named_buffers(recurse=False)
    kinds = getattr(module, "_concrete_type", None)
    for name, (_, is_parameter) in kinds.get_attributes().items() if kinds is not None else ():
        if not is_parameter and isinstance(value := getattr(module, name), torch.Tensor):
            yield name, value

"""The layers of a PyTorch model by name.

Canonical names are dotted, containers included (`layer4.0.conv1`), without the prefixes that
wrappers such as DataParallel or torch.compile add. The old API's underscore names and indices of
leaf modules still work.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

from trulens_core.errors import AmbiguousLayerError, UnknownLayerError, UnsupportedModelError
from trulens_core.models import Layer
from trulens_core.passes.names import unknown_layer
from trulens_torch.function_model import FunctionModel


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside DataParallel, DistributedDataParallel and torch.compile."""
    while not isinstance(model, torch.jit.ScriptModule):
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(inner := model.__dict__.get("_modules", {}).get("_orig_mod"), nn.Module):
            model = inner
        else:
            break
    return model


class Layers:
    """The names of a model's modules.

    Args:
        model: the unwrapped model.
        owner: what error messages call it.
    """

    def __init__(self, model: nn.Module, owner: str) -> None:
        self._owner = owner
        self._all = _named(model)
        self.modules: dict[str, nn.Module] = {}
        self._aliases: dict[str, str] = {}
        self._scripted: set[str] = set()
        names = model.names if isinstance(model, FunctionModel) else []
        self._only = names if len(names) == 1 else []
        first: dict[nn.Module, str] = {}
        for raw, module in self._all:
            name = _stripped(raw)
            if not name or name in self._aliases:
                continue
            self._aliases[name] = first.setdefault(module, name)
            if self._aliases[name] == name:
                self.modules[name] = module
            if isinstance(module, torch.jit.ScriptModule):
                self._scripted.add(name)
        self.names = first

    def again(self, model: nn.Module) -> Layers:
        """These, where the model holds the same modules by the same names."""
        return self if _named(model) == self._all else Layers(model, self._owner)

    def listed(self) -> list[Layer]:
        """All layers, shared ones once."""
        return [
            Layer(name, type(unwrapped(m)).__name__, parameters=_count(m))
            for name, m in self.modules.items()
        ]

    def find(self, name: Any) -> str:
        """The canonical name that `name` means: a name old or new, an index, or a module."""
        found = self._found(name)
        if any(found == s or found.startswith(f"{s}.") for s in self._scripted):
            raise UnsupportedModelError(
                f"the layer {found!r} of {self._owner} is (inside) a ScriptModule, which calls no "
                "hooks; cut around it, or explain the model before torch.jit.script or trace"
            )
        return found

    def _found(self, name: Any) -> str:
        if isinstance(name, nn.Module):
            if name not in self.names:
                raise UnknownLayerError(
                    f"the module {type(name).__name__} is not part of {self._owner}"
                )
            return self.names[name]
        if isinstance(name, int):
            return self._by_index(name)
        bare = _stripped(str(name))
        # DataParallel's prefix, as in a state_dict; a function's only module may be left out
        for known in (bare, bare.removeprefix("module."), *(f"{n}.{bare}" for n in self._only)):
            if known in self._aliases:
                return self._aliases[known]
        return self._by_old_name(name, bare)

    def _by_index(self, index: int) -> str:
        leaves = [n for n, m in self.modules.items() if not any(True for _ in m.children())]
        if not -len(leaves) <= index < len(leaves):
            raise UnknownLayerError(
                f"no layer {index} in {self._owner}: an index counts its {len(leaves)} leaf "
                f"modules, from 0 to {len(leaves) - 1}"
            )
        return leaves[index]

    def _by_old_name(self, name: Any, bare: str) -> str:
        fits = [n for n in self.modules if n.replace(".", "_") == bare]
        if not fits:
            raise unknown_layer(name, list(self._aliases), self._owner)
        if len(fits) > 1:
            raise AmbiguousLayerError(
                f"the layer name {name!r} may mean {' or '.join(map(repr, fits))}; use one of these"
            )
        warnings.warn(
            f"the layer name {name!r} is of the old API; use {fits[0]!r}",
            DeprecationWarning,
            stacklevel=2,
        )
        return fits[0]


def _named(model: nn.Module) -> list[tuple[str, nn.Module]]:
    return list(model.named_modules(remove_duplicate=False))


def _count(module: nn.Module) -> int | None:
    """How many parameters a module has, None where some are not made before a first call."""
    held = list(module.parameters())
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in held):
        return None
    return sum(p.numel() for p in held)


def _stripped(name: str) -> str:
    """The name without what compiled and parallel wrappers add at its front or inside."""
    parts = [p for p in name.split(".") if p != "_orig_mod"]
    return ".".join(parts)

"""Functions as models: a module that calls one, and holds the modules that it calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn.modules import module as nn_module

from trulens_core.errors import UnsupportedModelError
from trulens_core.models.callables import found_in, named

Given = nn.Module | Sequence[nn.Module] | Mapping[str, nn.Module]


class FunctionModel(nn.Module):
    """Calls a function; its children are the modules that the function uses, by their names.

    They are those that `layers` names and those found in the function itself, see
    `trulens_core.models.callables`; looked up at every call, since a name may have been given
    another module.

    Args:
        function: of tensors.
        layers: the modules, where they cannot be found, or more of them.

    Attributes:
        function: see above.
        names: the names of its children; one alone may be left out of a layer's name.
    """

    def __init__(self, function: Callable[..., Any], layers: Given | None = None) -> None:
        super().__init__()
        self.function = function
        self._given = named(layers, nn.Module)
        self.look()

    @property
    def names(self) -> list[str]:
        """See above."""
        return list(self._modules)

    def look(self) -> bool:
        """Find the modules; whether they are others than before."""
        found = {
            **self._given,
            **_without(found_in(self.function, nn.Module), self._given.values()),
        }
        same = list(found.items()) == list(self._modules.items())
        if not same:
            self._modules.clear()
            self._modules.update(found)
        return not same

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        with _Called() as called:
            output = self.function(*args, **kwargs)
        own = set(self.modules())
        for module in called.modules:
            if module not in own:
                raise UnsupportedModelError(
                    f"the function calls a {type(module).__name__} that was not found in it, and "
                    "that is neither put into evaluation mode nor frozen: name the modules that "
                    f"it uses with get_model_wrapper(f, backend='torch', layers=[...])"
                )
        return output


class _Called:
    """The modules that are called meanwhile by this thread."""

    def __init__(self) -> None:
        self.modules: dict[nn.Module, None] = {}

    def __enter__(self) -> _Called:
        me = threading.get_ident()

        def note(module: nn.Module, args: Any) -> None:
            del args
            if threading.get_ident() == me:
                self.modules[module] = None

        self._handle = nn_module.register_module_forward_pre_hook(note)
        return self

    def __exit__(self, *raised: object) -> None:
        self._handle.remove()


def _without(found: Mapping[str, nn.Module], others: Any) -> dict[str, nn.Module]:
    """Those that are not within others, nor within one another."""
    inside = {id(m) for other in others for m in other.modules()}
    inside |= {id(m) for f in found.values() for m in f.modules() if m is not f}
    kept: dict[int, tuple[str, nn.Module]] = {}
    for name, module in found.items():
        if id(module) not in inside:
            kept.setdefault(id(module), (name, module))
    return dict(kept.values())

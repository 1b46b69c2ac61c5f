"""Functions as models: a module that calls one, and holds the modules that it uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trulens_core.models.callables import found_in, named


class FunctionModule(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    """Calls a function; its submodules are the tf.Modules that the function uses.

    They are those that `layers` names and those found in the function itself, see
    `trulens_core.models.callables`.

    Args:
        function: of tensors.
        layers: the modules, where they cannot be found, or more of them.
    """

    def __init__(self, function: Callable[..., Any], layers: Any = None) -> None:
        super().__init__(name=getattr(function, "__name__", "").strip("<>") or None)
        self._function = function
        found = {**named(layers, tf.Module), **found_in(function, tf.Module)}
        for name, module in found.items():
            setattr(self, f"m{name}" if name[0].isdigit() else name, module)
        self.__dict__["__call__"] = function  # whose signature tells the parameters

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        return self._function(*args, **kwargs)

"""Modules under the names that they had in 0.1: each says where it went, and gives what is there.

`trulens_core` looks for its modules here after its own folder, so that `trulens_core.NAME` is
imported as it was. A file is the name, and one line that says what takes its place.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any


def moved(old: str, new: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module that is called `new` now."""

    def found(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {old!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(new), name)
        warnings.warn(
            f"{old} is {new} since 0.2, and the old name goes in 0.4; import {name} from there",
            DeprecationWarning,
            stacklevel=2,
        )
        return value

    return found

"""What is not taken by position."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from trulens_core.slices import is_index

Init = TypeVar("Init", bound=Callable[..., None])


def no_number_by_position(init: Init) -> Init:
    """A constructor that refuses an int as its second argument, unless it is given by keyword.

    There other libraries have the class. Here it would be a layer or a constant baseline, and
    nothing would show the mistake. 0 is let through: it is a usual baseline.
    """

    @functools.wraps(init)  # inspect.signature and the documentation see the constructor itself
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        given: Any = args[1] if len(args) > 1 else None
        if is_index(given) and int(given) != 0:
            raise TypeError(
                f"{type(self).__name__}(model, {given}) does not say what {given} is; write "
                f"qoi={given} for a class or channel, qoi_cut={given} for the layer where the "
                f"quantity is read, baseline={given} for a baseline (of IntegratedGradients)"
            )
        init(self, *args, **kwargs)

    return cast(Init, checked)


def all_parts(init: Init) -> Init:
    """A constructor that says what its parts are where some are missing."""
    required = [p.name for p in inspect.signature(init).parameters.values() if _is_required(p)][1:]

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        missing = [name for name in required[len(args) :] if name not in kwargs]
        if missing:
            parts = ", ".join(required)
            raise TypeError(
                f"{type(self).__name__}({parts}) is not given {' and '.join(missing)}: a quantity "
                'is "max" or a class, a distribution "point" or "linear", as in '
                'InternalInfluence(model, "layer", "max", "point"); InputAttribution and '
                "IntegratedGradients have defaults"
            )
        init(self, *args, **kwargs)

    return cast(Init, checked)


def _is_required(p: inspect.Parameter) -> bool:
    return p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD

"""What is not taken by position."""

from __future__ import annotations

import functools
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

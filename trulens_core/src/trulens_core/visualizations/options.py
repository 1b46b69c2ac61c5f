"""Options of visualizers: checked when given, replaced for one call."""

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from trulens_core.slices import is_index

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Options = TypeVar("Options", bound=DataclassInstance)
else:
    Options = TypeVar("Options")


def overridden(visualizer: Options, **given: object) -> Options:
    """The visualizer with the options that are not None in place of its own, checked again."""
    return replace(
        visualizer, **{name: value for name, value in given.items() if value is not None}
    )


def check_channel_axis(axis: object) -> None:
    """Accepts None, 1 and 3, and the last two counted from the end."""
    if axis is not None and not (is_index(axis) and axis in (1, 3, -1, -3)):
        raise ValueError(f"channel_axis must be 1 or 3 (or None, to find it), found {axis!r}.")


def check_blur(blur: float | None) -> None:
    """Accepts what can be a standard deviation, and 0 or None for no blur."""
    if blur is not None and not 0.0 <= blur < float("inf"):
        raise ValueError(f"blur is in pixels and must be 0 or more, found {blur!r}.")


def check_fraction(name: str, value: float) -> None:
    """Accepts numbers from 0 to 1."""
    if isinstance(value, bool) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be between 0 and 1, found {value!r}.")

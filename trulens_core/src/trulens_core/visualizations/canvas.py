"""What is drawn on: a figure of the caller's, or a new one; nothing stays of what failed."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Iterator
from typing import Any

from trulens_core.optional import require
from trulens_core.visualizations.pictures import can_show

WIDEST, HIGHEST = 16.0, 60.0
"""Of a new figure, in inches."""


@contextlib.contextmanager
def canvas(size: tuple[float, float], fig: Any = None, ax: Any = None) -> Iterator[Any]:
    """The figure to draw on, or the axes where they are given; as it was if drawing fails.

    Args:
        size: of a new figure, in inches.
        fig: the caller's own figure, or a part of one.
        ax: the caller's own axes.
    """
    if fig is not None and ax is not None:
        raise ValueError("give fig= or ax=, not both")
    require("matplotlib", "viz")
    given = ax if ax is not None else fig
    if given is not None:
        with _as_before(given):
            yield given
        return
    pyplot = require("matplotlib.pyplot", "viz")
    width, height = min(size[0], WIDEST), min(size[1], HIGHEST)
    new = pyplot.figure(figsize=(width, height), FigureClass=_picture())
    try:
        yield new
        engine = new.get_layout_engine()
        if engine is not None:  # the first pass leaves some words over the edge; drawing adds one
            engine.execute(new)
    except BaseException:
        pyplot.close(new)
        raise
    if can_show(pyplot.get_backend()):
        pyplot.show(block=False)


def arranged(root: Any) -> None:
    """Room for all labels, unless the figure has something on it that is its owner's."""
    if not root.axes and root.get_layout_engine() is None:
        root.set_layout_engine("constrained")


@contextlib.contextmanager
def _as_before(given: Any) -> Iterator[None]:
    """Takes off again what was drawn before an error."""
    root = given.figure if hasattr(given, "figure") else given
    held, engine = list(given.get_children()), root.get_layout_engine()
    axes = list(root.axes)
    try:
        yield
    except BaseException:
        for new in [a for a in root.axes if a not in axes]:
            new.remove()
        for part in [c for c in given.get_children() if c not in held]:
            if part in getattr(given, "subfigs", ()):
                given.subfigs.remove(part)
            else:
                part.remove()
        root.set_layout_engine("none" if engine is None else engine)
        raise


@functools.cache
def _picture() -> Any:
    """A figure that a notebook shows once, be it a cell's result or not."""
    figure = require("matplotlib.figure", "viz").Figure
    return type("Picture", (figure,), {"_ipython_display_": _displayed})


def _displayed(figure: Any) -> None:
    """What a notebook calls for a cell's result: figures still open are shown at its end."""
    pyplot = require("matplotlib.pyplot", "viz")
    if pyplot.fignum_exists(getattr(figure, "number", -1)):
        return
    content = io.BytesIO()
    figure.savefig(content, format="png", bbox_inches="tight")
    require("IPython.display", "viz").display({"image/png": content.getvalue()}, raw=True)

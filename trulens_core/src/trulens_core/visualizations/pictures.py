"""Finished pictures: composed, written to a file, drawn on a figure."""

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from trulens_core.optional import require
from trulens_core.visualizations.images import Array
from trulens_core.visualizations.tiling import tiled

FORMATS = ("png", "jpg", "jpeg", "tif", "tiff", "webp", "gif", "pdf", "svg", "eps", "ps")


def deliver(picture: Array, output_file: str | Path | None, imshow: bool, fig: Any) -> None:
    """Tiles an RGB batch on white and writes and draws it, as far as asked to.

    Args:
        picture: (records, height, width, 3), from 0 to 1.
        output_file: Where to write it, one pixel per pixel; the ending says the format.
        imshow: Whether to draw it.
        fig: The figure to draw on; None is the current one.
    """
    if output_file is None and not imshow:
        return
    pixels = as_pixels(picture)
    if output_file is not None:
        save(pixels, Path(output_file))
    if imshow:
        draw(pixels, fig)


def as_pixels(picture: Array) -> Array:
    """An RGB batch, from 0 to 1, as one picture of bytes on white."""
    return np.rint(255.0 * np.clip(tiled(picture, empty=1.0), 0.0, 1.0)).astype(np.uint8)


def save(pixels: Array, path: Path) -> None:
    """Writes the file whole or not at all: an older file stays until the new one is complete."""
    ending = path.suffix[1:].lower() or "png"
    if ending not in FORMATS:
        raise ValueError(f"{path} has no known ending for a picture; use one of {FORMATS}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder of output_file {path} does not exist.")
    replace_file(path.resolve(), encoded(pixels, "tiff" if ending == "tif" else ending))


def encoded(pixels: Array, form: str) -> bytes:
    """The file of a picture, one pixel per pixel."""
    content = BytesIO()
    imsave = require("matplotlib.image", "viz").imsave
    imsave(content, pixels, format=form, origin="upper")
    return content.getvalue()


def replace_file(path: Path, content: bytes) -> None:
    """Puts the content at the path in one step."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}")
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def draw(pixels: Array, fig: Any) -> None:
    """Draws on the figure's current axes and returns at once.

    A figure that had to be opened is shown too, where the windows or the notebook can. One that
    was there already is left to its owner.
    """
    painted(lambda figure: _draw_on(figure, pixels), fig)


def painted(paint: Callable[[Any], object], fig: Any) -> None:
    """Has the figure painted on, under the same rules as `draw`."""
    if fig is not None:
        paint(fig)
        return
    pyplot = require("matplotlib.pyplot", "viz")
    opened = not pyplot.get_fignums()
    paint(pyplot.gcf())
    if opened and can_show(pyplot.get_backend()):
        pyplot.show(block=False)


def _draw_on(fig: Any, pixels: Array) -> None:
    axes = fig.gca()
    axes.imshow(pixels, origin="upper")
    axes.set_axis_off()


def can_show(backend: str) -> bool:
    """Whether a backend of matplotlib has windows."""
    from matplotlib.backends.registry import BackendFilter, BackendRegistry

    silent: list[str] = BackendRegistry().list_builtin(BackendFilter.NON_INTERACTIVE)  # type: ignore[no-untyped-call]  # untyped in matplotlib
    return backend.lower() not in silent

"""Finished pictures: composed, written to a file, drawn on a figure."""

import os
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
    pixels = np.rint(255.0 * np.clip(tiled(picture, empty=1.0), 0.0, 1.0)).astype(np.uint8)
    if output_file is not None:
        save(pixels, Path(output_file))
    if imshow:
        draw(pixels, fig)


def save(pixels: Array, path: Path) -> None:
    """Writes the file whole or not at all: an older file stays until the new one is complete."""
    imsave = require("matplotlib.image", "viz").imsave
    ending = path.suffix[1:].lower() or "png"
    if ending not in FORMATS:
        raise ValueError(f"{path} has no known ending for a picture; use one of {FORMATS}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder of output_file {path} does not exist.")
    encoded = BytesIO()
    imsave(encoded, pixels, format="tiff" if ending == "tif" else ending, origin="upper")
    replace_file(path.resolve(), encoded.getvalue())


def replace_file(path: Path, content: bytes) -> None:
    """Puts the content at the path in one step."""
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
    if fig is not None:
        _draw_on(fig, pixels)
        return
    pyplot = require("matplotlib.pyplot", "viz")
    opened = not pyplot.get_fignums()
    _draw_on(pyplot.gcf(), pixels)
    if opened and _can_show(pyplot.get_backend()):
        pyplot.show(block=False)


def _draw_on(fig: Any, pixels: Array) -> None:
    axes = fig.gca()
    axes.imshow(pixels, origin="upper")
    axes.set_axis_off()


def _can_show(backend: str) -> bool:
    from matplotlib.backends.registry import BackendFilter, BackendRegistry

    silent: list[str] = BackendRegistry().list_builtin(BackendFilter.NON_INTERACTIVE)  # type: ignore[no-untyped-call]  # untyped in matplotlib
    return backend.lower() not in silent

"""From numbers to colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from trulens_core.optional import require
from trulens_core.visualizations.images import COLOR_COUNTS, Array, Images
from trulens_core.visualizations.look import signed_map
from trulens_core.visualizations.normalization import normalized

ColorMap = str | Callable[[Array], Array]
"""The name of a matplotlib colour map, or a map or function from [0, 1] to RGB or RGBA."""

SIGNED = "trulens"
"""White at zero, orange above, blue below: the ends differ for every kind of colour vision."""
UNSIGNED = "inferno"
"""Brighter is more, also without colour."""


@dataclass(frozen=True)
class Scale:
    """The numbers that get the first and the last colour, and whether zero is the middle one."""

    first: float
    last: float
    signed: bool

    @classmethod
    def of(cls, values: Array, normalization_type: str) -> Scale:
        """The range of the normalisation; where it has none, the range of these values."""
        if normalization_type.endswith("positive_centered"):
            return cls(0.0, 1.0, signed=True)
        if normalization_type in ("unsigned_max", "signed_max"):
            return cls(-1.0, 1.0, signed=True)
        if normalization_type in ("magnitude_max", "01"):
            return cls(0.0, 1.0, signed=False)
        largest = float(np.max(np.abs(np.nan_to_num(values)))) or 1.0
        signed = normalization_type == "signed_sum" or bool(np.any(values < 0))
        return cls(-largest if signed else 0.0, largest, signed)

    def fractions(self, values: Array) -> Array:
        """Where the values lie between the two, NaN at the first."""
        first = self.first / self.last
        fractions = (np.nan_to_num(values, nan=self.first) / self.last - first) / (1.0 - first)
        return np.asarray(np.clip(fractions, 0.0, 1.0))


def colored(values: Array, normalization_type: str, cmap: ColorMap | None, white: float) -> Array:
    """RGBA of normalised attributions, invisible where they are NaN.

    One channel is coloured by the map: None is a diverging one where zero has a middle, else one
    that gets brighter. Three and four channels are colours as they are, cut off at 0 and 1; the
    two sums are stretched, all records alike, so that the largest number is 1.

    Args:
        values: (records, height, width, channels).
        normalization_type: How they were normalised.
        cmap: A ColorMap or None.
        white: What counts as 1 where unnormalised values are shown as they are.
    """
    if values.shape[-1] == 1:
        scale = Scale.of(values, normalization_type)
        chosen = find_cmap(cmap or (SIGNED if scale.signed else UNSIGNED))
        colors = _mapped(chosen, scale.fractions(values[..., 0]))
    else:
        check_drawable(values.shape[-1], "attributions")
        if normalization_type.endswith("_sum"):
            white = float(np.max(np.nan_to_num(values), initial=0.0)) or 1.0
        colors = np.clip(np.nan_to_num(values), 0.0, white) / white
    visible = ~np.any(np.isnan(values), axis=-1, keepdims=True)
    opacity = colors[..., 3:] if colors.shape[-1] == 4 else 1.0
    return np.concatenate([colors[..., :3], opacity * visible], axis=-1)


def check_drawable(channels: int, name: str) -> None:
    """Accepts the numbers of channels that are a picture."""
    if channels not in COLOR_COUNTS:
        hint = "; pass combine_channels=True" if name == "attributions" else ""
        raise ValueError(f"{channels} channels of {name} are no picture, 1, 3 and 4 are{hint}.")


def check_cmap(cmap: ColorMap | None) -> None:
    """Accepts None and what find_cmap takes."""
    if cmap is not None:
        find_cmap(cmap)


def find_cmap(cmap: ColorMap) -> Callable[[Array], Array]:
    """The function of a ColorMap."""
    if callable(cmap):
        return cmap
    if cmap == SIGNED:
        own: Callable[[Array], Array] = signed_map()
        return own
    known = require("matplotlib", "viz").colormaps
    if cmap in known:
        found: Callable[[Array], Array] = known[cmap]
        return found
    close = get_close_matches(str(cmap), list(known), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    raise ValueError(f"cmap {cmap!r} is no colour map of matplotlib and not callable{hint}")


def _mapped(cmap: Callable[[Array], Array], fractions: Array) -> Array:
    colors = np.asarray(cmap(fractions))
    if colors.shape not in {(*fractions.shape, 3), (*fractions.shape, 4)}:
        raise ValueError(
            f"cmap gave shape {colors.shape} for {fractions.shape}; it must add an axis of 3 or 4."
        )
    return colors


def displayable(images: Images) -> Array:
    """The images with numbers from 0 to 1, and NaN where they are not finite.

    uint8 is divided by 255. Other records are left as they are if they keep to [0, 1], and
    stretched from their smallest to their largest number if not. A fourth channel is opacity,
    cut off at 0 and 1.
    """
    values = images.floats()
    if images.values.dtype == np.uint8:
        return values / 255.0
    colors, opacity = values[..., :3], values[..., 3:]
    outside = np.any((colors < 0) | (colors > 1), axis=(1, 2, 3), keepdims=True)
    colors = np.where(outside, normalized(colors, "01"), colors)
    return np.concatenate([colors, np.clip(opacity, 0.0, 1.0)], axis=-1)


def on_white(values: Array) -> Array:
    """RGB of displayable images of 1, 3 or 4 channels; what is missing or transparent is white."""
    missing = np.any(np.isnan(values), axis=-1, keepdims=True)
    colors = np.nan_to_num(values)
    opacity = np.where(missing, 0.0, colors[..., 3:] if colors.shape[-1] == 4 else 1.0)
    return over(colors[..., :3], opacity, np.ones((*values.shape[:-1], 3)))


def over(colors: Array, opacity: Array, ground: Array) -> Array:
    """Colours painted on a ground."""
    return np.asarray(opacity * colors + (1.0 - opacity) * ground)

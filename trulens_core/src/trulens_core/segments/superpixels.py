"""Parts of an image that look alike."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from trulens_core.optional import require
from trulens_core.segments.axes import Value
from trulens_core.segments.recipe import Recipe
from trulens_core.segments.regions import Regions
from trulens_core.slices import is_index

OPTIONS: Mapping[str, Mapping[str, float | None]] = {
    "slic": {"compactness": None, "sigma": 1.0},
    "felzenszwalb": {"scale": 100.0, "sigma": 0.8, "min_size": 20},
}
"""Of each method, its options and what they are where nothing is said.

For SLIC they are chosen so that few of the n superpixels are too small to stay.
"""

MAY_BE_ZERO = ("sigma", "min_size")


@final
@dataclass(frozen=True)
class Superpixels(Recipe):
    """What `Segments.superpixels` makes."""

    n: int | None
    method: str
    channel_axis: int | None
    options: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        if self.method not in OPTIONS:
            raise ValueError(f"method must be one of {sorted(OPTIONS)}, found {self.method!r}")
        known = OPTIONS[self.method]
        for name, value in self.options:
            if name not in known:
                raise TypeError(f"{self.method} has the options {sorted(known)}, and no {name!r}")
            least = 0 if name in MAY_BE_ZERO else np.nextafter(0, 1)
            if isinstance(value, bool) or not least <= value < np.inf:
                raise ValueError(f"{name} must be a positive number, found {value!r}")
        if self.method == "slic" and (self.n is None or not is_index(self.n) or self.n < 1):
            raise ValueError(f"slic needs n, the number of superpixels, from 1; found {self.n!r}")
        if self.method != "slic" and self.n is not None:
            raise TypeError("felzenszwalb finds the number of segments; scale= takes n's place")

    def regions(self, value: Value) -> tuple[Regions, ...]:
        rank = len(value.shape)
        grey = self.channel_axis is None and rank == 2  # no series: superpixels need an area
        space = value.space(self.channel_axis, 2 if grey else None)
        if len(space) != 2 and not (self.method == "slic" and len(space) == 3):
            raise ValueError(
                f"{self.method} segments images{', and volumes' * (self.method == 'slic')}; a "
                f"value of shape {value.described} has {len(space)} axes of space"
            )
        found = []
        for record, own in enumerate(value.numbers(), value.first):
            labels = self._labels(_scaled(np.moveaxis(own, space, range(len(space))), record))
            by_axis = labels.reshape([value.shape[a] if a in space else 1 for a in range(rank)])
            found.append(Regions.of_labels(by_axis, value.shape))
        return tuple(found)

    def _labels(self, image: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        """Of one image, (*space, channels), between 0 and 1, always the same."""
        method: Callable[..., Any] = getattr(
            require("skimage.segmentation", "segments"), self.method
        )
        options = {**OPTIONS[self.method], **dict(self.options)}
        if self.method == "slic":
            # three channels are taken for colours, in CIELAB, whose range is a hundred times wider
            if options["compactness"] is None:
                options["compactness"] = 20.0 if image.shape[-1] == 3 else 0.2
            options |= {"n_segments": self.n, "start_label": 0}
        with warnings.catch_warnings():
            # felzenszwalb suspects that more than three channels were not meant to be channels
            warnings.filterwarnings("ignore", "Got image with third dimension", RuntimeWarning)
            return np.asarray(method(image, channel_axis=-1, **options))


def _scaled(record: npt.NDArray[Any], number: int) -> npt.NDArray[np.float64]:
    """A record, channels last, from its least number to its greatest as from 0 to 1."""
    image = record.astype(np.float64)
    if not np.isfinite(image).all():
        raise ValueError(f"Record {number} has numbers that are not finite, so no superpixels")
    image = image if image.ndim > 2 else image[..., np.newaxis]
    low, high = image.min(initial=np.inf), image.max(initial=-np.inf)
    return np.asarray((image - low) / (high - low) if high > low else np.zeros_like(image))

"""What happens to attributions before they are scaled: channels combined, noise blurred."""

import numpy as np

from trulens_core.optional import require
from trulens_core.visualizations.images import Array


def smoothed(values: Array, *, combine_channels: bool, blur: float | None) -> Array:
    """The mean over channels, if asked for, then a Gaussian blur over height and width.

    Args:
        values: (records, height, width, channels).
        combine_channels: Whether one channel, the mean, is left. NaN in one is NaN in the mean.
        blur: Standard deviation in pixels; 0 or None leaves every pixel as it is. Pixels never
            reach another record or channel. NaN stays where it is and counts as 0 for its
            neighbours.
    """
    if combine_channels:
        values = np.sum(values / values.shape[-1], axis=-1, keepdims=True)
    return _blurred(values, blur) if blur else values


def _blurred(values: Array, sigma: float) -> Array:
    ndimage = require("scipy.ndimage", "viz")
    missing = np.isnan(values)
    blurred = ndimage.gaussian_filter(np.where(missing, 0.0, values), (0.0, sigma, sigma, 0.0))
    return np.where(missing, np.nan, blurred)

"""Ways to bring the attributions of each record to one scale."""

from collections.abc import Callable
from difflib import get_close_matches

import numpy as np

from trulens_core.visualizations.images import Array

RECORD = (1, 2, 3)
CHANNEL = (1, 2)


def normalized(values: Array, normalization_type: str) -> Array:
    """The values of (records, height, width, channels) on the scale of that name.

    Each record is scaled by itself, so a record's result depends on no other record. NaN stays
    NaN and counts in no maximum, minimum or sum. Zeros stay zeros (0.5 on the positive-centred
    scales), also in a record that has nothing else; the record of one constant is 0 under `01`.
    Except for `unnormalized`, a positive factor on a record changes nothing.
    """
    return NORMALIZATIONS[normalization_type](values)


def check_normalization(name: object) -> None:
    """Accepts None and the nine names."""
    if name is None or name in NORMALIZATIONS:
        return
    close = get_close_matches(str(name), NORMALIZATIONS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(
        f"normalization_type {name!r} is unknown; {hint}There are {', '.join(NORMALIZATIONS)}."
    )


def default_normalization(channels: int) -> str:
    """What None means for so many channels."""
    return "unsigned_max" if channels == 1 else "unsigned_max_positive_centered"


def _ratio(values: Array, scale: Array) -> Array:
    """The values over their scale; where that is 0 the values, which are 0 or NaN there."""
    return np.divide(values, scale, out=values.copy(), where=scale > 0)


def _peak(values: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(np.max(np.nan_to_num(values), axis=axes, keepdims=True, initial=0.0))


def _over_peak(values: Array, axes: tuple[int, ...] = RECORD) -> Array:
    return _ratio(values, _peak(np.abs(values), axes))


def _over_sum(values: Array) -> Array:
    """Non-negative values that sum to 1 in each channel, without overflow on the way."""
    values = _over_peak(values, CHANNEL)
    return _ratio(values, np.nansum(values, axis=CHANNEL, keepdims=True))


def _by_sign(scaled: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Scales what is above zero and what is below it, each by itself."""
    return lambda values: scaled(np.maximum(values, 0.0)) - scaled(np.maximum(-values, 0.0))


def _centered(scaled: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Moves [-1, 1] to [0, 1]."""
    return lambda values: (scaled(values) + 1.0) / 2.0


def _from_minimum(values: Array) -> Array:
    values = _over_peak(values)
    lowest = np.min(np.where(np.isnan(values), np.inf, values), axis=RECORD, keepdims=True)
    return _over_peak(values - lowest)


NORMALIZATIONS: dict[str, Callable[[Array], Array]] = {
    "unsigned_max": _over_peak,
    "unsigned_max_positive_centered": _centered(_over_peak),
    "magnitude_max": lambda values: _over_peak(np.abs(values)),
    "magnitude_sum": lambda values: _over_sum(np.abs(values)),
    "signed_max": _by_sign(_over_peak),
    "signed_max_positive_centered": _centered(_by_sign(_over_peak)),
    "signed_sum": _by_sign(_over_sum),
    "01": _from_minimum,
    "unnormalized": np.copy,
}

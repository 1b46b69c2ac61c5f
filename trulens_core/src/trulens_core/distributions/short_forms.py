"""The short forms of distributions."""

from __future__ import annotations

from typing import Any

from trulens_core.distributions.base import DoI, PointDoi
from trulens_core.distributions.paths import LinearDoi


def as_doi(value: Any) -> DoI:
    """The distribution that a short form means: "point" or "linear".

    Example:
        >>> as_doi("linear")
        LinearDoi(baseline=None, resolution=10, rule='endpoints')
    """
    if isinstance(value, DoI):
        return value
    if isinstance(value, str) and value in ("point", "linear"):
        return PointDoi() if value == "point" else LinearDoi()
    raise ValueError(f"doi is {value!r}; it must be a DoI, 'point' or 'linear'")

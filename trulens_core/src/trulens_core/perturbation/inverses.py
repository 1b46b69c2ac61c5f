"""The inverse of a regression's matrix, where it is determined."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def inverse(a: Array, samples: int) -> Array:
    """The inverse of a matrix that was summed over so many masks.

    Raises:
        ValueError: where the masks do not determine it.
    """
    try:
        found: Any = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        found = None
    if found is None or not np.isfinite(found).all() or np.linalg.cond(a) > 1e13:
        raise ValueError(
            f"the regression over masks is not determined with samples={samples}; give more"
        )
    return np.asarray(found)

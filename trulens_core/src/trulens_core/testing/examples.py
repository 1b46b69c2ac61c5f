"""Small models for examples in documentation."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.testing.reference import ReferenceModel, register_reference
from trulens_core.testing.zoo import ZOO


def small_model() -> tuple[ReferenceModel, np.ndarray[Any, Any]]:
    """A model of three classes with a layer `hidden` of four units, and two records for it.

    Returns:
        A `ReferenceModel`, and an array of (2, 5).

    Example:
        >>> model, x = small_model()
        >>> x.shape
        (2, 5)
    """
    register_reference()
    args, _ = ZOO["mlp"].inputs(2)
    return ReferenceModel(ZOO["mlp"]), args[0]


def small_image_model() -> tuple[ReferenceModel, np.ndarray[Any, Any]]:
    """A convolutional model of three classes with a layer `relu2`, and two images for it.

    Returns:
        A `ReferenceModel`, and an array of (2, channels, rows, columns).

    Example:
        >>> model, x = small_image_model()
        >>> len(x.shape)
        4
    """
    register_reference()
    args, _ = ZOO["cnn"].inputs(2)
    return ReferenceModel(ZOO["cnn"]), args[0]

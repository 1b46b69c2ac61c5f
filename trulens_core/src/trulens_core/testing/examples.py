"""Small models for examples in documentation."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.testing.reference import ReferenceModel, register_reference
from trulens_core.testing.zoo import ZOO, Architecture
from trulens_core.testing.zoo.architecture import Argument, chain


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


def small_writer() -> tuple[ReferenceModel, list[int]]:
    """A model of seven tokens that gives scores of the next one, and a prompt of four.

    Returns:
        A `ReferenceModel` with a layer `embedding`, and ids.

    Example:
        >>> model, ids = small_writer()
        >>> model(np.asarray([ids])).shape
        (1, 4, 7)
    """
    register_reference()
    layers = {"embedding": ("embedding", 7, 4), "rnn": ("rnn", 4, 5), "logits": ("dense", 5, 7)}
    steps = (*chain("ids", "embedding", "rnn", last="both"), ("h", "first", "both"))
    arguments = (Argument("ids", (4,), "ids", high=7),)
    written = Architecture("writer", arguments, layers, (*steps, ("y", "logits", "h")), "y")
    return ReferenceModel(written), [5, 2, 6, 1]

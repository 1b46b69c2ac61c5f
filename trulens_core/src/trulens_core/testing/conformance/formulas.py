"""Quantities by their formulas, in NumPy, over values in the zoo's layout: classes on axis 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulens_core.testing.conformance.quantities import softmax

Array = np.ndarray[Any, Any]


def log_softmax(y: Array, axis: int = 1) -> Array:
    """By its formula."""
    return np.asarray(np.log(softmax(y, axis)))


def entropy(y: Array, axis: int = 1) -> Array:
    """By its formula."""
    return np.asarray(-(softmax(y, axis) * log_softmax(y, axis)).sum(axis))


def at(y: Array, classes: Array) -> Array:
    """The scores of classes per position, (rows, positions…), on axis 1."""
    return np.take_along_axis(y, classes[:, None], 1)[:, 0]


def total(y: Array) -> Array:
    """Over positions."""
    found: Array = y.reshape(len(y), -1).sum(1)
    return found


def cosine(y: Array, r: Array) -> Array:
    """The distance by its formula."""
    norms = np.linalg.norm(y, axis=1) * np.linalg.norm(r + 0 * y, axis=1)
    found: Array = 1 - (y * r).sum(1) / norms
    return found

"""Plain TensorFlow models."""

from __future__ import annotations

from typing import Any

from trulens_core.errors import UnsupportedModelError


def wrapper(model: Any, **options: Any) -> Any:
    """The wrapper of a plain TensorFlow model."""
    del options
    raise UnsupportedModelError(
        f"{type(model).__name__} is no Keras model; plain TensorFlow models are not served yet"
    )

"""The engine that a caller means."""

from __future__ import annotations

from typing import Any

from trulens_core.datasets.engine import Engine, Local
from trulens_core.datasets.ray_engine import RayEngine


def as_engine(engine: Any, prefetch: int) -> Engine:
    """The engine that is meant.

    Raises:
        ValueError: for one that is not known.
        ImportError: for "ray" where it is not installed.
    """
    if isinstance(engine, Engine):
        return engine
    if engine == "local":
        return Local(prefetch)
    if engine == "ray":
        return RayEngine()
    raise ValueError(
        f"engine is {engine!r}; it must be 'local', 'ray', or one such as RayEngine(actors=4)"
    )

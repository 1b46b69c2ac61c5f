"""Variables by which a model may go about its rows otherwise."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

_TYPES = ("bool", "string")  # integers count calls, too, and a model may write them in each


def switches(variables: Iterable[Any]) -> list[Any]:
    """Those of TensorFlow's variables that hold one truth value or string."""
    return [
        v
        for v in variables
        if hasattr(v, "read_value")
        and v.shape.rank is not None
        and v.shape.num_elements() == 1
        and v.dtype.name.startswith(_TYPES)
    ]


def turned(switches: Sequence[Any]) -> tuple[Hashable, ...]:
    """How switches are, also while a graph is being traced."""
    if not switches:
        return ()
    with sys.modules["tensorflow"].init_scope():
        return tuple(np.asarray(v.read_value().numpy()).item() for v in switches)

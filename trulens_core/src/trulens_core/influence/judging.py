"""What is to be said of gradients: which are not finite, and whether there are any at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trulens_core.backends import Backend, Tensor


def judged(
    total: Sequence[Sequence[Tensor]], records: int, backend: Backend
) -> tuple[list[int], bool]:
    """The records whose gradients are not finite, and whether all gradients are zero.

    Args:
        total: (rows, …) each, the first rows of which are the records.
        records: how many there are.
        backend: of the tensors.
    """
    xp = backend.xp
    sizes = [(g, backend.magnitude(g)) for gs in total for g in gs if math.prod(g.shape)]
    bad: set[int] = set()
    for g in [g for g, size in sizes if not math.isfinite(size)]:
        axes = tuple(range(1, len(g.shape)))
        finite = backend.to_numpy(xp.all(xp.isfinite(g), axis=axes))
        bad |= {int(i) for i in np.flatnonzero(~finite)}
    zero = bool(sizes) and all(size == 0 for _, size in sizes)
    return sorted(i for i in bad if i < records), zero

"""Layers as they are in training mode: random, and writing statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trulens_core.testing.reference import namespace as xp
from trulens_core.testing.reference.layers import Weights, batch_norm
from trulens_core.testing.reference.tensors import Tensor


def dropped(x: Tensor, w: Weights, random: np.random.Generator) -> Tensor:
    """Half of the numbers, doubled, and zeros."""
    del w
    return x * Tensor(2 * (random.random(x.shape) < 0.5).astype(x.dtype))


def by_batch(x: Tensor, w: Weights, random: np.random.Generator) -> Tensor:
    """Normalisation by the batch's statistics, of which a part goes into the stored ones."""
    del random
    axes = (0, 2, 3)
    centred = x - xp.mean(x, axis=axes, keepdims=True)
    found = {"mean": xp.mean(x, axis=axes), "variance": xp.mean(centred * centred, axis=axes)}
    for name, value in found.items():
        w[name].data[...] = 0.9 * w[name].data + 0.1 * value.data
    return batch_norm(x, {**w, **found})


IN_TRAINING: dict[str, Callable[..., Any]] = {"dropout": dropped, "batch_norm": by_batch}

"""Segments of tensors: only superpixels read their numbers."""

import numpy as np
import torch

from trulens_core.segments import Segments, resolved

X = torch.linspace(0, 1, 2 * 3 * 12 * 16).reshape(2, 3, 12, 16).requires_grad_()


def test_regions_are_those_of_the_array():
    for segments in (Segments.grid(5), Segments.windows(4, 2), Segments.superpixels(6)):
        for found, expected in zip(
            segments.resolved(X), segments.resolved(X.detach().numpy()), strict=True
        ):
            kept = np.arange(2 * found.n).reshape(2, -1) % 3 > 0
            assert (found.mask(kept) == expected.mask(kept)).all()


def test_a_value_that_is_never_read():
    shape_only = torch.empty(2, 3, 12, 16, device="meta")
    (first, second) = resolved([Segments.grid(5), None], [shape_only, shape_only[:, 0, 0]])
    assert first is second
    assert [r.n for r in first] == [12 + 16] * 2

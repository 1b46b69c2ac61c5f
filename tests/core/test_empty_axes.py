"""An axis of length 0 is an axis: nothing is left for a framework to infer."""

import numpy as np
import pytest

from trulens_core.testing import ReferenceBackend

BACKEND = ReferenceBackend()


@pytest.mark.parametrize("shape", [(2, 0), (2, 0, 3), (2, 3, 0), (2,), (2, 3)])
def test_points_and_rows(shape):
    x = BACKEND.from_numpy(np.arange(float(np.prod(shape))).reshape(shape))
    rows = BACKEND.repeat(x, 3)
    assert rows.shape == (6, *shape[1:])
    points = BACKEND.split_points(rows, 3)
    assert points.shape == (3, *shape)
    assert np.array_equal(BACKEND.to_numpy(BACKEND.merge_points(points)), BACKEND.to_numpy(rows))
    weights = BACKEND.from_numpy(np.array([0.5, 0.25, 0.5]))
    total = BACKEND.weighted_sum(points, weights)
    assert np.allclose(BACKEND.to_numpy(total), 1.25 * BACKEND.to_numpy(x), rtol=1e-15, atol=0)
    assert total.shape == shape

"""The visualizers take tensors, and leave them alone."""

import numpy as np
import pytest
import torch

from trulens_core.visualizations import HeatmapVisualizer, MaskVisualizer, Tiler, Visualizer

A = np.random.default_rng(0).normal(size=(2, 3, 12, 8))
X = np.random.default_rng(1).uniform(size=(2, 3, 12, 8))
CALLS = {
    "Tiler": lambda a, x: Tiler().tile(a),
    "Visualizer": lambda a, x: Visualizer(blur=1)(a, imshow=False),
    "unnormalized": lambda a, x: Visualizer(normalization_type="unnormalized")(a, imshow=False),
    "HeatmapVisualizer": lambda a, x: HeatmapVisualizer()(a, x, imshow=False),
    "MaskVisualizer": lambda a, x: MaskVisualizer()(a, x, imshow=False, return_tiled=False),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize("name", list(CALLS))
def test_tensors_give_the_same_as_arrays(name, dtype):
    a, x = torch.tensor(A, dtype=dtype), torch.tensor(X, dtype=dtype)
    copies = a.clone(), x.clone()
    result = CALLS[name](a.requires_grad_(), x)
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(result, CALLS[name](copies[0].numpy(), copies[1].numpy()))
    result[:] = 0
    assert torch.equal(a, copies[0])
    assert torch.equal(x, copies[1])


def test_uint8_tensors():
    x = torch.full((2, 12, 8, 3), 51, dtype=torch.uint8)
    result = MaskVisualizer(masked_opacity=1)(A, x, imshow=False)
    np.testing.assert_array_equal(result, np.float32(0.2))


def test_bfloat16_tensors():
    a = torch.tensor(A, dtype=torch.bfloat16)
    expected = Visualizer()(a.float().numpy(), imshow=False)
    np.testing.assert_array_equal(Visualizer()(a, imshow=False), expected)

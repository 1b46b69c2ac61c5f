"""RISE and Sobol indices beside Xplique's, in expectation.

Xplique asks for another TensorFlow, so its numbers stand here as they were computed by Xplique
2.0.2 on TensorFlow 2.20 in an environment of its own: `Rise(nb_samples=4000, grid_size=3)`, the
mean of 24 runs, every fourth place of 12 × 12, and `SobolAttributionMethod(nb_design=4096,
grid_size=3, estimator=JansenEstimator())` on 3 × 3, of the same function and records.
"""

import numpy as np

from trulens_core import RISE, Sobol, get_model_wrapper
from trulens_core.perturbation.grids import _linear

THEIR_RISE = [[-7.755, -9.736, -8.478], [-8.221, -9.157, -7.098], [-7.449, -8.062, -6.815]]
THEIR_ERROR = 0.035
"""The largest standard error of those."""
THEIR_SOBOL = [[0.0076, 0.0239, 0.0168], [0.0956, 0.0248, 0.0756], [0.0011, 0.7219, 0.0391]]
CELLS = 3


def parts(size):
    random = np.random.default_rng(7)
    shape = size, size
    a, b = random.normal(size=shape), random.normal(size=shape)
    x = random.uniform(0.5, 1.5, shape)
    return (lambda x: (x * a).sum((-2, -1)) + 0.1 * (x * b).sum((-2, -1)) ** 2), x


def expected(shifts):
    """Σ q m / Σ m over all grids and shifts."""
    f, x = parts(12)
    base = _linear(CELLS, 16)
    bits = np.arange(2**CELLS**2)[:, np.newaxis] >> np.arange(CELLS**2) & 1
    grids = bits.reshape(-1, CELLS, CELLS).astype("float64")
    total, weight = np.zeros((12, 12)), np.zeros((12, 12))
    for i in shifts:
        for j in shifts:
            m = np.einsum("ya,nab,xb->nyx", base[i : i + 12], grids, base[j : j + 12])
            total += np.einsum("n,nyx->yx", f(m * x), m)
            weight += m.sum(0)
    return total / weight


def test_rise_has_the_expectation_that_xplique_has():
    """It shifts by 0 to 4 places of a cell of four, and the paper's code and ours by 0 to 3."""
    theirs = expected(range(5))[::4, ::4]
    assert np.abs(np.array(THEIR_RISE) - theirs).max() < 3 * THEIR_ERROR
    f, x = parts(12)
    model = get_model_wrapper(lambda x: f(x[..., 0]), backend="function")
    rise = RISE(model, samples=20_000, cells=CELLS, channel_axis=3, qoi=lambda y: y)
    found = rise.explain(x[np.newaxis, ..., np.newaxis])
    off = np.abs(found.attributions[0, ..., 0] - expected(range(4)))
    assert (off < 4 * found.standard_error[0, ..., 0]).all()
    assert found.standard_error.max() < 0.1  # where the map goes from -10 to -5


def test_sobol_indices_are_those_of_xplique():
    f, x = parts(3)
    model = get_model_wrapper(f, backend="function")
    found = Sobol(model, samples=4096, qoi=lambda y: y).attributions(x[np.newaxis])
    assert np.abs(found[0] - np.array(THEIR_SOBOL)).max() < 0.02

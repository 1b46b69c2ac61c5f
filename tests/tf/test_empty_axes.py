"""Inputs with an axis of length 0, and those beside them."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import InputAttribution, IntegratedGradients
from trulens_core.testing import relative_error

X = np.random.default_rng(0).normal(size=(3, 4))
N = 5


@tf.function
def model(x, y=None):
    total = tf.reduce_sum(tf.tanh(x), axis=list(range(1, len(x.shape))))
    if y is not None:
        total += tf.reduce_sum(tf.square(y), axis=1)
    return tf.stack([tf.tanh(total), -total], axis=1)


@pytest.mark.parametrize("qoi", [0, lambda y: y[:, 0]], ids=["in the step", "between its halves"])
@pytest.mark.parametrize("shape", [(3, 0), (3, 0, 2)])
def test_alone(shape, qoi):
    empty = np.zeros(shape)
    assert InputAttribution(model, qoi=qoi).attributions(empty).shape == shape
    result = IntegratedGradients(model, qoi=qoi, resolution=N).explain(empty)
    assert result.attributions.shape == shape
    assert not result.residual.any()


@pytest.mark.parametrize("first", [0, 1])
def test_beside_another(first):
    given = [(X, np.zeros((3, 0))), (np.zeros((3, 0)), X)][first]
    found = IntegratedGradients(model, qoi=0, resolution=N).attributions(*given)
    total = np.zeros_like(X)
    for i in range(N):
        points = [tf.constant(a * (i + 0.5) / N) for a in given]
        with tf.GradientTape() as tape:
            tape.watch(points)
            y = model(*points)[:, 0]
        total += tape.gradient(y, points)[first].numpy() * X / N
    assert relative_error(found[first], total) <= 1e-10
    assert found[1 - first].shape == (3, 0)

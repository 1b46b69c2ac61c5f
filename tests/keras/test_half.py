"""Mixed policies of float16: gradients that would underflow on their way, on every framework."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import InputAttribution, IntegratedGradients
from trulens_core.testing import relative_error

LIMIT = 0.02


def deep(policy, gain=1.5e-2, last="policy", extra=()):
    """Of small factors, the last of which on the way back is large again."""
    keras.utils.set_random_seed(0)
    parts = [layers.Input((8,)), layers.Rescaling(2e4, dtype="float32"), *extra]
    for i in range(4):
        parts.append(layers.Dense(8, use_bias=False, dtype=policy, name=f"dense{i}"))
        kind = policy if i < 3 or last == "policy" else last
        parts.append(layers.Rescaling(gain, offset=1.0, dtype=kind))
    return keras.Sequential(parts)


def saliency(model, qoi=1):
    return InputAttribution(model, qoi=qoi, multiply_activation=False)


@pytest.fixture
def records():
    return (1e-3 * np.random.default_rng(1).standard_normal((3, 8))).astype("float32")


@pytest.mark.parametrize("last", ["policy", "float32"])
def test_gradients_that_underflow_on_their_way_are_found(records, gradients, last):
    model = deep("mixed_float16", last=last)
    whole = deep("float32")
    exact = gradients(lambda t: whole(t)[:, 1], records)[0]
    alone = gradients(lambda t: model(t)[:, 1], records)[0]
    assert relative_error(alone, exact) > 0.1  # what is to be mended
    found = saliency(model).attributions(records)
    assert found.dtype == np.float32
    assert relative_error(found, exact) < LIMIT


def test_paths_in_blocks_too(records, gradients):
    whole, half, n = deep("float32"), deep("mixed_float16"), 4
    points = [(i + 0.5) / n * records for i in range(n)]
    exact = np.mean([gradients(lambda t: whole(t)[:, 1], z)[0] for z in points], axis=0)
    found = IntegratedGradients(half, resolution=n, qoi=1, rebatch_size=6).attributions(records)
    assert relative_error(found, exact * records) < LIMIT


def test_a_record_whose_gradient_is_large_has_its_own_factor():
    """Its gradient overflows with the largest factor, beside one that needs it."""
    keras.utils.set_random_seed(0)
    half, x = keras.Input((2,)), np.array([[1e-5, 3.0], [200.0, 3.0]], "float32")
    y = layers.Dense(1, use_bias=False, dtype="mixed_float16")(half)
    y = layers.Lambda(lambda t: t * t * t, dtype="mixed_float16")(y)
    model = keras.Model(half, y)
    model.set_weights([np.array([[0.1], [1e-3]], "float32")])
    method = saliency(model, 0)
    together = method.attributions(x)
    for i, record in enumerate(x):
        np.testing.assert_array_equal(method.attributions(record[None])[0], together[i])
    y = x @ model.get_weights()[0]
    assert relative_error(together, 3 * y**2 * model.get_weights()[0].T) < LIMIT


def test_no_gradient_is_scaled_that_is_not_linear_in_its_cotangent(framework, gradients, records):
    """A backward function of the model's own that clips gives other numbers for other factors."""
    if framework == "tensorflow":
        import tensorflow as tf

        clipped = tf.custom_gradient(lambda x: (x, lambda g: tf.clip_by_value(g, -1e-2, 1e-2)))
    elif framework == "jax":
        import jax

        clipped = jax.custom_vjp(lambda x: x)
        clipped.defvjp(lambda x: (x, None), lambda _, g: (g.clip(-1e-2, 1e-2),))
    else:
        pytest.skip("tests/torch/test_half.py has that of PyTorch")
    clip = layers.Lambda(clipped, dtype="float32")
    model = deep("mixed_float16", gain=1.0, extra=(clip,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = saliency(model).attributions(records)
    expected = gradients(lambda t: model(t)[:, 1], records)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_bfloat16_needs_no_factor(gradients, records):
    model = deep("mixed_bfloat16", gain=0.5)
    expected = gradients(lambda t: model(t)[:, 1], records)[0]
    assert relative_error(saliency(model).attributions(records), expected) < 0.05

"""What the caller gave arrives in a TensorFlow model as it was given."""

import numpy as np
import pytest
import tensorflow as tf

from trulens_core import (
    InputAttribution,
    InputCut,
    IntegratedGradients,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
IDS = np.array([[1001.0], [1003.0], [4097.0]], "float32")


class Beside(tf.Module):
    """A head of one type, and something of another beside it."""

    def __init__(self, dtype, read=lambda more: more):
        super().__init__()
        start = np.random.default_rng(1).normal(size=(4, 3))
        self.w, self.read, self.got = tf.Variable(start, dtype=dtype), read, []

    def __call__(self, x, more):
        self.got.append(more.dtype)
        return tf.cast(x, self.w.dtype) @ self.w * tf.cast(self.read(more), self.w.dtype)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_ids_in_floats_beside_half_weights_keep_their_digits(dtype):
    model = Beside(dtype, lambda t: t % 7)
    method = InputAttribution(
        model, qoi=0, doi_cut=InputCut(names=["x"]), multiply_activation=False
    )
    expected = (IDS % 7) * tf.cast(model.w, tf.float32).numpy()[:, 0]
    for given in (IDS, IDS.astype("float64"), tf.constant(IDS), tf.constant(IDS, tf.float64)):
        assert relative_error(method.attributions(X, given), expected) <= 1e-2
    assert model.got == [tf.float32, tf.float64]  # traced once for each


def test_a_model_of_two_types():
    """A tensor keeps its type, and a NumPy array is float32."""
    model = Beside("float32", lambda t: t - 1.7e9)
    model.clock = tf.Variable([0.0], dtype=tf.float64)
    times = np.array([[1.7e9 + 0.25], [1.7e9 + 0.5], [1.7e9 + 0.75]])
    method = InputAttribution(
        model, qoi=0, doi_cut=InputCut(names=["x"]), multiply_activation=False
    )
    found = method.attributions(tf.constant(X), tf.constant(times))
    assert relative_error(found.numpy(), (times - 1.7e9) * model.w.numpy()[:, 0]) <= 1e-6
    with pytest.warns(TrulensWarning, match="zero everywhere"):  # in float32 these times are equal
        method.attributions(X, times)
    assert model.got == [tf.float64, tf.float32]


def test_types_that_the_model_refuses_have_a_note():
    class Plain(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(np.ones((4, 3)), dtype=tf.float16)

        def __call__(self, x):
            return x @ self.w

    with pytest.raises((ValueError, TypeError, tf.errors.InvalidArgumentError)) as raised:
        InputAttribution(Plain(), qoi=0).attributions(X)
    assert any("given 0 as" in n and "float16" in n for n in raised.value.__notes__)
    found = InputAttribution(Plain(), qoi=0).attributions(X.astype("float16"))
    assert found.dtype == np.float16


def test_integers_beside_floats_are_named_once_a_call():
    model, ages = Beside("float32"), np.array([[30], [40], [50]])
    method = IntegratedGradients(model, qoi=0, resolution=5, rebatch_size=2)
    with pytest.warns(
        TrulensWarning, match=r"1 \(<dtype: 'int64'>\).*InputCut\(names=\['x'\]\)"
    ) as w:
        method.attributions(X, ages)
    assert len(w) == 1
    assert len(InputAttribution(model, qoi=0).attributions(X, ages.astype("float32"))) == 2


def test_what_a_trace_changes_is_a_copy():
    class Context:
        calls = 0

    class Counting(Beside):
        def __call__(self, x, context, words):
            context.calls += 1
            words.add(context.calls)
            return x @ self.w * len(words)

    model, context, words = Counting("float32"), Context(), {"a"}
    method = InputAttribution(model, qoi=0, multiply_activation=False)
    found = method.attributions(X, context, words)
    assert relative_error(found, np.tile(2 * model.w.numpy()[:, 0], (3, 1))) <= 1e-6
    assert (context.calls, words) == (0, {"a"})


def test_ragged_and_sparse_inputs_are_told_what_to_give():
    wrapper = get_model_wrapper(lambda x: tf.reduce_sum(x, axis=1), backend="tensorflow")
    ragged = tf.RaggedTensor.from_row_lengths(tf.ones((5, 3)), [2, 3])
    with pytest.raises(TypeError, match=r"x\.to_tensor\(\), to a function of that and of the leng"):
        IntegratedGradients(wrapper, qoi=1).attributions(ragged)
    with pytest.raises(TypeError, match=r"give tf\.sparse\.to_dense\(x\)"):
        IntegratedGradients(wrapper, qoi=1).attributions(tf.sparse.from_dense(X))

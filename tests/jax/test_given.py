"""What the caller gave arrives in a JAX model as it was given."""

import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    InputAttribution,
    InputCut,
    IntegratedGradients,
    TrulensWarning,
    get_model_wrapper,
)
from trulens_core.testing import relative_error

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
W = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
IDS = np.array([[1001.0], [1003.0], [4097.0]], "float32")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_ids_in_floats_beside_half_weights_keep_their_digits(dtype):
    got = []

    def model(w, x, ids):
        got.append(ids.dtype)
        return (x.astype(dtype) @ w).astype("float32") * (ids % 7)

    w = jnp.asarray(W, dtype)
    wrapper = get_model_wrapper(model, backend="jax", params=w)
    cut = InputCut(accessor=lambda inputs: inputs.args[0])
    method = InputAttribution(wrapper, qoi=0, doi_cut=cut, multiply_activation=False)
    expected = (IDS % 7) * np.asarray(w.astype("float32"))[:, 0]
    for given in (IDS, jnp.asarray(IDS)):
        assert relative_error(np.asarray(method.attributions(X, given)), expected) <= 1e-2
    assert set(got) == {np.dtype("float32")}


def test_weights_of_two_types():
    got = []

    def model(w, x, y):
        got.append((x.dtype, y.dtype))
        return x @ w["a"] + (y @ w["b"]).astype("float32")

    weights = {"a": jnp.asarray(W), "b": jnp.asarray(W, "bfloat16")}
    wrapper = get_model_wrapper(model, backend="jax", params=weights)
    method = InputAttribution(wrapper, qoi=0, multiply_activation=False)
    found = method.attributions(X, jnp.asarray(X, "bfloat16"))
    assert set(got) == {(np.dtype("float32"), jnp.bfloat16.dtype)}
    for f, name in zip(found, "ab", strict=True):
        row = np.asarray(weights[name][:, 0].astype("float32"))
        assert relative_error(np.asarray(f), np.stack([row] * 3)) <= 1e-2


def test_integers_beside_floats_are_named_once_a_call():
    def model(w, x, age):
        return x @ w + age

    wrapper = get_model_wrapper(model, backend="jax", params=W)
    ages = np.array([[30], [40], [50]])
    method = IntegratedGradients(wrapper, qoi=0, resolution=5)
    with pytest.warns(TrulensWarning, match=r"left out of the explanation: 1 \(int32\)") as caught:
        method.attributions(X, ages)
    assert len(caught) == 1
    assert len(method.attributions(X, ages.astype("float32"))) == 2


def test_what_a_trace_changes_is_a_copy():
    class Context:
        calls = 0

    def model(w, x, context, words):
        context.calls += 1
        words.add(context.calls)
        return x @ w * len(words)

    wrapper, context, words = (
        get_model_wrapper(model, backend="jax", params=W),
        Context(),
        {"a"},
    )
    method = InputAttribution(wrapper, qoi=0, multiply_activation=False)
    found = method.attributions(X, context, words)
    assert relative_error(found, np.stack([2 * W[:, 0]] * 3)) <= 1e-6
    assert (context.calls, words) == (0, {"a"})

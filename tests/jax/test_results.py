"""Kinds, types and memory of what comes back, and the backend's own functions."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from trulens_core import (
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    TrulensWarning,
    get_backend,
    get_model_wrapper,
)
from trulens_jax import tap
from trulens_jax.backend import BACKEND

W = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def net(w, x):
    return tap(jnp.tanh(x @ w), "h") ** 2


def wrapped(dtype="float32"):
    return get_model_wrapper(net, backend="jax", params=jnp.asarray(W, dtype))


def test_numpy_in_writable_numpy_out_and_jax_in_jax_out():
    ask = InputAttribution(wrapped(), qoi=1)
    got = ask.attributions(X)
    assert type(got) is np.ndarray
    assert got.flags.writeable
    got[:] = 0
    assert np.abs(ask.attributions(X)).max() > 0
    native = ask.attributions(jnp.asarray(X))
    assert isinstance(native, jax.Array)
    assert native.dtype == jnp.float32
    inner = InternalInfluence(ask.model, "h", 0, "linear").explain(jnp.asarray(X))
    assert isinstance(inner.residual, jax.Array) or inner.residual is None


def test_the_inputs_are_not_aliased():
    """A later change of the caller's array is not seen, whatever its alignment."""
    x = np.zeros(4096 + 64, "float32")
    start = (-x.ctypes.data // 4) % 16
    x = x[start : start + 4096].reshape(1024, 4)
    adopted = wrapped().adopt(x)
    x[:] = 7
    assert not np.asarray(adopted).any()


def test_float64_without_x64_warns_once():
    w = wrapped()
    with pytest.warns(TrulensWarning, match="jax_enable_x64"):
        got = InputAttribution(w).attributions(X.astype("float64"))
    assert got.dtype == np.float64  # as it was given
    InputAttribution(w).attributions(X.astype("float64"))  # warnings are errors here


def test_float64_with_x64(x64):
    got = InputAttribution(wrapped("float64")).attributions(X.astype("float64"))
    assert got.dtype == np.float64
    h = np.tanh(X.astype("float64") @ W)
    best = (h**2).argmax(1)
    chosen = h[np.arange(3), best]
    expected = X * (2 * chosen * (1 - chosen**2))[:, None] * W.T[best]
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    big = np.asarray([2**40])
    assert int(BACKEND.from_numpy(big)[0]) == 2**40


def test_narrow_floats(close):
    exact = IntegratedGradients(wrapped(), resolution=8).attributions(X)
    for dtype in ("bfloat16", "float16"):
        w = wrapped(dtype)
        method = IntegratedGradients(w, resolution=8)
        got = method.attributions(X)
        assert got.dtype == np.float32
        close(got, exact, 0.1)
        native = method.attributions(jnp.asarray(X, dtype))
        assert native.dtype == dtype
    assert BACKEND.to_numpy(jnp.ones(2, jnp.bfloat16)).dtype == np.float32
    given = method.attributions(X.astype(ml_dtypes.bfloat16))
    assert np.isfinite(np.asarray(given, "float32")).all()


def test_integers_and_images_keep_their_type(close):
    w = get_model_wrapper(lambda x: tap(x.astype("float32"), "x") ** 2, backend="jax")
    x = np.asarray([[1, 2], [3, 4]], "uint8")
    got = InternalInfluence(w, "x", 1, "point").attributions(x)
    close(got, [[0, 8], [0, 32]])


def test_the_backend_of_arrays_and_of_what_is_traced():
    seen = []
    jax.jit(lambda x: seen.append(get_backend(x)) or x)(jnp.ones(2))
    jax.vmap(lambda x: seen.append(get_backend(x)) or x)(jnp.ones(2))
    assert [get_backend(jnp.ones(2)), *seen] == [BACKEND] * 3


def test_the_plug_in_imports_no_jax():
    code = (
        "import sys, trulens_core, trulens_jax.plugin;"
        "infos = trulens_core.list_backends();"
        "assert infos['jax'].error is None;"
        "assert not {'jax', 'flax', 'equinox', 'haiku'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_loading_a_framework_loads_no_other():
    code = (
        "import sys, jax, trulens_core;"
        "w = trulens_core.get_model_wrapper(lambda x: x * 2, backend='jax');"
        "w(__import__('numpy').ones((1, 2), 'float32'));"
        "assert not {'torch', 'tensorflow', 'flax', 'equinox', 'haiku'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_switches_of_jax_stay(close):
    before = (jax.config.jax_enable_x64, jax.config.jax_platforms, jax.config.jax_disable_jit)
    w = wrapped()
    expected = InputAttribution(w).attributions(X)
    with jax.disable_jit():
        close(InputAttribution(w).attributions(X), expected)
    after = (jax.config.jax_enable_x64, jax.config.jax_platforms, jax.config.jax_disable_jit)
    assert after == before

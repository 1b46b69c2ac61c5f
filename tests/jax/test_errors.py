"""What bad input raises: each row of what can go wrong, by the library's own errors."""

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trulens_core import (
    ClassQoI,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LambdaQoI,
    LogitCut,
    get_model_wrapper,
)
from trulens_core.errors import (
    CutError,
    DoiCutSupportError,
    LayerNotReachedError,
    NoBackendError,
    NotConnectedError,
    NotDifferentiableError,
    QoiError,
    UnknownLayerError,
    UnsupportedModelError,
)
from trulens_jax import tap

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
W = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)), "float32")


def linear(x):
    return tap(x @ W, "scores")


@pytest.fixture(scope="module")
def model():
    return get_model_wrapper(linear, backend="jax")


@pytest.mark.parametrize(
    "transform",
    [
        jax.jit,
        lambda f: jax.grad(lambda x: f(x).sum()),
        jax.vmap,
        lambda f: jax.jit(lambda _: f(jnp.asarray(X))),
    ],
    ids=["jit", "grad", "vmap", "jit of a constant"],
)
def test_explanations_are_not_traceable(model, transform):
    method = InputAttribution(model)
    with pytest.raises(TypeError, match="explanations are not traceable"):
        transform(method.attributions)(jnp.asarray(X))
    method.attributions(jnp.asarray(X))  # and nothing is left behind

    def by_weights(w):
        inner = get_model_wrapper(lambda p, x: x @ p, backend="jax", params=w)
        return InputAttribution(inner).attributions(jnp.asarray(X)).sum()

    with pytest.raises(TypeError, match="not traceable"):
        jax.grad(by_weights)(W)


def test_a_model_that_reads_numbers():
    w = get_model_wrapper(lambda x: x if x.sum() > 0 else -x, backend="jax")
    with pytest.raises(UnsupportedModelError, match=r"jax\.numpy"):
        InputAttribution(w).attributions(X)


@pytest.mark.parametrize(
    "reads",
    [
        lambda y: y[:, 0] * float(y.max()),
        lambda y: y[:, 0] if y.max() > 0 else y[:, 1],
        lambda y: np.asarray(y)[:, 0],
        lambda y: y[y[:, 0] > 0][:, 0],
    ],
    ids=["float", "if", "numpy", "mask"],
)
def test_a_quantity_that_reads_numbers(model, reads):
    with pytest.raises(QoiError, match=r"reads the numbers|not a jax tensor"):
        InputAttribution(model, qoi=reads).attributions(X)


@pytest.mark.parametrize(
    ("returns", "found"),
    [
        (lambda y: None, "NoneType"),
        (lambda y: 1.0, "float"),
        (lambda y: y.argmax(1), "int32"),
        (lambda y: y[:, :1, None], r"\(3, 1, 1\)"),
        (lambda y: y.sum(), r"\(\)"),
    ],
    ids=["None", "number", "argmax", "rank 3", "scalar"],
)
def test_a_quantity_that_returns_something_else(model, returns, found):
    with pytest.raises(QoiError, match=found):
        InputAttribution(model, qoi=returns).attributions(X)


def test_a_quantity_without_gradient_is_no_zeros(model):
    for qoi in (lambda y: y.argmax(1).astype(float), lambda y: jax.lax.stop_gradient(y)[:, 0]):
        with pytest.raises(NotConnectedError):
            InputAttribution(model, qoi=qoi).attributions(X)


def test_classes_out_of_range_are_found_before_and_after_tracing(model):
    for qoi in (ClassQoI(3), ClassQoI(-4), 5):
        with pytest.raises(IndexError, match="3"):
            InputAttribution(model, qoi=qoi).attributions(X)
    InputAttribution(model, qoi=ClassQoI(2)).attributions(X)
    for qoi in (ClassQoI(3), ClassQoI([0, 1, 7])):
        with pytest.raises(IndexError, match="out of range"):
            InputAttribution(model, qoi=qoi).attributions(X)
    with pytest.raises(QoiError, match="2 values"):
        InputAttribution(model, qoi=ClassQoI([0, 1])).attributions(X)


def test_integers_have_no_gradient():
    table = jnp.asarray(np.random.default_rng(0).normal(size=(7, 4)), "float32")

    def f(ids):
        h = tap(table[tap(ids, "ids")], "embedding")
        return h.mean(1) @ W

    w = get_model_wrapper(f, backend="jax")
    ids = np.asarray([[1, 2], [3, 4]])
    with pytest.raises(CutError, match="integers"):
        InputAttribution(w).attributions(ids)
    with pytest.raises(NotDifferentiableError, match="int32"):
        InternalInfluence(w, "ids", 0, "point").attributions(ids)
    with pytest.raises(DoiCutSupportError):
        InternalInfluence(w, "embedding", 0, "linear").attributions(ids)
    assert InternalInfluence(w, "embedding", 0, "point").attributions(ids).shape == (2, 2, 4)


def test_names_of_layers():
    class Net(nnx.Module):
        def __init__(self):
            self.dense = nnx.Linear(4, 3, rngs=nnx.Rngs(0))
            self.unused = nnx.Linear(4, 3, rngs=nnx.Rngs(0))

        def __call__(self, x):
            return self.dense(x)

    w = get_model_wrapper(Net())
    with pytest.raises(UnknownLayerError, match="did you mean 'dense'"):  # before any trace
        InternalInfluence(w, "dens", 0, "point")
    with pytest.raises(LayerNotReachedError, match="unused"):
        InternalInfluence(w, "unused", 0, "point").attributions(X)
    assert InternalInfluence(w, 0, 0, "point", False).attributions(X).shape == (3, 4)
    with pytest.raises(UnknownLayerError, match="2"):
        InternalInfluence(w, (None, 2), 0, "point")
    plain = get_model_wrapper(lambda x: x @ W, backend="jax")
    with pytest.raises(UnknownLayerError, match=r"trulens_jax\.tap"):
        InternalInfluence(plain, "dense", 0, "point").attributions(X)
    np.testing.assert_array_equal(plain.logits(X), plain(X))
    with pytest.raises(UnknownLayerError):
        InternalInfluence(plain, (None, LogitCut()), 0, "point").attributions(X)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: get_model_wrapper(nn.Dense(2)), "params="),
        (lambda: get_model_wrapper((nn.Dense(2), {}), backend="jax"), "params=variables"),
        (lambda: get_model_wrapper(nnx.Linear, backend="jax"), "pass an instance"),
        (lambda: get_model_wrapper(3, backend="jax"), "no JAX model"),
        (lambda: get_model_wrapper(hk.transform(lambda x: x)), "params="),
        (lambda: get_model_wrapper(hk.transform_with_state(lambda x: x), params={}), "state="),
    ],
    ids=["unbound", "tuple", "class", "number", "haiku", "haiku with state"],
)
def test_what_is_no_model(make, found):
    with pytest.raises(UnsupportedModelError, match=found):
        make()


@pytest.mark.parametrize("base", [nnx.Module, eqx.Module, nn.Module])
def test_a_module_that_cannot_be_called(base):
    class Encoder(base):
        def encode(self, x):
            return x

    options = {"params": {}} if base is nn.Module else {}
    with pytest.raises(UnsupportedModelError, match=r"(?s)Encoder.*'__call__'.*method="):
        get_model_wrapper(Encoder(), **options)
    with pytest.raises(UnsupportedModelError, match="'encoed'"):
        get_model_wrapper(Encoder(), method="encoed", **options)
    np.testing.assert_array_equal(get_model_wrapper(Encoder(), method="encode", **options)(X), X)


def test_options_that_a_kind_of_model_does_not_take():
    module = nnx.Linear(4, 3, rngs=nnx.Rngs(0))
    layer = eqx.nn.Linear(4, 3, key=jax.random.key(0))
    for model, options, found in (
        (module, {"params": {}}, "params= has no meaning for a Flax NNX"),
        (layer, {"params": {}}, "params= has no meaning for an Equinox"),
        (linear, {"method": "encode"}, "method= has no meaning for a plain function"),
        (linear, {"state": {}}, "state= has no meaning"),
        (module, {"batched": True}, "batched=True has no meaning"),
        (hk.transform(lambda x: x), {"params": {}, "state": {}}, "state= is given"),
    ):
        with pytest.raises(TypeError, match=found):
            get_model_wrapper(model, backend="jax", **options)
    with pytest.raises(TypeError, match="PyTorch"):
        get_model_wrapper(module, device="cpu")
    with pytest.raises(NoBackendError, match='or "jax"'):
        get_model_wrapper(linear)


def test_inputs_that_are_no_arrays(model):
    for bad, found in (
        (np.asarray(["a", "b"]), "input 0 has dtype <U1"),
        (np.asarray([None, 1.0]), "input 0 has dtype object"),
        (np.asarray([2**40, 1]), "input 0 holds 1099511627776"),
    ):
        with pytest.raises((TypeError, ValueError), match=found):
            InputAttribution(model).attributions(bad)
    with pytest.raises(TypeError, match="no array"):
        InputAttribution(model).attributions([[1.0, 2.0]])


def test_an_error_leaves_nothing_behind(close):
    module = nn.Dense(3)
    w = get_model_wrapper(module, params=module.init(jax.random.key(0), X))
    expected = InputAttribution(w, qoi=0).attributions(X)

    def fails(y):
        raise KeyError("mine")

    for qoi in (fails, LambdaQoI(fails)):
        with pytest.raises(KeyError, match="mine"):
            IntegratedGradients(w, qoi=qoi).attributions(X)
    assert w._now.state is None
    assert w._now.program is None
    close(InputAttribution(w, qoi=0).attributions(X), expected)


def test_no_tracer_is_leaked():
    with jax.checking_leaks():
        w = get_model_wrapper(nnx.Linear(4, 3, rngs=nnx.Rngs(0)))
        InputAttribution(w, qoi=1).attributions(X)
        InputAttribution(w, qoi=lambda y: y[:, 0] ** 2).attributions(X)

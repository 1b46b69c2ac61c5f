"""Attributions under jax.grad, jax.jit and jax.vmap: functions of weights and inputs."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from trulens_core import (
    Cut,
    InputAttribution,
    IntegratedGradients,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_core.attribution import Conductance, SmoothGrad
from trulens_jax import tap

STEP, QUOTIENT = 1e-5, 1e-7
LAYER = Cut("h")


def model(p, x):
    h = tap(jnp.tanh(x @ p["a"]), "h")
    return jnp.tanh(h @ p["b"])


@pytest.fixture
def given(x64):
    """Weights, inputs and a wrapper, in 64 bits."""
    del x64
    r = np.random.default_rng(0)
    p = {"a": jnp.asarray(r.normal(size=(4, 5))), "b": jnp.asarray(r.normal(size=(5, 3)))}
    return p, jnp.asarray(r.normal(size=(2, 4))), get_model_wrapper(model, backend="jax", params=p)


METHODS = {
    "input x gradient": InputAttribution,
    "integrated gradients": lambda m: IntegratedGradients(m, qoi=0, resolution=3),
    "a quantity of one's own": lambda m: IntegratedGradients(m, qoi=lambda y: y[:, 0] ** 2),
    "at a layer": lambda m: InternalInfluence(m, LAYER, 0, LinearDoi(0.1, 3, cut=LAYER)),
    "conductance": lambda m: Conductance(m, "h", qoi=0, resolution=3),
    "noise": lambda m: SmoothGrad(m, qoi=0, resolution=3),
}


QUICK = [
    name
    for name in METHODS
    if os.environ.get("TRULENS_EVERY") or name in ("a quantity of one's own", "at a layer")
]


@pytest.mark.parametrize("name", QUICK)
def test_derivatives_by_weights_and_inputs(given, close, name):
    p, x, wrapper = given

    def attributions(p, x):
        return METHODS[name](wrapper.with_params(p)).attributions(x, differentiable=True)

    def loss(p, x):
        return (attributions(p, x) ** 3).sum()

    close(attributions(p, x), METHODS[name](wrapper).attributions(x), 1e-12)
    compiled = jax.jit(jax.value_and_grad(loss, (0, 1)))
    _, (by_weights, by_inputs) = compiled(p, x)
    for key in p:
        ends = [compiled({**p, key: p[key].at[1, 0].add(s)}, x)[0] for s in (STEP, -STEP)]
        close(by_weights[key][1, 0], (ends[0] - ends[1]) / (2 * STEP), QUOTIENT)
    ends = [compiled(p, x.at[1, 2].add(s))[0] for s in (STEP, -STEP)]
    close(by_inputs[1, 2], (ends[0] - ends[1]) / (2 * STEP), QUOTIENT)
    assert not isinstance(wrapper.state()[0][0], jax.core.Tracer)


def test_transformations(given, close):
    _, x, wrapper = given
    method = IntegratedGradients(wrapper, qoi=1, resolution=3)
    plain = method.attributions(x)

    def attributions(x):
        return method.attributions(x, differentiable=True)

    close(jax.jit(attributions)(x), plain, 1e-12)
    both = jax.vmap(attributions)(jnp.stack([x, x + 1]))
    close(both[0], plain, 1e-12)
    close(
        jax.grad(lambda x: attributions(x).sum())(x),
        jax.jit(jax.grad(lambda x: attributions(x).sum()))(x),
        1e-12,
    )
    close(both[1], method.attributions(x + 1), 1e-12)
    assert isinstance(method.attributions(np.asarray(x), differentiable=True), jax.Array)
    close(method.attributions(x), plain, 0)  # and nothing is left behind


def test_modules(given, close):
    """Linen's variables go by `with_params`; an NNX module is differentiated as it is."""
    _, x, _ = given
    net = linen.Dense(3, param_dtype=jnp.float64)
    variables = net.init(jax.random.key(0), x)
    wrapper = get_model_wrapper(net, params=variables)

    def of_linen(v):
        method = IntegratedGradients(wrapper.with_params(v), qoi=1, resolution=2)
        return method.attributions(x, differentiable=True).sum()

    # of a linear model from zero, each weight has the sum of its input
    close(jax.grad(of_linen)(variables)["params"]["kernel"][:, 1], x.sum(0), 1e-12)

    module = nnx.Linear(4, 3, param_dtype=jnp.float64, rngs=nnx.Rngs(0))

    def of_nnx(m):
        method = IntegratedGradients(get_model_wrapper(m), qoi=1, resolution=2)
        return method.attributions(x, differentiable=True).sum()

    close(nnx.grad(of_nnx)(module).kernel[...][:, 1], x.sum(0), 1e-12)


def test_what_looks_at_numbers_says_so(given):
    _, x, wrapper = given
    method = IntegratedGradients(wrapper, qoi="predicted", resolution=2)
    with pytest.raises(jax.errors.TracerArrayConversionError) as raised:
        jax.jit(lambda x: method.attributions(x, differentiable=True))(x)
    assert "ClassQoI(labels)" in "".join(raised.value.__notes__)
    with pytest.raises(TypeError, match="differentiable=True"):
        jax.jit(method.attributions)(x)

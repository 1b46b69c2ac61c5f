"""A plain function, explained in every way, against jax.grad of the function cut by hand."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    ClassQoI,
    ComparativeQoI,
    Cut,
    GaussianDoi,
    InputAttribution,
    IntegratedGradients,
    InternalChannelQoI,
    InternalInfluence,
    LinearDoi,
    get_model_wrapper,
)
from trulens_jax import tap

SIZES = (5, 8, 6, 3)
LAYERS = len(SIZES) - 1
LIMITS = {"float32": 1e-6, "float64": 1e-10}


def layer(w, i, x):
    x = x @ w[i]["kernel"] + w[i]["bias"]
    return x if i == LAYERS - 1 else jax.nn.gelu(x, approximate=False)


def part(w, x, first=0, last=LAYERS):
    for i in range(first, last):
        x = layer(w, i, x)
    return x


@jax.jit
def net(w, x):
    for i in range(LAYERS):
        x = tap(layer(w, i, x), f"layer{i}")
    return x


@pytest.fixture(params=LIMITS)
def case(request):
    """The wrapper, its weights, records, and how near the numbers must be."""
    if request.param == "float64":
        request.getfixturevalue("x64")
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape) / 2, request.param)
    w = [{"kernel": draw(i, o), "bias": draw(o)} for i, o in itertools.pairwise(SIZES)]
    x = rng.normal(size=(4, SIZES[0])).astype(request.param)
    return get_model_wrapper(net, backend="jax", params=w), w, x, LIMITS[request.param]


def test_saliency(case, close):
    model, w, x, limit = case
    for qoi, score in (
        (2, lambda y: y[:, 2]),
        ("max", lambda y: y.max(1)),
        ("predicted", lambda y: y.max(1)),
        (ClassQoI([0, 1, 2, 0]), lambda y: y[jnp.arange(4), jnp.asarray([0, 1, 2, 0])]),
        (ComparativeQoI(1, 0), lambda y: y[:, 1] - y[:, 0]),
        (lambda y: jnp.tanh(y[:, 1]), lambda y: jnp.tanh(y[:, 1])),
    ):
        got = InputAttribution(model, qoi=qoi, multiply_activation=False).attributions(x)
        close(got, jax.grad(lambda x, q=score: q(part(w, x)).sum())(x), limit)
        assert got.dtype == x.dtype


def test_integrated_gradients(case, close):
    model, w, x, limit = case
    baseline, n = 0.25, 12
    grad = jax.jit(jax.grad(lambda x: part(w, x)[:, 1].sum()))
    points = [baseline + (i + 0.5) / n * (x - baseline) for i in range(n)]
    method = IntegratedGradients(model, baseline, n, qoi=1)
    expected = (x - baseline) * sum(map(grad, points)) / n
    close(method.attributions(x), expected, limit)
    result = method.explain(x)
    ends = part(w, x)[:, 1] - part(w, 0 * x + baseline)[:, 1]
    np.testing.assert_allclose(result.attributions.sum(1) + result.residual, ends, atol=2e-6)


@pytest.mark.parametrize("at", [0, 1])
def test_layers(case, close, at):
    model, w, x, limit = case
    z = part(w, x, 0, at + 1)
    grad = jax.jit(jax.grad(lambda z: part(w, z, at + 1)[:, 2].sum()))
    cut = Cut(f"layer{at}")
    close(InternalInfluence(model, cut, 2, "point").attributions(x), z * grad(z), limit)
    path = InternalInfluence(model, cut, 2, LinearDoi(resolution=5, cut=cut))
    mean = sum(grad(a * z) for a in np.linspace(1, 0, 5)) / 5
    close(path.attributions(x), z * mean, limit)
    far = InternalInfluence(model, cut, 2, LinearDoi(resolution=5), multiply_activation=False)
    mean = sum(grad(part(w, a * x, 0, at + 1)) for a in np.linspace(1, 0, 5)) / 5
    close(far.attributions(x), mean, limit)
    noisy = GaussianDoi(0.1, 3, cut=cut)
    points = noisy(z)
    smooth = InternalInfluence(model, cut, 2, noisy, multiply_activation=False)
    close(smooth.attributions(x), sum(map(grad, points)) / 3, limit)


@pytest.mark.parametrize("unit", [0, [1, 4]])
def test_units(case, close, unit):
    """From the input, and from one layer, to units of another."""
    model, w, x, limit = case
    score = lambda h: h[:, jnp.asarray(unit)].sum()
    ask = lambda source: InternalInfluence(
        model, (source, "layer1"), InternalChannelQoI(unit), "point", multiply_activation=False
    ).attributions(x)
    close(ask(None), jax.grad(lambda x: score(part(w, x, 0, 2)))(x), limit)
    z = part(w, x, 0, 1)
    close(ask("layer0"), jax.grad(lambda z: score(part(w, z, 1, 2)))(z), limit)

"""Rules on JAX: the same operation in all of its forms, and what must raise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import (
    LRP,
    AttnLRP,
    DeepLIFT,
    GuidedBackprop,
    InputAttribution,
    UncoveredOperationError,
    get_model_wrapper,
)
from trulens_core.rules import Flat, Gradient, RuleSet, composites

pytestmark = pytest.mark.usefixtures("x64")
RNG = np.random.default_rng(3)
PARAMS = {n: RNG.standard_normal(s) for n, s in (("a", (4, 6)), ("b", (6,)), ("c", (6, 3)))}
X = RNG.standard_normal((3, 4))


def wrapped(function):
    def model(p, x):
        return function(x @ p["a"] + p["b"]) @ p["c"]

    return get_model_wrapper(model, backend="jax", params=PARAMS)


RELUS = [
    lambda x: jnp.maximum(x, 0),
    jax.jit(jax.nn.relu),
    jax.checkpoint(jax.nn.relu),
]
SOFTMAXES = [
    jax.nn.softmax,
    lambda x: jnp.exp(x) / jnp.exp(x).sum(-1, keepdims=True),
    lambda x: (lambda e: e / e.sum(-1, keepdims=True))(jnp.exp(x - x.max(-1, keepdims=True))),
]
SILUS = [lambda x: x / (1 + jnp.exp(-x)), lambda x: x * jax.nn.sigmoid(x)]


@pytest.mark.parametrize(
    ("asked", "plain", "forms"),
    [
        (GuidedBackprop, jax.nn.relu, RELUS),
        (AttnLRP, jax.nn.silu, SILUS),
        (AttnLRP, jax.nn.softmax, SOFTMAXES[:1]),
        (lambda m, qoi: DeepLIFT(m, 0.1, qoi=qoi), jax.nn.silu, SILUS),
    ],
)
def test_forms_of_one_function_are_one(asked, plain, forms):
    expected = asked(wrapped(plain), qoi=1).attributions(X)
    for form in forms:
        np.testing.assert_allclose(
            asked(wrapped(form), qoi=1).attributions(X), expected, atol=1e-13
        )


def test_leaky_relus_are_functions_of_one_value():
    """As a select of two linear parts they would seem linear."""
    for function in (jax.nn.leaky_relu, lambda x: jnp.where(x > 0, x, 0.1 * x), jax.nn.elu):
        result = DeepLIFT(wrapped(function), 0.2, qoi=1).explain(X)
        np.testing.assert_allclose(result.residual, 0, atol=1e-13)
        assert "pointwise" in {kind for kind, _ in result.coverage.by_kind()}


def own(x):
    @jax.custom_vjp
    def f(x):
        return x * x

    f.defvjp(lambda x: (x * x, x), lambda x, g: (2 * x * g,))
    return f(x)


UNSEEN = {
    "custom_vjp": own,
    "while": lambda x: jax.lax.while_loop(
        lambda c: c[0] < 2, lambda c: (c[0] + 1, 2 * c[1]), (0, x)
    )[1],
    "a long scan": lambda x: jax.lax.scan(lambda c, _: (c * 0.9, None), x, None, 600)[0],
    "a long fori_loop": lambda x: jax.lax.fori_loop(0, 600, lambda _, c: c * 0.9, x),
    "cond": lambda x: jax.lax.cond(jnp.asarray(1.0) > 0, jnp.tanh, jnp.sin, x),
    "sort": lambda x: jnp.sort(x, axis=-1),
    "top_k": lambda x: jax.lax.top_k(x, 6)[0],
    "maxima of two": lambda x: jnp.maximum(x, -x),
    "a switch by another value": lambda x: jnp.where(x[:, :1] > 0, x, 2 * x),
}


@pytest.mark.parametrize("case", UNSEEN)
def test_what_rules_cannot_see_raises(case):
    with pytest.raises(UncoveredOperationError, match="no rule for"):
        AttnLRP(wrapped(UNSEEN[case])).attributions(X)


def test_the_report_is_there_for_steps_that_were_kept():
    """Another rule set of the same rules compiles nothing, and knows what was covered."""
    wrapper = wrapped(jax.nn.relu)
    first = LRP(wrapper, "epsilon", qoi=1).explain(X)
    kept = dict(wrapper._steps.__dict__)
    again = LRP(wrapper, "epsilon", qoi=2).explain(X)
    assert (
        str(again.coverage)
        == str(first.coverage)
        == ("3 of 3 operations that need a rule had one; 0 are linear")
    )
    assert dict(wrapper._steps.__dict__) == kept


def test_first_rules():
    wrapper = wrapped(jnp.tanh)
    rules = RuleSet([("linear|pointwise", Gradient())], first=[("linear", Flat())])
    flat = InputAttribution(wrapper, qoi=1, rules=rules).attributions(X)
    np.testing.assert_allclose(flat, flat[:, :1] * np.ones(4), rtol=1e-10)
    scaled = get_model_wrapper(lambda x: jnp.tanh(-x) @ PARAMS["a"], backend="jax")
    with pytest.raises(UncoveredOperationError, match="first="):
        InputAttribution(scaled, qoi=1, rules=rules).attributions(X)


def test_rules_of_the_callers_serve_one_call():
    seen = []
    rules = RuleSet([(lambda op: seen.append(op.kind) or True, Gradient())])
    wrapper = wrapped(jnp.tanh)
    plain = InputAttribution(wrapper, qoi=1).attributions(X)
    for _ in range(2):
        seen.clear()
        found = InputAttribution(wrapper, qoi=1, rules=rules).attributions(X)
        np.testing.assert_allclose(found, plain, atol=1e-14)
        assert seen.count("linear") >= 2


def test_guided_is_no_gradient():
    wrapper = wrapped(jax.nn.relu)
    guided = GuidedBackprop(wrapper, qoi=1).attributions(X)
    plain = InputAttribution(wrapper, qoi=1, multiply_activation=False).attributions(X)
    assert not np.allclose(guided, plain)
    same = InputAttribution(wrapper, qoi=1, rules=composites.guided()).attributions(X)
    np.testing.assert_allclose(same, guided * X)

"""The logarithm of a softmax is one operation for rules, however a framework writes it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch

from trulens_core import LRP, AttnLRP, DeepLIFT, GuidedBackprop, get_model_wrapper
from trulens_core.errors import UncoveredOperationError

RNG = np.random.default_rng(0)
FIRST, SECOND, X = RNG.normal(size=(4, 6)), RNG.normal(size=(6, 3)), RNG.normal(size=(2, 4))

ENDS = {
    "jax": {
        "named": jax.nn.log_softmax,
        "written": lambda h: h - jnp.log(jnp.exp(h).sum(-1, keepdims=True)),
        "logsumexp": lambda h: h - jax.nn.logsumexp(h, axis=-1, keepdims=True),
    },
    "tensorflow": {
        "named": tf.nn.log_softmax,
        "written": lambda h: h - tf.math.log(tf.reduce_sum(tf.exp(h), -1, keepdims=True)),
        "logsumexp": lambda h: h - tf.reduce_logsumexp(h, -1, keepdims=True),
    },
    "torch": {
        "named": lambda h: torch.log_softmax(h, -1),
        "logsumexp": lambda h: h - torch.logsumexp(h, -1, keepdim=True),
    },
}


def wrapped(framework, end):
    last = ENDS[framework][end]
    if framework == "jax":
        return get_model_wrapper(
            lambda p, x: last(jnp.tanh(x @ p[0]) @ p[1]),
            params=[jnp.asarray(FIRST), jnp.asarray(SECOND)],
            backend="jax",
        )
    if framework == "tensorflow":
        first, second = tf.constant(FIRST), tf.constant(SECOND)
        return get_model_wrapper(lambda x: last(tf.tanh(x @ first) @ second), backend="tensorflow")
    first, second = torch.tensor(FIRST), torch.tensor(SECOND)
    return get_model_wrapper(lambda x: last(torch.tanh(x @ first) @ second), backend="torch")


def explained(kind, framework, end):
    x = {"jax": jnp.asarray, "tensorflow": tf.constant, "torch": torch.tensor}[framework]
    return kind(wrapped(framework, end), qoi=1).explain(x(X))


@pytest.fixture(autouse=True)
def exact():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("kind", [AttnLRP, DeepLIFT, GuidedBackprop])
def test_it_has_the_numbers_of_torch(kind):
    expected = np.asarray(explained(kind, "torch", "named").attributions)
    for framework, end in [(f, e) for f in ("jax", "tensorflow") for e in ("named", "written")]:
        found = explained(kind, framework, end)
        np.testing.assert_allclose(found.attributions, expected, rtol=1e-10, err_msg=framework)
        if kind is DeepLIFT:
            assert np.abs(np.asarray(found.residual)).max() < 1e-12


@pytest.mark.parametrize("framework", ENDS)
def test_what_has_no_rule_says_so(framework):
    with pytest.raises(UncoveredOperationError, match=r"(?i)log_?softmax"):
        explained(LRP, framework, "named")
    for kind in (AttnLRP, DeepLIFT):
        with pytest.raises(UncoveredOperationError, match="logsumexp"):
            explained(kind, framework, "logsumexp")

"""Records that see one another are not taken apart on JAX, whatever was asked before."""

import jax.numpy as jnp
import numpy as np
import pytest

from trulens_core import get_model_wrapper
from trulens_core.attribution import InputAttribution, IntegratedGradients
from trulens_core.errors import UnsupportedModelError
from trulens_core.perturbation import Ablation

X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
W = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")


def by_the_batch(w, x):
    h = jnp.tanh(x @ w)
    return h * h - h.mean(0)


def by_the_record(w, x):
    return jnp.tanh(x @ w) ** 2


@pytest.mark.parametrize("kind", [InputAttribution, IntegratedGradients, Ablation])
@pytest.mark.filterwarnings("ignore:the model's rows see one another")
@pytest.mark.parametrize("first", [None, 5, 2])
def test_a_smaller_rebatch_size_is_an_error(kind, first):
    wrapper = get_model_wrapper(by_the_batch, params=W, backend="jax")
    if first != 2:
        kind(wrapper, qoi=1, rebatch_size=first).attributions(X)
    for rows in (1, 2):
        with pytest.raises(UnsupportedModelError, match=f"rebatch_size={rows} would take"):
            kind(wrapper, qoi=1, rebatch_size=rows).attributions(X)


@pytest.mark.parametrize("kind", [InputAttribution, IntegratedGradients, Ablation])
def test_others_are_taken_apart(kind):
    wrapper = get_model_wrapper(by_the_record, params=W, backend="jax")
    whole = kind(wrapper, qoi=1).attributions(X)
    for rows in (1, 2, 3):
        found = kind(wrapper, qoi=1, rebatch_size=rows).attributions(X)
        np.testing.assert_allclose(found, whole, rtol=2e-5, atol=1e-6)

"""A decoder in Flax NNX, explained by ids."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from trulens_core import explain_generation
from trulens_core.testing import relative_error

IDS, OUT, WIDTH = [5, 9, 12, 7, 30], [8, 11, 40], 8


class Decoder(nnx.Module):
    def __init__(self, rngs, dtype="float32"):
        given = {"param_dtype": jnp.dtype(dtype), "rngs": rngs}
        self.emb = nnx.Embed(50, WIDTH, **given)
        self.attend = nnx.MultiHeadAttention(2, WIDTH, decode=False, **given)
        self.norm = nnx.LayerNorm(WIDTH, **given)
        self.head = nnx.Linear(WIDTH, 50, **given)

    def after(self, z):
        seen = jnp.tril(jnp.ones((z.shape[1], z.shape[1]), bool))
        return self.head(jnp.tanh(self.norm(z + self.attend(z, mask=seen[None, None]))))

    def __call__(self, ids):
        return self.after(self.emb(ids))


@pytest.fixture(scope="module")
def decoder():
    return Decoder(nnx.Rngs(0))


def by_hand(decoder, ids, token):
    """Input × gradient of the next token's log-probability, by jax alone."""
    z = decoder.emb(jnp.asarray([ids]))

    def of(z):
        return jax.nn.log_softmax(decoder.after(z)[0, -1])[token]

    return np.asarray((z * jax.grad(of)(z)).sum(-1))


def test_each_row_is_that_of_the_text_cut_off_after_it(decoder):
    found = explain_generation(decoder, None, IDS, OUT)
    for t in range(3):
        n = 5 + t
        expected = by_hand(decoder, [*IDS, *OUT][:n], OUT[t])
        assert relative_error(found.attributions[t : t + 1, :n], expected) < 1e-4
        assert not found.attributions[t, n:].any()


@pytest.mark.filterwarnings("ignore:completeness fails")  # by 3 points
def test_ragged_texts_and_paths(decoder):
    given = {"method": "ig", "resolution": 3}
    several = explain_generation(decoder, None, [IDS, [3, 4]], [OUT, [7]], **given)
    for found, ids, out in zip(several, [IDS, [3, 4]], [OUT, [7]], strict=True):
        alone = explain_generation(decoder, None, ids, out, **given)
        assert relative_error(found.attributions, alone.attributions) < 1e-4
        gap = found.quantity - found.baseline_quantity
        np.testing.assert_allclose(found.attributions.sum(1) + found.residual, gap, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"method": "ig", "resolution": 3}])
@pytest.mark.filterwarnings("ignore:completeness fails")  # by 3 points
def test_texts_beside_longer_ones_are_as_alone(options):
    with jax.enable_x64(True):
        model = Decoder(nnx.Rngs(0), "float64")
        several = explain_generation(model, None, [IDS, [3, 4]], [OUT, [7]], **options)
        for found, ids, out in zip(several, [IDS, [3, 4]], [OUT, [7]], strict=True):
            alone = explain_generation(model, None, ids, out, **options)
            assert found.attributions.dtype == "float64"
            assert relative_error(found.attributions, alone.attributions) < 1e-12


def test_written_greedily(decoder):
    found = explain_generation(decoder, None, IDS, generate={"max_new_tokens": 3})
    ids = list(IDS)
    for _ in range(3):
        ids.append(int(decoder(jnp.asarray([ids]))[0, -1].argmax()))
    assert found.text.ids.tolist() == ids

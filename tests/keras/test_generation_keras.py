"""A decoder in Keras, explained by ids, on whichever framework Keras runs."""

import keras
import numpy as np
import pytest
from keras import layers

from trulens_core import InternalInfluence, LinearDoi, TokenQoI, explain_generation
from trulens_core.testing import relative_error

IDS, OUT, WIDTH = [5, 9, 12, 7, 30], [8, 11, 40], 8


def made(dtype):
    keras.utils.set_random_seed(0)
    given = {"dtype": dtype}
    ids = keras.Input((None,), dtype="int32")
    z = layers.Embedding(50, WIDTH, name="emb", embeddings_initializer="normal", **given)(ids)
    attend = layers.MultiHeadAttention(2, 4, name="attend", **given)
    h = layers.Add(**given)([z, attend(z, z, use_causal_mask=True)])
    h = layers.Dense(WIDTH, activation="tanh", **given)(layers.LayerNormalization(**given)(h))
    return keras.Model(ids, layers.Dense(50, name="head", **given)(h))


@pytest.fixture(scope="module")
def decoder():
    return made("float32")


@pytest.mark.parametrize("options", [{}, {"method": "ig", "resolution": 3}])
@pytest.mark.filterwarnings("ignore:completeness fails")  # by 3 points
def test_texts_beside_longer_ones_are_as_alone(options):
    # JAX has no float64 but where it is asked for, and Keras's attention on PyTorch computes less
    exact = keras.backend.backend() == "tensorflow"
    model, limit = made("float64" if exact else "float32"), 1e-12 if exact else 1e-4
    given = {"embeddings": "emb", **options}
    several = explain_generation(model, None, [IDS, [3, 4]], [OUT, [7]], **given)
    for found, ids, out in zip(several, [IDS, [3, 4]], [OUT, [7]], strict=True):
        alone = explain_generation(model, None, ids, out, **given)
        assert relative_error(found.attributions, alone.attributions) < limit


def test_each_row_is_that_of_the_text_cut_off_after_it(decoder):
    weights = np.asarray(decoder.get_layer("emb").get_weights()[0])
    found = explain_generation(
        decoder, None, IDS, OUT, method="ig", resolution=4, embeddings="emb", hold=[0]
    )
    assert found.attributions.shape == (3, 8)
    assert not found.attributions[:, 0].any()
    np.testing.assert_allclose(
        found.attributions.sum(1) + found.residual,
        found.quantity - found.baseline_quantity,
        atol=1e-5,
    )
    for t in range(3):
        n = 5 + t
        z = weights[[*IDS, *OUT][:n]]
        baseline = np.broadcast_to(weights.mean(0), (n, WIDTH)).copy()
        baseline[0] = z[0]
        alone = InternalInfluence(
            decoder,
            ("emb", None),
            TokenQoI(OUT[t], -1, "log_prob"),
            LinearDoi(baseline, 4, cut="emb", rule="midpoint"),
        ).attributions(np.asarray([[*IDS, *OUT][:n]]))
        assert relative_error(found.attributions[t : t + 1, :n], alone.sum(-1)) < 1e-4
        assert not found.attributions[t, n:].any()


def test_written_greedily(decoder):
    found = explain_generation(decoder, None, IDS, generate={"max_new_tokens": 3}, embeddings="emb")
    ids = list(IDS)
    for _ in range(3):
        scores = keras.ops.convert_to_numpy(decoder(np.asarray([ids])))
        ids.append(int(scores[0, -1].argmax()))
    assert found.text.ids.tolist() == ids
    one = explain_generation(decoder, None, IDS, found.outputs, targets="sum")
    assert relative_error(found.total().attributions, one.attributions) < 1e-5
